#include "normkit/data/source.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "normkit/data/batch.h"
#include "src/core/fail.h"
#include "src/core/testing.h"
#include "src/data/testing.h"

namespace normkit {
namespace {

const Layout kPair = Layout::Make("BC", std::vector<int64_t>{1, 2});

// Observation i is (i, -i); class i % classes.
DataPtr Pairs(int64_t count, int64_t classes) {
  std::vector<float> x;
  std::vector<int64_t> labels;
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) {
    x.push_back(static_cast<float>(i));
    x.push_back(static_cast<float>(-i));
    labels.push_back(i % classes);
  }
  for (int64_t i = 0; i < classes; ++i) names.push_back(std::to_string(i));
  return FromArrays(kPair, x, labels, names, "pairs");
}

TEST(SourceTest, ArraysAreReadBack) {
  const DataPtr pairs = Pairs(5, 3);
  EXPECT_EQ(pairs->size(), 5);
  EXPECT_EQ(pairs->label(4), 1);
  EXPECT_EQ(pairs->target_size(), 0);
  EXPECT_EQ(ReadOne(*pairs, 3), (std::vector<float>{3, -3}));
}

TEST(SourceTest, RegressionHasTargets) {
  const DataPtr data = FromArraysRegression(kPair, {1, 2, 3, 4}, {5, 6, 7, 8, 9, 10}, 3, "r");
  EXPECT_TRUE(data->classes().empty());
  std::vector<float> target(3);
  data->ReadTarget(1, target);
  EXPECT_EQ(target, (std::vector<float>{8, 9, 10}));
  Subset(data, {1, 0})->ReadTarget(1, target);
  EXPECT_EQ(target, (std::vector<float>{5, 6, 7}));
}

TEST(SourceTest, SizesAreChecked) {
  EXPECT_ERROR(FromArrays(kPair, {1, 2, 3}, {0}, {"a"}, "d"),
               "data 'd': 3 values are given, expected a multiple of 2 (one observation is BC "
               "[1,2])");
  EXPECT_ERROR(FromArrays(kPair, {1, 2}, {0, 0}, {"a"}, "d"),
               "data 'd': 2 labels are given, expected 1 (one an observation)");
  EXPECT_ERROR(FromArrays(kPair, {1, 2}, {1}, {"a"}, "d"),
               "data 'd': label 1 of observation 0 has no class, expected 0 to 0");
  EXPECT_ERROR(FromArrays(kPair.WithBatch(4), {}, {}, {}, "d"),
               "data 'd': the layout of one observation is BC [4,2], expected B = 1 and no empty "
               "dimension");
  EXPECT_ERROR(FromArraysRegression(kPair, {1, 2}, {1, 2, 3}, 2, "d"),
               "data 'd': 3 target values are given, expected 2 for each of 1 observations");
  EXPECT_ERROR(FromArraysRegression(kPair, {1, 2}, {}, 0, "d"),
               "data 'd': target size 0 is given, expected >= 1");
}

TEST(SourceTest, SubsetPicksInOrder) {
  const DataPtr subset = Subset(Pairs(6, 2), {5, 0, 5});
  EXPECT_EQ(subset->size(), 3);
  EXPECT_EQ(subset->label(0), 1);
  EXPECT_EQ(ReadOne(*subset, 2), (std::vector<float>{5, -5}));
  EXPECT_EQ(subset->Description(), "3 of pairs");
  EXPECT_ERROR(Subset(Pairs(6, 2), {6}),
               "subset of 'pairs': index 6 is out of range, expected 0 to 5");
}

std::multiset<float> Firsts(const DataSource& source) {
  std::multiset<float> values;
  for (int64_t i = 0; i < source.size(); ++i) values.insert(ReadOne(source, i)[0]);
  return values;
}

TEST(SourceTest, SplitIsStratifiedCompleteAndDeterministic) {
  const DataPtr pairs = Pairs(103, 4);
  const Split split = SplitData(pairs, 0.2, 9), again = SplitData(pairs, 0.2, 9),
              other = SplitData(pairs, 0.2, 10);
  EXPECT_EQ(split.second->size(), 21);  // round(0.2 * 103)
  std::vector<int64_t> counts(4);
  for (int64_t i = 0; i < split.second->size(); ++i)
    ++counts[static_cast<size_t>(split.second->label(i))];
  for (int64_t count : counts) EXPECT_NEAR(static_cast<double>(count), 5.2, 1);
  std::multiset<float> all = Firsts(*split.first);
  all.merge(Firsts(*split.second));
  EXPECT_EQ(all, Firsts(*pairs));
  EXPECT_EQ(Firsts(*split.second), Firsts(*again.second));
  EXPECT_NE(Firsts(*split.second), Firsts(*other.second));
}

TEST(SourceTest, SplitKeepsOneOfEachClassInBothParts) {
  const Split split = SplitData(Pairs(8, 4), 0.01, 1);
  EXPECT_EQ(split.second->size(), 4);
  EXPECT_EQ(split.first->size(), 4);
  EXPECT_EQ(SplitData(Pairs(3, 3), 0.4, 1).first->size(), 3);  // none has two
  EXPECT_EQ(SplitData(Pairs(8, 4), 0, 1).second->size(), 0);
}

TEST(SourceTest, SplitFractionIsChecked) {
  EXPECT_ERROR(SplitData(Pairs(4, 2), 1, 1),
               "splitting 'pairs': fraction 1 is given, expected 0 <= fraction < 1");
  EXPECT_ERROR(SplitData(Pairs(4, 2), -0.5, 1),
               "splitting 'pairs': fraction -0.5 is given, expected 0 <= fraction < 1");
}

TEST(SourceTest, BatchIsReadInOrder) {
  const DataPtr digits = GenerateDigits(100, 2);
  const std::vector<int64_t> indices = {99, 3, 3, 50};
  std::vector<float> x(4 * 784), expected;
  ReadBatch(*digits, indices, x);
  for (int64_t index : indices) {
    const std::vector<float> one = ReadOne(*digits, index);
    expected.insert(expected.end(), one.begin(), one.end());
  }
  EXPECT_EQ(x, expected);
}

// Fails on every odd observation.
class Failing : public DataSource {
 public:
  int64_t size() const override { return 1000; }
  const Layout& layout() const override { return layout_; }
  const std::vector<std::string>& classes() const override { return classes_; }
  int64_t label(int64_t) const override { return 0; }
  void Read(int64_t index, std::span<float>) const override {
    if (index % 2 == 1) Fail("observation {} is broken", index);
  }
  std::string Description() const override { return "failing"; }

 private:
  Layout layout_ = Layout::Make("BC", std::vector<int64_t>{1, 100});
  std::vector<std::string> classes_ = {"a"};
};

TEST(SourceTest, BatchThrowsTheFirstError) {
  const Failing failing;
  std::vector<int64_t> indices(1000);
  std::iota(indices.begin(), indices.end(), 0);
  std::vector<float> x(100 * 1000);
  for (int repeat = 0; repeat < 20; ++repeat)
    EXPECT_ERROR(ReadBatch(failing, indices, x), "observation 1 is broken");
  EXPECT_ERROR(ReadBatch(failing, indices, std::span(x).first(7)),
               "reading 'failing': the buffer has 7 values, expected 100000 (1000 observations of "
               "BC [1,100])");
  EXPECT_ERROR(ReadBatch(failing, std::vector<int64_t>{1000}, std::span(x).first(100)),
               "reading 'failing': index 1000 is out of range, expected 0 to 999");
}

}  // namespace
}  // namespace normkit
