// Sequences of different lengths, packed, through training, evaluation and prediction.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "normkit/core/threads.h"
#include "normkit/data/batch.h"
#include "normkit/train/predict.h"
#include "src/core/testing.h"
#include "src/train/batches.h"
#include "src/train/objective.h"
#include "src/train/sequence_test_data.h"

namespace normkit {
namespace {

TrainingOptions Options() {
  return {.max_epochs = 2,
          .mini_batch_size = 32,
          .initial_learn_rate = 0.05,
          .momentum = 0.9,
          .gradient_threshold = 0.5,
          .gradient_threshold_method = GradientThresholdMethod::kGlobalL2Norm,
          .shuffle = Shuffle::kEveryEpoch,
          .validation_data = Rows(30, 2),
          .validation_frequency = 3};
}

// Parameters and losses.
std::vector<double> Train(const DataPtr& data, const Graph& graph, const TrainingOptions& options) {
  const TrainingResult result = TrainNetwork(data, graph, options);
  const std::vector<float> values = ValuesOf(result.network);
  std::vector<double> all(values.begin(), values.end());
  for (const ProgressRow& row : result.history)
    all.insert(all.end(), {row.batch_loss, row.batch_accuracy, row.validation_loss});
  return all;
}

class SequenceRanks : public testing::TestWithParam<NamedNorm> {};

// 70 sequences in mini-batches of 32; the last has 6, fewer than ranks.
TEST_P(SequenceRanks, SameBytes) {
  const Graph graph = RowGraph(GetParam().make);
  for (const bool tiny : {false, true}) {
    TrainingOptions options = Options();
    if (tiny) options.mini_batch_size = 3, options.solver = Solver::kAdam;
    const DataPtr data = Rows(tiny ? 17 : 70);
    const std::vector<double> alone = Train(data, graph, options);
    for (const int ranks : {1, 2, 3, 4, 8, 20})
      RunRanks(ranks, [&](Reducer& reducer) {
        TrainingOptions own = options;
        own.reducer = &reducer;
        EXPECT_TRUE(Train(data, graph, own) == alone)
            << "rank " << reducer.rank() << " of " << ranks << (tiny ? ", tiny" : "");
      });
  }
}

// From rows to observations on the way: behind it a norm works on observations.
TEST_P(SequenceRanks, SameBytesOfSequencesToLabels) {
  const DataPtr data = FromSequences(WithOneAnswer(RowData(41)));
  for (const Answers answers : {Answers::kMean, Answers::kLast}) {
    const Graph graph = RowGraph(GetParam().make, false, 0.2, answers);
    TrainingOptions options = Options();
    options.mini_batch_size = 12;
    options.validation_data = FromSequences(WithOneAnswer(RowData(9, false, 2)));
    const std::vector<double> alone = Train(data, graph, options);
    for (const int ranks : {2, 3, 8, 20})
      RunRanks(ranks, [&](Reducer& reducer) {
        TrainingOptions own = options;
        own.reducer = &reducer;
        EXPECT_TRUE(Train(data, graph, own) == alone)
            << "rank " << reducer.rank() << " of " << ranks;
      });
  }
}

TEST_P(SequenceRanks, SameBytesForAnyNumberOfThreads) {
  const DataPtr data = FromSequences(RowData(64, false, 1, {40, 1, 7, 300}));
  TrainingOptions options = Options();
  options.max_epochs = 1;
  SetNumThreads(1);
  const std::vector<double> one = Train(data, RowGraph(GetParam().make), options);
  for (const int threads : {2, 5}) {
    SetNumThreads(threads);
    EXPECT_TRUE(Train(data, RowGraph(GetParam().make), options) == one) << threads;
  }
  SetNumThreads(0);
}

INSTANTIATE_TEST_SUITE_P(All, SequenceRanks, testing::ValuesIn(kNorms),
                         [](const auto& test) { return test.param.name; });

TEST(SequenceTraining, SameBytesOfAttentionAndWindows) {
  const DataPtr data = FromSequences(RowData(33, false, 1, {40, 1, 7, 150}));
  TrainingOptions options = Options();
  options.mini_batch_size = 8;
  options.max_epochs = 1;
  SetNumThreads(1);
  const std::vector<double> alone = Train(data, EncoderGraph(), options);
  for (const int threads : {2, 5}) {
    SetNumThreads(threads);
    EXPECT_TRUE(Train(data, EncoderGraph(), options) == alone) << threads << " threads";
  }
  SetNumThreads(0);
  for (const int ranks : {2, 3, 8, 20})
    RunRanks(ranks, [&](Reducer& reducer) {
      TrainingOptions own = options;
      own.reducer = &reducer;
      EXPECT_TRUE(Train(data, EncoderGraph(), own) == alone)
          << "rank " << reducer.rank() << " of " << ranks;
    });
}

TEST(SequenceTraining, SameBytesOfPicturesOverTime) {
  const DataPtr data = GenerateTask("moving", 21, 1);
  TrainingOptions options = Options();
  options.validation_data = GenerateTask("moving", 5, 2);
  options.mini_batch_size = 8;
  options.max_epochs = 1;
  for (const Norm& norm :
       {Norm([] { return BatchNormalization(); }), Norm([] { return LayerNormalization(); }),
        Norm([] { return InstanceNormalization(); })}) {
    const Graph graph = PictureGraph(norm, 12, 12);
    SetNumThreads(1);
    const std::vector<double> alone = Train(data, graph, options);
    SetNumThreads(3);
    EXPECT_TRUE(Train(data, graph, options) == alone);
    SetNumThreads(0);
    for (const int ranks : {2, 5, 20})
      RunRanks(ranks, [&](Reducer& reducer) {
        TrainingOptions own = options;
        own.reducer = &reducer;
        EXPECT_TRUE(Train(data, graph, own) == alone)
            << "rank " << reducer.rank() << " of " << ranks;
      });
  }
}

// Stopped and resumed: the bytes of a run that was not. Sequences cut elsewhere are other data.
TEST(SequenceTraining, ResumesWhereItStopped) {
  TestFolder folder;
  const Graph graph = RowGraph(kNorms[0].make);
  const std::vector<double> whole = Train(Rows(70), graph, Options());
  TrainingOptions resumed = Options();
  resumed.resume_from = folder / "checkpoint.npz";
  EXPECT_TRUE(StopAfter(3, resumed.resume_from, Options(), Rows(70), graph));
  EXPECT_TRUE(Train(Rows(70), graph, resumed) == whole);
  Sequences others = RowData(70);
  std::ranges::reverse(others.lengths);
  EXPECT_ERROR_LIKE(Train(FromSequences(others), graph, resumed), "its contents have changed");
}

TEST(SequenceTraining, LearnsClassesOfRows) {
  for (const NamedNorm& norm : {kNorms[0], kNorms[1]}) {
    TrainingOptions options = Options();
    options.max_epochs = 20;
    options.solver = Solver::kAdam;
    options.initial_learn_rate = 0.01;
    options.validation_data = Rows(60, 5);
    const TrainingResult result = TrainNetwork(Rows(300), RowGraph(norm.make), options);
    EXPECT_GT(result.final_validation_accuracy, 93) << norm.name;
    const Evaluation again = Evaluate(result.network, options.validation_data, 32);
    EXPECT_EQ(again.accuracy, result.final_validation_accuracy);
    EXPECT_EQ(again.loss, result.final_validation_loss);
    int64_t rows = 0, right = 0;
    for (int64_t i = 0; i < options.validation_data->size(); ++i)
      rows += options.validation_data->length(i);
    EXPECT_EQ(std::ssize(again.predicted), rows);
    for (size_t k = 0; k < 3; ++k) right += again.confusion[k][k];
    EXPECT_DOUBLE_EQ(100 * static_cast<double>(right) / static_cast<double>(rows), again.accuracy);
  }
}

TEST(SequenceTraining, LearnsTargetsOfRows) {
  TrainingOptions options = Options();
  options.max_epochs = 30;
  options.solver = Solver::kAdam;
  options.initial_learn_rate = 0.01;
  options.validation_data = FromSequences(RowData(60, true, 5));
  const TrainingResult result =
      TrainNetwork(FromSequences(RowData(300, true)), RowGraph(kNorms[0].make, true, 0), options);
  EXPECT_LT(result.final_validation_accuracy, 0.4);  // RMSE; that of the targets is 2.2
}

TEST(SequenceTraining, LearnsTargetsOfSequences) {
  TrainingOptions options = Options();
  options.max_epochs = 30;
  options.solver = Solver::kAdam;
  options.initial_learn_rate = 0.01;
  options.validation_data = FromSequences(WithOneAnswer(RowData(100, true, 5)));
  const TrainingResult result =
      TrainNetwork(FromSequences(WithOneAnswer(RowData(500, true))),
                   RowGraph(kNorms[1].make, true, 0, Answers::kMean), options);
  EXPECT_LT(result.final_validation_accuracy, 0.5);  // RMSE; that of the targets is 1.3
}

// The statistics that prediction normalizes with are those of rows, and behind the mean of
// sequences, by any size of mini-batch.
TEST(SequenceTraining, StatisticsAreOfAllRows) {
  const DataPtr data = FromSequences(WithOneAnswer(RowData(37)));
  std::vector<float> expected;
  for (const int64_t size : {37, 5, 2}) {
    Graph graph = RowGraph(kNorms[0].make, false, 0, Answers::kMean);
    TrainingOptions options{.max_epochs = 1, .mini_batch_size = size, .initial_learn_rate = 1e-30};
    const TrainingResult result = TrainNetwork(data, graph, options);
    const std::vector<float> values = ValuesOf(result.network);
    if (expected.empty()) expected = values;
    for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], 1e-5) << i;
  }
}

// The same rows as observations of their own: the same loss and gradients, but for the order in
// which they are added up.
TEST(SequenceTraining, MeansAreOverAllRows) {
  const Sequences s = RowData(9);
  const DataPtr sequences = FromSequences(s);
  Graph graph = RowGraph(kNorms[0].make, false, 0), rows_graph;
  rows_graph.Add(
      FeatureInput({.num_features = kFeatures, .normalization = InputNormalization::kZscore}));
  for (int i = 1; i < graph.num_layers(); ++i) {
    std::vector<Value> inputs = graph.layer(i).inputs;
    rows_graph.Add(std::const_pointer_cast<Layer>(graph.layer(i).layer), inputs);
  }
  const DataPtr rows =
      FromArrays(Layout::Make("BC", Indices{1, kFeatures}), s.x, s.labels, s.classes, "rows alone");
  const auto run = [](const Graph& of, const DataSource& data, Parameters& gradients) {
    Parameters parameters(of);
    parameters.Initialize(of, 3);
    Executor executor(of, {.training = true});
    Indices all(static_cast<size_t>(data.size()));
    std::iota(all.begin(), all.end(), 0);
    BatchReader reader;
    const Batch& batch = reader.Read(data, all, {.whole = data.size()}, executor);
    const RunContext training{.training = true};
    executor.Forward(parameters, training);
    const Objective objective(of, data, {});
    std::vector<float> doutput(static_cast<size_t>(batch.answers() * objective.width()));
    const Score score = objective.Evaluate(executor, batch, nullptr, doutput, nullptr);
    EXPECT_EQ(score.count, batch.answers());
    executor.Backward(parameters, doutput, objective.from(), training, gradients);
    return score.mean_loss();
  };
  Parameters packed(graph), alone(rows_graph);
  EXPECT_NEAR(run(graph, *sequences, packed), run(rows_graph, *rows, alone), 1e-6);
  ASSERT_EQ(packed.values().size(), alone.values().size());
  for (size_t i = 0; i < packed.values().size(); ++i)
    EXPECT_NEAR(packed.values()[i], alone.values()[i], 1e-5) << i;
}

Network MakeNetwork(Graph graph) {
  Network network;
  network.parameters = Parameters(graph);
  network.parameters.Initialize(graph, 1);
  network.graph = std::move(graph);
  return network;
}

TEST(SequencePrediction, RowsArePackedAndThoseOfASequenceAlone) {
  const Sequences s = RowData(23);
  const DataPtr data = FromSequences(s);
  Graph own;  // by kernels of our own
  own.Add(SequenceInput({.num_features = kFeatures, .normalization = InputNormalization::kZscore}));
  for (const Norm& norm : {kNorms[1].make, kNorms[3].make}) {
    own.Add(norm());
    own.Add(Tanh());
    own.Add(Dropout());
  }
  own.Add(BatchNormalization());
  own.Add(Softmax());
  Graph mean = own, last = own;
  mean.Add(GlobalAveragePooling1d());
  last.Add(LastStep());
  for (const Graph& graph : {own, mean, last, RowGraph(kNorms[1].make), EncoderGraph()}) {
    const Network network = MakeNetwork(graph);
    Indices offsets;
    const Tensor all = Predict(network, *data, 7, &offsets);
    const int64_t width = network.graph.layout(network.graph.output()).size();
    ASSERT_EQ(offsets.size(), 24u);
    const bool of_rows = network.graph.layout(network.graph.output()).packed();
    EXPECT_EQ(all.layout(), of_rows ? Layout::Make("TC", Indices{offsets.back(), width})
                                    : Layout::Make("BC", Indices{23, width}));
    Predictor predictor(MakeNetwork(network.graph));
    for (size_t i = 0; i < 23; ++i) {
      const auto [begin, end] = std::pair(offsets[i], offsets[i + 1]);
      EXPECT_EQ(end - begin, s.lengths[i]);
      const auto part = [&](std::span<const float> of, int64_t each) {
        return of.subspan(static_cast<size_t>(begin * each),
                          static_cast<size_t>((end - begin) * each));
      };
      const std::span<const float> alone = predictor.Predict(part(s.x, kFeatures)),
                                   packed = of_rows ? part(all.values<float>(), width)
                                                    : std::span<const float>(all.values<float>())
                                                          .subspan(i * static_cast<size_t>(width),
                                                                   static_cast<size_t>(width));
      ASSERT_EQ(alone.size(), packed.size());
      for (size_t k = 0; k < alone.size(); ++k) EXPECT_EQ(alone[k], packed[k]) << i << " " << k;
    }
  }
}

TEST(SequencePrediction, WhatIsNotSequencesIsNamed) {
  Predictor predictor(MakeNetwork(RowGraph(kNorms[1].make)));
  EXPECT_ERROR(predictor.Predict(std::vector<float>(7), "walk"),
               "walk: has 7 values, expected a multiple of 5 (rows of TC [1,5])");
  EXPECT_ERROR(predictor.Predict({}, "walk"),
               "walk: has 0 values, expected a multiple of 5 (rows of TC [1,5])");
  EXPECT_ERROR(Predict(predictor.network(), std::vector<float>(10)),
               "predicting: values of rows (TC [1,5]) given without those that belong together, "
               "expected a data source, or one observation at a time");
}

TEST(SequenceErrors, WhatDoesNotFitIsNamed) {
  Graph graph = RowGraph(kNorms[0].make);
  Executor executor(graph, {.training = true});
  const auto set = [&](const Indices& offsets) {
    return ErrorOf([&] { executor.SetBatch({.whole = 3}, offsets); });
  };
  EXPECT_EQ(set({0, 2, 3, 7}), "no error");
  EXPECT_EQ(executor.input().size(), 35u);
  EXPECT_EQ(executor.batch_size(), 3);
  EXPECT_EQ(set({0, 2, 2, 7}), "executor: observation 1 has rows 2 to 2, expected one row or more");
  EXPECT_EQ(set({0, 2, 1, 7}), "executor: observation 1 has rows 2 to 1, expected one row or more");
  EXPECT_EQ(set({1, 2, 3, 7}), "executor: offsets begin at 1, expected 0");
  EXPECT_EQ(set({0, 2, 7}),
            "executor: 3 offsets given, expected 4 (one an observation, and the end)");
  Executor images(StripeGraph());
  EXPECT_ERROR(images.SetBatch({.whole = 1}, Indices{0, 1}),
               "executor: offsets of observations given, expected none: no input has packed time "
               "(T first)");

  Sequences s = RowData(4);
  s.answers_each_row = false;
  s.labels = {0, 1, 2, 0};
  EXPECT_ERROR(Objective(graph, *FromSequences(s), {}),
               "data 'rows': has one class for each observation, expected one for each row (the "
               "network gives TC [1,3])");
  EXPECT_ERROR(
      Objective(RowGraph(kNorms[0].make, false, 0, Answers::kLast), *FromSequences(RowData(4)), {}),
      "data 'rows': has one class for each row, expected one for each observation (the "
      "network gives BC [1,3])");
  Graph features;
  features.Add(FeatureInput({.num_features = 4}));
  EXPECT_ERROR(features.Add(LastStep("end")),
               "last step 'end': input is BC [1,4], expected rows of sequences, TC "
               "[rows,channels]");
  EXPECT_ERROR(features.Add(GlobalAveragePooling1d("mean")),
               "global average pooling 1-D 'mean': input is BC [1,4], expected rows of sequences, "
               "TC [rows,channels]");
  Graph of_time;
  of_time.Add(SequenceInput({.num_features = 4}));
  EXPECT_ERROR_LIKE(of_time.Add(Convolution2d({.filter_size = {1, 1}, .num_filters = 1})),
                    "input is TC [1,4], expected images");
}

}  // namespace
}  // namespace normkit
