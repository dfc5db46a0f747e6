#include "src/train/checkpoint.h"

#include <functional>
#include <limits>

#include "normkit/data/batch.h"
#include "normkit/data/npy.h"
#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/train/test_data.h"

namespace normkit {
namespace {

class CheckpointTest : public ::testing::Test {
 protected:
  static TrainingOptions Options(Solver solver = Solver::kAdam) {
    TrainingOptions options{.solver = solver,
                            .max_epochs = 4,
                            .mini_batch_size = 32,
                            .initial_learn_rate = 0.01,
                            .learn_rate_schedule = Schedule::kCosine,
                            .shuffle = Shuffle::kEveryEpoch,
                            .validation_data = StripeData(30, 2),
                            .validation_frequency = 3};
    return options;
  }

  // Trains until iteration `last`, which leaves a checkpoint.
  void StopAfter(int64_t last, TrainingOptions options) {
    options.checkpoint_notes = {{"command", "train --data stripes"}};
    EXPECT_TRUE(normkit::StopAfter(last, path_, options, Data(), StripeGraph()));
  }

  TrainingResult Resume(TrainingOptions options) {
    options.resume_from = path_;
    return TrainNetwork(Data(), StripeGraph(), options);
  }

  static DataPtr Data() { return StripeData(100); }

  // Replaces an array of the checkpoint.
  void Put(const std::string& name, const NpyArray& array) {
    auto arrays = ReadNpz(path_);
    arrays[name] = array;
    WriteNpz(path_, arrays);
  }
  static NpyArray Text(const std::string& text) {
    NpyArray array{"|u1", {static_cast<int64_t>(text.size())}, {}};
    for (const char c : text) array.data.push_back(static_cast<std::byte>(c));
    return array;
  }
  // What is wrong with the checkpoint, without the part that names it.
  std::string ResumeMessage() {
    try {
      Resume(Options());
    } catch (const Error& error) {
      const std::string message = error.what(), start = "checkpoint '" + path_ + "': ";
      EXPECT_TRUE(message.starts_with(start)) << message;
      return message.substr(start.size());
    }
    return "no error";
  }

  TestFolder folder_;
  std::string path_ = folder_ / "checkpoint.npz";
};

TEST_F(CheckpointTest, ResumedRunsEndWithTheSameBytes) {
  for (const Solver solver : {Solver::kSgdm, Solver::kAdam, Solver::kRmsProp, Solver::kAdamW}) {
    const TrainingResult whole = TrainNetwork(Data(), StripeGraph(), Options(solver));
    for (const int64_t last : {1, 4, 6, 15}) {  // 4 iterations an epoch
      SCOPED_TRACE(last);
      StopAfter(last, Options(solver));
      const TrainingResult resumed = Resume(Options(solver));
      EXPECT_EQ(ValuesOf(resumed.network), ValuesOf(whole.network));
      EXPECT_EQ(resumed.network.facts, whole.network.facts);
      ASSERT_EQ(resumed.history.size(), whole.history.size());
      for (size_t i = 0; i < whole.history.size(); ++i) {
        EXPECT_EQ(resumed.history[i].epoch, whole.history[i].epoch);
        EXPECT_EQ(resumed.history[i].iteration, whole.history[i].iteration);
        EXPECT_EQ(resumed.history[i].batch_loss, whole.history[i].batch_loss);
        EXPECT_EQ(resumed.history[i].has_validation, whole.history[i].has_validation);
        EXPECT_EQ(resumed.history[i].validation_loss, whole.history[i].validation_loss);
        EXPECT_EQ(resumed.history[i].learn_rate, whole.history[i].learn_rate);
      }
    }
  }
}

TEST_F(CheckpointTest, StoppedTwice) {
  StopAfter(2, Options());
  TrainingOptions options = Options();
  options.resume_from = path_;
  StopAfter(9, options);
  const TrainingResult whole = TrainNetwork(Data(), StripeGraph(), Options());
  EXPECT_EQ(ValuesOf(Resume(Options()).network), ValuesOf(whole.network));
}

TEST_F(CheckpointTest, WrittenEverySoManyEpochs) {
  TrainingOptions options = Options();
  options.checkpoint_path = path_;
  options.checkpoint_frequency = 3;
  const auto saved = [&] { return ReadNpz(path_).at("history").shape[0]; };
  std::vector<int64_t> after;  // iterations 2 and 13
  options.on_iteration = [&](const ProgressRow& row) {
    if (row.iteration % 11 == 2) after.push_back(saved());
  };
  const TrainingResult whole = TrainNetwork(Data(), StripeGraph(), options);
  after.push_back(saved());
  // Before the first iteration, after the third of four epochs, at the end.
  EXPECT_EQ(after, (std::vector<int64_t>{0, 12, 16}));
  EXPECT_EQ(ValuesOf(Resume(Options()).network), ValuesOf(whole.network));
}

TEST_F(CheckpointTest, KeepsTheCallersNotes) {
  StopAfter(1, Options());
  EXPECT_EQ(ReadCheckpointNotes(path_).at("command"), "train --data stripes");
}

TEST_F(CheckpointTest, AnotherRunIsRefused) {
  StopAfter(3, Options());
  TrainingOptions options = Options();
  options.mini_batch_size = 16;
  EXPECT_ERROR(Resume(options),
               "checkpoint '" + path_ + "': made with mini-batch-size 32, given 16");
  options = Options();
  options.validation_data = nullptr;
  EXPECT_ERROR_LIKE(Resume(options), "': made with output-network auto, given none");
  options = Options(Solver::kSgdm);
  EXPECT_ERROR(Resume(options), "checkpoint '" + path_ + "': made with solver adam, given sgdm");
  options = Options();
  options.resume_from = path_;
  EXPECT_ERROR(TrainNetwork(StripeData(64), StripeGraph(), options),
               "checkpoint '" + path_ +
                   "': data 'stripes (64, seed 1)' are not those that the run began with: it has "
                   "64 observations, expected 100");
  Graph graph;
  graph.Add(ImageInput({.input_size = {8, 8, 1}}));
  graph.Add(Flatten());
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  EXPECT_ERROR_LIKE(TrainNetwork(Data(), graph, options), "made with layers");
}

// The values of the stripes, but for what is changed.
DataPtr Changed(const DataPtr& data, const std::function<void(std::vector<float>&)>& change_values,
                std::vector<std::string> classes, int64_t relabelled = -1) {
  std::vector<float> x(static_cast<size_t>(data->size() * data->layout().size()));
  std::vector<int64_t> labels, all;
  for (int64_t i = 0; i < data->size(); ++i) {
    all.push_back(i);
    labels.push_back(i == relabelled ? (data->label(i) + 1) % 3 : data->label(i));
  }
  ReadBatch(*data, all, x);
  change_values(x);
  return FromArrays(data->layout(), x, labels, std::move(classes), "changed");
}

TEST_F(CheckpointTest, OtherDataAreRefusedAndWhatChangedIsNamed) {
  const std::vector<std::string> names = Data()->classes();
  const auto nothing = [](std::vector<float>&) {};
  const struct {
    DataPtr data;
    std::string difference;
  } cases[] = {
      {Changed(Data(), nothing, {"column", "row", "none"}),
       "its classes are 'column, row, none', expected 'row, column, none'"},
      {Changed(Data(), nothing, {"bar", "column", "none"}),
       "its classes are 'bar, column, none', expected 'row, column, none'"},
      {Changed(Data(), nothing, names, 5), "its labels or targets have changed"},
      {Changed(
           Data(), [](std::vector<float>& x) { x.back() += 1; }, names),
       "its contents have changed (names or sizes of files, values of arrays)"},
  };
  StopAfter(3, Options());
  for (const auto& one : cases) {
    TrainingOptions options = Options();
    options.resume_from = path_;
    options.validation_data = Changed(StripeData(30, 2), nothing, one.data->classes());
    EXPECT_ERROR(TrainNetwork(one.data, StripeGraph(), options),
                 "checkpoint '" + path_ +
                     "': data 'changed' are not those that the run began with: " + one.difference);
  }
  TrainingOptions options = Options();
  options.validation_data = Changed(
      StripeData(30, 2), [](std::vector<float>& x) { x[0] += 1; }, names);
  EXPECT_ERROR_LIKE(Resume(options),
                    "data 'changed' are not those that the run began with: its "
                    "contents have changed");
}

// Where data come from is no part of them.
TEST_F(CheckpointTest, SameDataOfAnotherNameGoOn) {
  StopAfter(3, Options());
  TrainingOptions options = Options();
  options.resume_from = path_;
  const DataPtr same = Changed(
      Data(), [](std::vector<float>&) {}, Data()->classes());
  EXPECT_EQ(ValuesOf(TrainNetwork(same, StripeGraph(), options).network),
            ValuesOf(TrainNetwork(Data(), StripeGraph(), Options()).network));
}

TEST_F(CheckpointTest, ValuesThatAreNotFiniteAreNamed) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                  kInf = std::numeric_limits<float>::infinity();
  StopAfter(3, Options());
  const auto whole = ReadNpz(path_);
  const auto with = [&](const std::string& name, float bad) {
    WriteNpz(path_, whole);
    std::vector<float> values(8, 0.5f);
    values[2] = bad;
    Put(name, MakeNpy(DType::kF32, {8}, values.data()));
    return ResumeMessage();
  };
  EXPECT_EQ(with("parameters/bn.trained_mean", kNan),
            "parameters of batch normalization 'bn': trained_mean[2] is nan, expected a finite "
            "number");
  EXPECT_EQ(with("parameters/bn.scale", kInf),
            "parameters of batch normalization 'bn': scale[2] is inf, expected a finite number");
  EXPECT_EQ(with("parameters/bn.trained_variance", -1),
            "parameters of batch normalization 'bn': trained_variance[2] is -1, expected a finite "
            "number >= 0");
  EXPECT_EQ(with("average/bn.offset", kNan),
            "average of batch normalization 'bn': offset[2] is nan, expected a finite number");
}

TEST_F(CheckpointTest, DamageIsNamed) {
  StopAfter(3, Options());
  const auto whole = ReadNpz(path_);
  const auto without = [&](const std::string& name) {
    auto arrays = whole;
    arrays.erase(name);
    WriteNpz(path_, arrays);
    return ResumeMessage();
  };
  EXPECT_EQ(without("metadata"),
            "has no array 'metadata', expected an archive that a training wrote");
  EXPECT_EQ(without("history"), "has no array 'history'");
  EXPECT_EQ(without("parameters/bn.scale"), "has no array 'parameters/bn.scale'");
  EXPECT_EQ(without("average/bn.scale"), "has no array 'average/bn.scale'");

  const auto with = [&](const std::string& name, const NpyArray& array) {
    WriteNpz(path_, whole);
    Put(name, array);
    return ResumeMessage();
  };
  const std::vector<float> floats(3);
  EXPECT_EQ(with("parameters/bn.scale", MakeNpy(DType::kF32, {3}, floats.data())),
            "'parameters/bn.scale' is <f4 [3], expected <f4 [8]");
  EXPECT_EQ(with("metadata", MakeNpy(DType::kF32, {3}, floats.data())),
            "'metadata' is <f4, expected |u1");
  EXPECT_EQ(with("metadata", Text("{")),
            "'metadata' does not say that this is a normkit checkpoint");
  EXPECT_EQ(with("metadata", Text(R"({"format": "normkit checkpoint", "version": 9})")),
            "version 9, expected 4");
  EXPECT_EQ(with("metadata", Text(R"({"format": "normkit checkpoint", "version": 4})")),
            "'metadata' has no 'identity'");
  EXPECT_EQ(
      with("metadata",
           Text(R"({"format": "normkit checkpoint", "version": 4, "identity": {"data": 1}})")),
      "'data' of 'identity' is no text");
  EXPECT_EQ(
      with("metadata", Text(R"({"format": "normkit checkpoint", "version": 4, "identity": {}})")),
      "made without data-observations, given 100");
  EXPECT_EQ(with("history", MakeNpy(DType::kF32, {3}, floats.data())),
            "'history' is <f4 [3], expected <f8 [iterations,10]");
  std::vector<double> row{1, 2, 0, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(with("history", MakeNpy(DType::kF64, {1, 10}, row.data())),
            "row 0 of 'history' is not that of iteration 1");
  row[0] = 1e300, row[1] = 1;
  EXPECT_EQ(with("history", MakeNpy(DType::kF64, {1, 10}, row.data())),
            "row 0 of 'history' is in epoch 1e+300, expected 1 to 1");
  std::vector<double> many;
  for (int i = 1; i <= 17; ++i)
    many.insert(many.end(), {1, static_cast<double>(i), 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(with("history", MakeNpy(DType::kF64, {17, 10}, many.data())),
            "stands at iteration 17, expected at most 16 (4 epochs of 4)");
}

TEST_F(CheckpointTest, AnyDamagedByteGivesAnErrorOrARun) {
  StopAfter(15, Options());
  const std::string bytes = ReadFile(path_);
  Random random(1);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = bytes;
    const auto at = static_cast<size_t>(random.Below(static_cast<int64_t>(bytes.size())));
    if (i % 3 == 0)
      damaged.resize(at);
    else
      damaged[at] = static_cast<char>(random.Below(256));
    WriteFile(path_, damaged);
    try {
      Resume(Options());
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace normkit
