#include "src/train/needs.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "normkit/graph/executor.h"
#include "src/graph/memory.h"
#include "src/nn/norm_sites.h"
#include "src/train/batches.h"
#include "src/train/micro_batches.h"
#include "src/train/option_table.h"

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

// How many there are, and the rows that a mini-batch of some of them has at most.
struct Observations {
  int64_t count = 0;
  const DataSource* sequences = nullptr;  // null: one row each

  static Observations Of(const DataSource* data) {
    if (!data) return {};
    return {data->size(), data->layout().packed() ? data : nullptr};
  }
  int64_t MostRows(int64_t size) const {
    if (!sequences) return size;
    std::vector<int64_t> lengths;
    for (int64_t i = 0; i < count; ++i) lengths.push_back(sequences->length(i));
    std::ranges::nth_element(lengths, lengths.begin() + size, std::greater<>());
    return std::accumulate(lengths.begin(), lengths.begin() + size, int64_t{0});
  }
};

double ArenaBytes(const Graph& graph, const Observations& all, const std::vector<int64_t>& sizes,
                  bool training, bool keep_all = false) {
  double bytes = 0;
  for (const int64_t size : sizes)  // which share the memory
    bytes = std::max(bytes, Executor::PlannedBytes(graph, all.MostRows(size), training, keep_all));
  return bytes;
}

std::string OfMiniBatch(const char* what, const std::vector<int64_t>& sizes) {
  return sizes.empty() ? what : fmt::format("{} of {} observations", what, sizes.front());
}

MemoryNeeds TrainingNeeds(const Graph& graph, const TrainingOptions& options,
                          const Observations& training, const Observations& validating) {
  const TrainingOptions o = Resolve(options);
  const double parameters = ParameterBytes(graph),
               states = static_cast<double>(SolverStates(o) + KeepsBest(o));
  MemoryNeeds needs;
  needs.Add("the program itself", kProgram);
  needs.Add("parameters, their gradients and the solver's state",
            (2 + states + (o.solver == Solver::kLbfgs ? 4 : 0)) * parameters);
  // As arrays and as the bytes of the file, which double where they grow.
  if (!o.checkpoint_path.empty())
    needs.Add("a checkpoint while it is written", 3 * (1 + states) * parameters);

  const int64_t step = ObservationsAStep(o, training.count);
  const auto sizes = SizesOf(training.count, step, Single::kDrop);
  const int parts = MicroBatches(o, step);
  auto at_once = sizes;
  for (int64_t& size : at_once) size = (size + parts - 1) / parts;
  double activations = ArenaBytes(graph, training, at_once, true);
  if (o.reducer && o.reducer->ranks() > 1)  // handed out and gathered, twice each
    needs.Add("gradients between ranks", 4 * parameters);
  if (parts > 1) needs.Add("gradients of the parts of a mini-batch", parts * parameters);
  // The passes for the statistics follow when they are gone, and keep what training would have
  // saved, of whole mini-batches.
  if (!MovingSites(graph).empty())
    activations =
        std::max(activations, ArenaBytes(graph, training,
                                         SizesOf(training.count, o.mini_batch_size, Single::kJoin),
                                         false, true));
  needs.Add(OfMiniBatch("activations and gradients", at_once), activations);
  const auto validation = SizesOf(validating.count, o.mini_batch_size, Single::kJoin);
  needs.Add(OfMiniBatch("activations of validation", validation),
            ArenaBytes(graph, validating, validation, false));
  return needs;
}

}  // namespace

MemoryNeeds TrainingNeeds(const Graph& graph, const TrainingOptions& options, int64_t observations,
                          int64_t validation_observations) {
  return TrainingNeeds(graph, options, Observations{observations},
                       Observations{validation_observations});
}

MemoryNeeds TrainingNeeds(const Graph& graph, const TrainingOptions& options,
                          const DataSource& data, const DataSource* validation) {
  return TrainingNeeds(graph, options, Observations::Of(&data), Observations::Of(validation));
}

namespace {

MemoryNeeds EvaluationNeeds(const Graph& graph, const Observations& all, int64_t mini_batch_size) {
  MemoryNeeds needs;
  needs.Add("parameters", ParameterBytes(graph));
  const auto sizes = SizesOf(all.count, mini_batch_size, Single::kJoin);
  needs.Add(OfMiniBatch("activations", sizes), ArenaBytes(graph, all, sizes, false));
  return needs;
}

}  // namespace

MemoryNeeds EvaluationNeeds(const Graph& graph, int64_t observations, int64_t mini_batch_size) {
  return EvaluationNeeds(graph, Observations{observations}, mini_batch_size);
}

MemoryNeeds EvaluationNeeds(const Graph& graph, const DataSource& data, int64_t mini_batch_size) {
  return EvaluationNeeds(graph, Observations::Of(&data), mini_batch_size);
}

}  // namespace normkit
