#include "normkit/train/predict.h"

#include <gtest/gtest.h>

#include <limits>

#include "normkit/nn/layers.h"
#include "normkit/train/train.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

Network SmallNetwork() {
  Network network;
  network.graph.Add(FeatureInput({.num_features = 3}));
  network.graph.Add(FullyConnected({.output_size = 4}));
  network.graph.Add(BatchNormalization({.trained_mean = {1, 2, 3, 4}}));
  network.graph.Add(Softmax());
  network.parameters = Parameters(network.graph);
  network.parameters.Initialize(network.graph, 1);
  network.classes = {"a", "b", "c", "d"};
  return network;
}

std::vector<float> Values(int64_t count) {
  std::vector<float> x(static_cast<size_t>(count));
  for (size_t i = 0; i < x.size(); ++i) x[i] = 0.25f * static_cast<float>(i % 7) - 1;
  return x;
}

std::vector<float> ToVector(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

// Matrix products of other numbers of rows round differently.
void ExpectNear(std::span<const float> found, std::span<const float> expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-6) << i;
}

TEST(PredictTest, AnyMiniBatchSizeGivesTheSameUpToRounding) {
  const Network network = SmallNetwork();
  const std::vector<float> x = Values(11 * 3);
  const Tensor all = Predict(network, x);
  EXPECT_EQ(all.layout().ToString(), "BC [11,4]");
  for (const int64_t size : {1, 2, 4, 11, 100})
    ExpectNear(ToVector(Predict(network, x, size)), ToVector(all));
  EXPECT_EQ(ToVector(Predict(network, x, 4)), ToVector(Predict(network, x, 4)));
  Predictor predictor(SmallNetwork());
  EXPECT_EQ(predictor.output().ToString(), "BC [1,4]");
  for (size_t i = 0; i < 11; ++i) {
    ExpectNear(predictor.Predict(std::span(x).subspan(i * 3, 3)),
               all.values<float>().subspan(i * 4, 4));
  }
  EXPECT_EQ(Predict(network, std::span<const float>()).size(), 0);
}

TEST(PredictTest, DataGiveWhatEvaluateCounts) {
  const Network network = SmallNetwork();
  const DataPtr data = FromArrays(Layout({{kB, 1}, {kC, 3}}), Values(10 * 3),
                                  {0, 1, 2, 3, 0, 1, 2, 3, 0, 1}, {"a", "b", "c", "d"}, "ten");
  const Tensor y = Predict(network, *data);
  EXPECT_EQ(ToVector(y), ToVector(Predict(network, Values(10 * 3))));
  const Evaluation evaluation = Evaluate(network, data);
  for (int64_t i = 0; i < 10; ++i)
    EXPECT_EQ(static_cast<int64_t>(LargestOf(y.values<float>().subspan(4 * i, 4), 1)[0]),
              evaluation.predicted[static_cast<size_t>(i)]);
}

TEST(PredictTest, LargestFirst) {
  const std::vector<float> values{0.1f, 0.5f, 0.1f, 0.3f};
  EXPECT_EQ(LargestOf(values, 3), (std::vector<size_t>{1, 3, 0}));
  EXPECT_EQ(LargestOf(values, 9).size(), 4u);
}

TEST(PredictTest, Errors) {
  const Network network = SmallNetwork();
  std::vector<float> x = Values(6);
  EXPECT_ERROR(Predict(network, std::span<const float>(x).first(5)),
               "predicting: 5 values given, expected a multiple of 3 (BC [1,3])");
  EXPECT_ERROR(Predict(network, x, 0), "predicting: mini_batch_size is 0, expected 1 or more");
  x[4] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_ERROR(Predict(network, x), "observation 1: value [1] is nan, expected finite numbers");
  Predictor predictor(SmallNetwork());
  EXPECT_ERROR(predictor.Predict(x, "x.npy"), "x.npy: has 6 values, expected 3 (BC [1,3])");
  EXPECT_ERROR(predictor.Predict(std::span(x).last(3)),
               "the observation: value [1] is nan, expected finite numbers");
  const DataPtr data = FromArrays(Layout({{kB, 1}, {kC, 2}}), {1, 2}, {0}, {"a", "b"}, "one");
  EXPECT_ERROR(Predict(network, *data),
               "predicting 'one': observations are BC [1,2], expected BC [1,3]");
}

// [true][predicted]: of class a 3 of 4 are right, c never occurs, b is never predicted.
TEST(ClassScoresTest, CountsRowsAndColumns) {
  Evaluation evaluation;
  evaluation.confusion = {{3, 0, 1}, {2, 0, 0}, {0, 0, 0}};
  const std::vector<ClassScore> scores = ClassScores(evaluation, {"a", "b", "c"});
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_EQ(scores[0].name, "a");
  EXPECT_EQ(scores[0].Recall(), 75);
  EXPECT_EQ(scores[0].Precision(), 60);
  EXPECT_EQ(scores[1].Recall(), 0);
  EXPECT_EQ(scores[1].Precision(), std::nullopt);
  EXPECT_EQ(scores[2].Recall(), std::nullopt);
  EXPECT_EQ(scores[2].Precision(), 0);
}

TEST(MakeNetworkForTest, TakesSizesAndClassesOfTheData) {
  const DataPtr digits = GenerateDigits(20, 1);
  const Graph graph = MakeNetworkFor(*digits, "small-cnn", ParseNormChoice("group:4"));
  EXPECT_EQ(graph.input_layout().ToString(), digits->layout().ToString());
  EXPECT_EQ(graph.layout(graph.output()).ToString(), "BC [1,10]");
  const DataPtr features = FromArrays(Layout({{kB, 1}, {kC, 2}}), {1, 2}, {0}, {"a", "b"}, "two");
  EXPECT_EQ(MakeNetworkFor(*features, "mlp", {}).input_layout().ToString(), "BC [1,2]");
  EXPECT_ERROR(MakeNetworkFor(*features, "lenet", {}),
               "network 'lenet' takes pictures, expected one for features: mlp, a .json file");
  EXPECT_EQ(UsualNetwork(*features), "mlp");
  EXPECT_EQ(UsualNetwork(*digits), "small-cnn");
}

}  // namespace
}  // namespace normkit
