// Stopping a training run and going on later.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "normkit/data/identity.h"
#include "normkit/nn/network.h"
#include "normkit/train/options.h"

namespace normkit {

// What makes two runs the same run. Where the data lie is no part of it.
struct RunIdentity {
  DataIdentity data, validation;                             // validation: empty for none
  std::string data_name, validation_name;                    // for messages
  std::vector<std::pair<std::string, std::string>> options;  // and layers, in the order of reports
};
RunIdentity IdentifyRun(const DataSource& data, const Graph& graph, const TrainingOptions& options);

// What a solver keeps, by name, in the layout of the parameters.
using SolverArrays = std::map<std::string, std::span<float>>;

// Where a run stands. Everything else (the order of an epoch, dropout) follows from the seed.
struct RunState {
  std::vector<ProgressRow> history;  // one row a finished iteration
  std::optional<Parameters> best;    // of the best validation so far, where that is the result
  int64_t iteration() const { return static_cast<int64_t>(history.size()); }
  double seconds() const { return history.empty() ? 0 : history.back().seconds; }
};

// An .npz file: "parameters/NAME", where there is one "best/NAME", and the solver's "average/NAME",
// "squared_average/NAME", ... (f4, in the shapes of the parameters), "history" (f8, a row an
// iteration) and "metadata" (u1, JSON: the identity, the rows of the table of options, and the
// caller's notes).
void WriteCheckpoint(const std::string& path, const RunIdentity& identity,
                     const TrainingOptions& options, const Parameters& parameters,
                     const SolverArrays& solver, const RunState& state);

// About the size of that file after so many iterations, a little above.
uint64_t CheckpointBytes(const Parameters& parameters, const TrainingOptions& options,
                         int64_t iterations);

// The inverse: fills parameters and the solver's arrays. Throws Error "checkpoint 'PATH': ..."
// where the file is damaged, holds values that are not finite, or its run is another than
// `identity`.
RunState ReadCheckpoint(const std::string& path, const RunIdentity& identity, const Graph& graph,
                        Parameters& parameters, const SolverArrays& solver);

}  // namespace normkit
