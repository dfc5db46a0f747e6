#include <normkit/normkit.h>

#include <cstdio>

using namespace normkit;

int main() {
  Graph graph;
  graph.Add(ImageInput({.input_size = {28, 28, 1}}));
  for (const int64_t filters : {8, 16, 32}) {
    graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = filters}));
    graph.Add(BatchNormalization());  // or GroupNormalization({.num_groups = 4}), ...
    graph.Add(Relu());
    graph.Add(MaxPooling2d({.pool_size = {2, 2}, .stride = {2, 2}}));
  }
  graph.Add(Flatten());
  graph.Add(FullyConnected({.output_size = 10}));
  graph.Add(Softmax());

  const Split data = SplitData(GenerateDigits(3000, /*seed=*/1), 0.2, /*seed=*/1);
  TrainingOptions options{.solver = Solver::kAdam, .max_epochs = 5, .initial_learn_rate = 0.01};
  options.validation_data = data.second;
  const TrainingResult result = TrainNetwork(data.first, graph, options);
  SaveOnnx(result.network, "digits.onnx");
  std::printf("%.1f %% of the validation digits are right\n", result.final_validation_accuracy);
}
