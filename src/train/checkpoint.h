// Stopping a training run and going on later.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "normkit/nn/network.h"
#include "normkit/train/options.h"
#include "src/train/solvers.h"

namespace normkit {

// What makes two runs the same run: (name, value) in the order that differences are reported.
using RunIdentity = std::vector<std::pair<std::string, std::string>>;
RunIdentity IdentifyRun(const DataSource& data, const Graph& graph, const TrainingOptions& options);

// Where a run stands. Everything else (the order of an epoch, dropout) follows from the seed.
struct RunState {
  std::vector<ProgressRow> history;  // one row a finished iteration
  int64_t iteration() const { return static_cast<int64_t>(history.size()); }
  double seconds() const { return history.empty() ? 0 : history.back().seconds; }
};

// An .npz file: "parameters/NAME" and the solver's "average/NAME", "squared_average/NAME" (f4, in
// the shapes of the parameters), "history" (f8, a row an iteration) and "metadata" (u1, JSON).
void WriteCheckpoint(const std::string& path, const RunIdentity& identity,
                     const std::map<std::string, std::string>& notes, const Parameters& parameters,
                     Optimizer& optimizer, const RunState& state);

// The inverse: fills parameters and optimizer. Throws Error "checkpoint 'PATH': ..." where the file
// is damaged or its run is another than `identity`.
RunState ReadCheckpoint(const std::string& path, const RunIdentity& identity,
                        Parameters& parameters, Optimizer& optimizer);

}  // namespace normkit
