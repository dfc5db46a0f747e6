// Checkpoints that cannot be written, before training and in its midst.
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>

#include "normkit/graph/executor.h"
#include "src/core/files.h"
#include "src/core/log_capture.h"
#include "src/core/testing.h"
#include "src/train/checkpoint.h"
#include "src/train/needs.h"
#include "src/train/test_data.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TrainingOptions Options(const std::string& checkpoint) {
  return {.solver = Solver::kAdam,
          .max_epochs = 2,
          .mini_batch_size = 32,
          .initial_learn_rate = 0.01,
          .checkpoint_path = checkpoint,
          .checkpoint_frequency = 1};
}

TEST(SavingTest, FailsBeforeTheFirstIteration) {
  const TestFolder folder;
  MakeFolder(folder / "checkpoint.npz");
  TrainingOptions options = Options(folder / "checkpoint.npz");
  int64_t iterations = 0;
  options.on_iteration = [&](const ProgressRow&) { ++iterations; };
  EXPECT_ERROR(TrainNetwork(StripeData(100), StripeGraph(), options),
               folder / "checkpoint.npz" + ": is a folder, expected a file");
  EXPECT_EQ(iterations, 0);
}

TEST(SavingTest, FailingLaterIsAWarning) {
  const TestFolder folder;
  const std::string path = folder / "checkpoint.npz";
  TrainingOptions options = Options(path);
  const TrainingResult whole = TrainNetwork(StripeData(100), StripeGraph(), options);
  EXPECT_TRUE(whole.checkpointed);
  fs::remove(path);
  options.on_iteration = [&](const ProgressRow& row) {
    if (row.iteration != 2) return;
    fs::remove(path);
    MakeFolder(path);
  };
  const LogCapture log;
  const TrainingResult result = TrainNetwork(StripeData(100), StripeGraph(), options);
  EXPECT_FALSE(result.checkpointed);
  EXPECT_EQ(ValuesOf(result.network), ValuesOf(whole.network));
  const auto after = [&](int64_t iteration) {
    return HasSubstr(
        fmt::format("{}: is a folder, expected a file (the checkpoint after iteration {}; training "
                    "is not lost)",
                    path, iteration));
  };
  // 4 iterations an epoch; at the end, once more
  EXPECT_THAT(log.lines(), ElementsAre(after(4), after(8), after(8)));
}

TEST(SavingTest, TheEndIsSaved) {
  const TestFolder folder;
  TrainingOptions options = Options(folder / "checkpoint.npz");
  options.checkpoint_frequency = 0;
  const TrainingResult result = TrainNetwork(StripeData(100), StripeGraph(), options);
  EXPECT_TRUE(result.checkpointed);
  options.resume_from = options.checkpoint_path;
  options.on_iteration = [&](const ProgressRow&) { ADD_FAILURE() << "an iteration too many"; };
  EXPECT_EQ(ValuesOf(TrainNetwork(StripeData(100), StripeGraph(), options).network),
            ValuesOf(result.network));
  EXPECT_FALSE(TrainNetwork(StripeData(100), StripeGraph(), {}).checkpointed);
}

TEST(SavingTest, ACheckpointInWhichNothingStandsIsNotLeft) {
  const TestFolder folder;
  TrainingOptions options = Options(folder / "checkpoint.npz");
  options.solver = Solver::kSgdm;
  options.initial_learn_rate = 1e30;
  EXPECT_THROW(TrainNetwork(StripeData(100), StripeGraph(), options), DivergedError);
  EXPECT_FALSE(fs::exists(options.checkpoint_path));
}

TEST(SavingTest, TheSizeOfACheckpointIsKnown) {
  const TestFolder folder;
  for (const Solver solver : {Solver::kSgdm, Solver::kAdam, Solver::kRmsProp}) {
    TrainingOptions options = Options(folder / "checkpoint.npz");
    options.solver = solver;
    const TrainingResult result = TrainNetwork(StripeData(100), StripeGraph(), options);
    const uint64_t size = fs::file_size(options.checkpoint_path);
    const uint64_t known = CheckpointBytes(result.network.parameters, options, 8);
    EXPECT_GE(known, size);
    EXPECT_LE(known, size + (1 << 17));
  }
}

TEST(NeedsTest, PartsAreWhatIsMade) {
  const Graph graph = StripeGraph();
  const Parameters parameters(graph);
  const auto bytes = static_cast<double>(parameters.values().size_bytes());
  constexpr double kProgram = 50e6;
  const auto arena = [&](int64_t size, bool training) {
    return static_cast<double>(Executor(graph, size, training).arena_bytes());
  };
  // While training, or in the passes for the statistics after it, which keep all values.
  const auto in_turn = [&](int64_t size) {
    return std::max(arena(size, true), static_cast<double>(Executor::PlannedBytes(
                                           graph, size, /*training=*/false, /*keep_all=*/true)));
  };
  TrainingOptions options{.mini_batch_size = 30,
                          .batch_normalization_statistics = Statistics::kMoving};
  // 100 observations: mini-batches of 30 and 10; 31 of validation: 30 and the one left over
  EXPECT_EQ(TrainingNeeds(graph, options, 100, 0).total(),
            kProgram + 3 * bytes + in_turn(30));  // both sizes in one
  EXPECT_EQ(TrainingNeeds(graph, options, 60, 31).total(),
            kProgram + 3 * bytes + in_turn(30) + arena(31, false));
  options.solver = Solver::kAdam;
  options.checkpoint_path = "checkpoint.npz";
  EXPECT_EQ(TrainingNeeds(graph, options, 30, 0).total(), kProgram + (4 + 9) * bytes + in_turn(30));
  EXPECT_EQ(EvaluationNeeds(graph, 50, 20).total(), bytes + arena(20, false));
}

TEST(NeedsTest, TrainingThatDoesNotFitIsAnError) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {1 << 18, 1 << 18, 4}}));
  graph.Add(Relu());
  EXPECT_ERROR_LIKE(TrainNetwork(StripeData(100), graph, {}),
                    "training on 'stripes (100, seed 1)' needs ");
}

}  // namespace
}  // namespace normkit
