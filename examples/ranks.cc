// Data-parallel training: mpirun -n 4 ranks trains on four processes, ranks on four threads, and
// both end with the network that one rank would end with, to the byte.
#include <normkit/normkit.h>

#include <cstdio>
#include <memory>

using namespace normkit;

// Every rank calls this; each reads and computes its part of every mini-batch.
static void Train(Reducer& reducer) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {28, 28, 1}}));
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 8}));
  graph.Add(BatchNormalization());  // with the statistics of the whole mini-batch
  graph.Add(Relu());
  graph.Add(MaxPooling2d({.pool_size = {4, 4}, .stride = {4, 4}}));
  graph.Add(Flatten());
  graph.Add(FullyConnected({.output_size = 10}));
  graph.Add(Softmax());

  const Split data = SplitData(GenerateDigits(600, /*seed=*/1), 0.2, /*seed=*/1);
  TrainingOptions options{.max_epochs = 2, .mini_batch_size = 64};  // of all ranks together
  options.validation_data = data.second;
  options.verbose = Verbose::kOff;
  options.reducer = &reducer;
  const TrainingResult result = TrainNetwork(data.first, graph, options);
  if (reducer.rank() == 0)
    std::printf("%d ranks: %.1f %% of the validation digits are right\n", reducer.ranks(),
                result.final_validation_accuracy);
}

int main() {
  // Where MPI is there, and mpirun or srun started several processes: those.
  const std::unique_ptr<Reducer> processes = MpiAvailable() ? MakeMpiReducer() : nullptr;
  if (processes && processes->ranks() > 1)
    Train(*processes);
  else
    RunRanks(4, Train);
}
