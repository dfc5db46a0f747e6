// The training loop.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "normkit/graph/executor.h"
#include "normkit/train/lbfgs.h"
#include "normkit/train/optimizer.h"
#include "normkit/train/train.h"
#include "src/train/batches.h"
#include "src/train/checkpoint.h"
#include "src/train/evaluator.h"
#include "src/train/micro_batches.h"
#include "src/train/objective.h"
#include "src/train/progress_table.h"

namespace normkit {

// One run of TrainNetwork.
class Trainer {
 public:
  // begin: what the parameters are at first; null: what their initializers make of them.
  Trainer(DataPtr data, const Graph& graph, const TrainingOptions& options,
          const Parameters* begin = nullptr);
  TrainingResult Run();

 private:
  enum class End { kDone, kStopped, kPatience, kConverged };

  int64_t per_epoch() const { return static_cast<int64_t>(batch_sizes_.size()); }
  int64_t total() const {
    return lbfgs_ ? options_.max_iterations : options_.max_epochs * per_epoch();
  }
  int ranks() const { return options_.reducer ? options_.reducer->ranks() : 1; }
  int rank() const { return options_.reducer ? options_.reducer->rank() : 0; }
  void CheckAugments() const;
  double Seconds() const;
  bool Stops() const;
  End RunIterations();
  bool RunIteration(int64_t epoch, std::span<const int64_t> indices);
  struct Part {                        // of a mini-batch
    std::span<const int64_t> indices;  // all of it
    int64_t epoch, iteration;
    Reducer* reducer;
    bool moves_statistics;
  };
  Score ForwardBackward(const Part& part);
  Score RunMicroBatches(Part part);
  Score RunAll(const Part& part);
  void Step(const Part& part, ProgressRow& row);
  void CopyState(std::span<const float> from, std::span<float> to) const;
  bool StepOfAll(const Part& part, ProgressRow& row);
  SolverArrays SolverState();
  void ValidateLast();
  void KeepIfBest();
  void CheckLoss(double loss, int64_t epoch, int64_t iteration) const;
  void CheckParameters() const;
  bool Validates(int64_t iteration) const;
  const ProgressRow* BestRow() const;
  bool OutOfPatience() const;
  void Validate(ProgressRow& row);
  void Report(const ProgressRow& row);
  void Show(const ProgressRow& row);
  bool Tells(TrainingInfo::State state) const;
  void SaveCheckpoint();
  void TrySaveCheckpoint();
  TrainingResult Finish(End end);

  DataPtr data_;
  Graph graph_;
  TrainingOptions options_;
  RunIdentity identity_;
  Objective objective_;
  std::vector<int64_t> batch_sizes_;
  Parameters parameters_, gradients_;
  std::optional<Optimizer> optimizer_;  // one of these two
  std::optional<Lbfgs> lbfgs_;
  std::vector<float> state_before_;  // a step of lbfgs: running statistics
  Lbfgs::Status lbfgs_end_ = Lbfgs::Status::kStepped;
  MicroReducer micro_;
  std::optional<Executor> executor_;  // until training ends
  BatchReader reader_;                // these two: kept so that none is made in an iteration
  std::vector<float> doutput_;
  std::unique_ptr<Evaluator> validation_;
  std::optional<ProgressTable> table_;
  Predictions predictions_;  // of the last validation, where its metric needs them
  bool stopped_ = false;     // by the output function
  RunState state_;
  int64_t saved_ = -1;  // the iteration of the last checkpoint
  std::chrono::steady_clock::time_point start_;
  double seconds_before_ = 0;  // of the run resumed from
};

}  // namespace normkit
