// A training loop of one's own: data, executor, loss and solver of normkit, and the loop is yours.
#include <normkit/normkit.h>

#include <cstdio>
#include <numeric>
#include <vector>

using namespace normkit;

int main() {
  Graph graph;
  graph.Add(ImageInput({.input_size = {28, 28, 1}}));
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 8}));
  graph.Add(BatchNormalization());
  graph.Add(Relu());
  graph.Add(MaxPooling2d({.pool_size = {4, 4}, .stride = {4, 4}}));
  graph.Add(Flatten());
  const Value scores = graph.Add(FullyConnected({.output_size = 10}));
  graph.Add(Softmax());

  constexpr int64_t kCount = 640, kBatch = 32, kEpochs = 6;
  const DataPtr digits = GenerateDigits(kCount, /*seed=*/1);
  Network network{graph, Parameters(graph), digits->classes(), {}};
  Parameters gradients(graph);
  network.parameters.Initialize(graph, /*seed=*/1);
  InputStatistics statistics(graph);  // what the input layer has to know of the data
  std::vector<int64_t> order(kCount);
  std::iota(order.begin(), order.end(), 0);
  std::vector<float> all(static_cast<size_t>(kCount * 28 * 28));
  ReadBatch(*digits, order, all);
  statistics.Add(all);
  statistics.WriteTo(network.parameters);

  const TrainingOptions options = Resolve({.solver = Solver::kAdamW,
                                           .max_epochs = kEpochs,
                                           .initial_learn_rate = 0.01,
                                           .learn_rate_schedule = Schedule::kCosine});
  Optimizer optimizer(options, network.parameters);
  Executor executor(graph, {.training = true});
  Batch batch;
  std::vector<float> dscores;
  for (int64_t epoch = 0; epoch < kEpochs; ++epoch) {
    Random(/*seed=*/1, static_cast<uint64_t>(epoch)).Shuffle(order);
    for (int64_t begin = 0; begin < kCount; begin += kBatch) {
      const int64_t iteration = optimizer.steps() + 1;
      executor.SetBatchSize(kBatch);
      ReadBatch(*digits, std::span(order).subspan(static_cast<size_t>(begin), kBatch),
                executor.input(), batch);
      const RunContext run{.training = true, .iteration = static_cast<uint64_t>(iteration)};
      executor.Forward(network.parameters, run);
      MoveStatistics(graph, executor, network.parameters);
      dscores.resize(kBatch * 10);
      const double loss =
          CrossEntropyLoss(executor.value(scores), batch.labels, /*num_classes=*/10, dscores);
      executor.Backward(network.parameters, dscores, scores, run, gradients);
      optimizer.Step(network.parameters, gradients, LearnRate(options, iteration, kCount / kBatch));
      if (begin + kBatch == kCount)
        std::printf("epoch %d: loss %.3f\n", static_cast<int>(epoch) + 1, loss);
    }
  }
  const Evaluation evaluation = Evaluate(network, GenerateDigits(200, /*seed=*/2));
  std::printf("%.1f %% of other digits are right\n", evaluation.accuracy);
  return evaluation.accuracy > 50 ? 0 : 1;
}
