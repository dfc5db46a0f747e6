#include "src/train/needs.h"

#include <fmt/format.h>

#include <algorithm>

#include "normkit/graph/executor.h"
#include "src/graph/memory.h"
#include "src/train/batches.h"

namespace normkit {
namespace {

constexpr double kProgram = 50e6;  // code, tables, what threads and libraries work in

// The different sizes of an epoch's mini-batches.
std::vector<int64_t> SizesOf(int64_t observations, int64_t batch_size, Single single) {
  if (observations < 1) return {};
  std::vector<int64_t> sizes = BatchSizes(observations, batch_size, single);
  return sizes.front() == sizes.back() ? std::vector<int64_t>{sizes.front()}
                                       : std::vector<int64_t>{sizes.front(), sizes.back()};
}

double ArenaBytes(const Graph& graph, const std::vector<int64_t>& sizes, bool training) {
  double bytes = 0;
  for (const int64_t size : sizes)  // which share the memory
    bytes = std::max(bytes, Executor::PlannedBytes(graph, size, training));
  return bytes;
}

std::string OfMiniBatch(const char* what, const std::vector<int64_t>& sizes) {
  return sizes.empty() ? what : fmt::format("{} of {} observations", what, sizes.front());
}

}  // namespace

MemoryNeeds TrainingNeeds(const Graph& graph, const TrainingOptions& options, int64_t observations,
                          int64_t validation_observations) {
  const TrainingOptions o = Resolve(options);
  const double parameters = ParameterBytes(graph), states = o.solver == Solver::kAdam ? 2 : 1;
  MemoryNeeds needs;
  needs.Add("the program itself", kProgram);
  needs.Add("parameters, their gradients and the solver's state", (2 + states) * parameters);
  // As arrays and as the bytes of the file, which double where they grow.
  if (!o.checkpoint_path.empty())
    needs.Add("a checkpoint while it is written", 3 * (1 + states) * parameters);

  const auto sizes = SizesOf(observations, o.mini_batch_size, Single::kDrop);
  double activations = ArenaBytes(graph, sizes, true);
  // The pass for the statistics follows when they are gone. It takes less, unless it keeps what
  // training would have saved.
  if (o.batch_normalization_statistics == Statistics::kPopulation)
    for (const int64_t size : SizesOf(observations, o.mini_batch_size, Single::kJoin))
      activations = std::max(activations, Executor::PlannedBytes(graph, size, false, true));
  needs.Add(OfMiniBatch("activations and gradients", sizes), activations);
  const auto validation = SizesOf(validation_observations, o.mini_batch_size, Single::kJoin);
  needs.Add(OfMiniBatch("activations of validation", validation),
            ArenaBytes(graph, validation, false));
  return needs;
}

MemoryNeeds EvaluationNeeds(const Graph& graph, int64_t observations, int64_t mini_batch_size) {
  MemoryNeeds needs;
  needs.Add("parameters", ParameterBytes(graph));
  const auto sizes = SizesOf(observations, mini_batch_size, Single::kJoin);
  needs.Add(OfMiniBatch("activations", sizes), ArenaBytes(graph, sizes, false));
  return needs;
}

}  // namespace normkit
