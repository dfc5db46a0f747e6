// Moments of weighted elements, against their definition in long double.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "normkit/core/threads.h"
#include "src/core/testing.h"
#include "src/norm/case_data.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;

std::vector<float> SomeWeights(int64_t n, uint64_t seed) {
  Random random(seed);
  std::vector<float> weights(static_cast<size_t>(n));
  for (float& w : weights) w = random.Uniform() < 0.3 ? 0.0f : static_cast<float>(random.Uniform());
  return weights;
}

struct ExactMoments {
  long double n = 0, mean = 0, m2 = 0;
};

std::vector<ExactMoments> Define(const Problem& p, const std::vector<float>& weights) {
  const Layout& layout = p.test.layout;
  const auto stat = reference::IndexOver(layout, static_cast<Dims>(~p.test.spec.reduce));
  const auto position = reference::IndexOver(layout, static_cast<Dims>(~(kG | kC)));
  const auto weight = [&](size_t i) -> long double {
    return weights[static_cast<size_t>(position[i])];
  };
  std::vector<ExactMoments> all(
      static_cast<size_t>(layout.SizeOf(static_cast<Dims>(~p.test.spec.reduce))));
  for (size_t i = 0; i < p.x.size(); ++i) {
    ExactMoments& m = all[static_cast<size_t>(stat[i])];
    m.n += weight(i);
    if (p.test.spec.center) m.mean += weight(i) * p.x[i];
  }
  for (ExactMoments& m : all) m.mean = m.n == 0 ? 0 : m.mean / m.n;
  for (size_t i = 0; i < p.x.size(); ++i) {
    ExactMoments& m = all[static_cast<size_t>(stat[i])];
    m.m2 += weight(i) * (p.x[i] - m.mean) * (p.x[i] - m.mean);
  }
  return all;
}

std::vector<Moments> GatherOf(const Normalization& norm, const void* x,
                              const std::vector<float>& weights) {
  std::vector<Moments> moments(static_cast<size_t>(norm.num_statistics()));
  norm.Gather(norm.whole(), {.x = x, .weights = weights.data()}, moments);
  return moments;
}

int64_t Positions(const Layout& layout) { return layout.SizeOf(static_cast<Dims>(~(kG | kC))); }

// With u = 2^-53: a term weight (x - s)^2 is rounded 4 times, and then added up 28 times at most:
// 8 in a row, 16 runs of a block, 4 folds of lanes (columns: 8 and 8). Of s, an eighth of the
// squares may cancel: 32 * 8 / 7 u, and from the sum of weight (x - s) there, 30 u of
// sqrt(n squares), 2 * 30 / sqrt(8) * 8 / 7 u. Blocks are merged by how far their means lie apart,
// which are off by 30 u of a deviation, each of two. Together 121 u of m2, if all fall to one side;
// what is added up of blocks keeps its rests. The mean that is reported is off by u of itself, and
// the definition's by less.
void ExpectDefinition(const Problem& p, const std::vector<float>& weights,
                      const std::vector<Moments>& moments) {
  constexpr double u = 0x1p-53;
  const auto exact = Define(p, weights);
  for (size_t s = 0; s < moments.size(); ++s) {
    const auto n = static_cast<double>(exact[s].n), m2 = static_cast<double>(exact[s].m2);
    ASSERT_NEAR(moments[s].n, n, 30 * u * n) << p.test.ToString();
    if (n == 0) continue;
    const auto mean = static_cast<double>(exact[s].mean);
    ASSERT_NEAR(moments[s].mean, mean, 2 * u * std::abs(mean) + 64 * u * std::sqrt(m2 / n))
        << p.test.ToString();
    ASSERT_NEAR(moments[s].m2, m2, 128 * u * m2 + n * u * mean * u * mean) << p.test.ToString();
  }
}

TEST(Weighted, MomentsAreTheirDefinition) {
  for (const DType dtype : cases::kDTypes) {
    for (const Case& test : cases::AllCases(dtype)) {
      const Problem p(test, cases::Normals(test.layout.size(), 4, 1e4, 2));
      const auto weights = SomeWeights(Positions(test.layout), 5);
      const Normalization norm(test.spec, test.layout, dtype);
      ExpectDefinition(p, weights, GatherOf(norm, p.x_tensor.data(), weights));
    }
  }
}

// Of rows and columns, with weights of their own and shared, more than one piece for a thread.
std::vector<Case> LongCases(DType dtype) {
  const auto layout = [](const char* format, std::vector<int64_t> sizes) {
    return Layout::Make(format, sizes);
  };
  return {{kBatchNorm, layout("BC", {1000, 150}), dtype},
          {kBatchNorm, layout("BCS", {90, 3, 800}), dtype},
          {kLayerNorm, layout("BSC", {2, 3000, 15}), dtype},
          {kLayerNorm, layout("BCS", {2, 700, 49}), dtype},
          {kBatchNorm, layout("BSC", {3, 700, 19}), dtype},
          {kInstanceNorm, layout("BSC", {2, 2000, 33}), dtype},
          {kLayerNormChannelOnly, layout("BCS", {2, 70, 310}), dtype},
          {kRmsNorm, layout("BC", {20, 2500}), dtype}};
}

class WeightedTargets : public testing::Test {
 protected:
  void TearDown() override {
    simd::ForceTarget(simd::AvailableTargets().front());
    SetNumThreads(0);
  }
};

bool SameBits(const std::vector<Moments>& a, const std::vector<Moments>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(Moments)) == 0;
}

TEST_F(WeightedTargets, AndThreadsGiveTheSameBits) {
  for (const DType dtype : cases::kDTypes) {
    for (const Case& test : LongCases(dtype)) {
      const Problem p(test, cases::Normals(test.layout.size(), 4, 1e4, 2));
      const auto weights = SomeWeights(Positions(test.layout), 5);
      const Normalization norm(test.spec, test.layout, dtype);
      const auto moments = GatherOf(norm, p.x_tensor.data(), weights);
      ExpectDefinition(p, weights, moments);
      for (const std::string& target : simd::AvailableTargets())
        for (const int threads : {1, 3}) {
          simd::ForceTarget(target);
          SetNumThreads(threads);
          EXPECT_TRUE(SameBits(GatherOf(norm, p.x_tensor.data(), weights), moments))
              << test.ToString() << " " << target << " " << threads;
        }
    }
  }
}

// Where sums begin says nothing about where the others lie.
TEST(Weighted, AroundTheMeanOfABlock) {
  for (const Case& test : LongCases(DType::kF32)) {
    if (!test.spec.center) continue;
    std::vector<double> values = cases::Normals(test.layout.size(), 4, 0, 2);
    auto weights = SomeWeights(Positions(test.layout), 5);
    const auto position = reference::IndexOver(test.layout, static_cast<Dims>(~(kG | kC)));
    for (size_t i = 0; i < values.size(); ++i)
      if (position[i] == 0) values[i] = 1e8;
    weights[0] = 1e-30f;
    const Problem p(test, values);
    const Normalization norm(test.spec, test.layout);
    ExpectDefinition(p, weights, GatherOf(norm, p.x_tensor.data(), weights));
  }
}

// Squares around the first element leave the range of f64, those around the mean do not.
TEST(Weighted, AroundTheMeanOfABlockWhereAnOutlierLeavesTheRange) {
  struct Far {
    double scale;
    float weight, of_outlier;
  };
  for (const Far& far : {Far{1e115, 1e30f, 1e-20f}, Far{1e125, 1e30f, 1e-20f},
                         Far{1e142, 1, 1e-10f}, Far{1e143, 1, 1e-10f}})
    for (const NormSpec& spec : {kLayerNorm, kBatchNorm}) {
      const Case test{spec, Layout::Make("BTC", std::vector<int64_t>{1, 400, 1}), DType::kF64};
      std::vector<double> values = cases::Normals(test.layout.size(), 4, 0, far.scale);
      values[0] = 1e10 * far.scale;
      std::vector<float> weights(values.size(), far.weight);
      weights[0] = far.of_outlier;
      const Problem p(test, values);
      const Normalization norm(spec, test.layout, DType::kF64);
      ExpectDefinition(p, weights, GatherOf(norm, p.x_tensor.data(), weights));
    }
}

// A mask: what has no weight is not there, whatever it is.
TEST(Weighted, WhatHasNoneIsNotRead) {
  const Layout layout = Layout::Make("BTC", std::vector<int64_t>{2, 3, 4});
  std::vector<double> values = cases::Normals(layout.size(), 1, 3, 2);
  std::fill_n(values.begin() + 4, 4, std::nan(""));
  std::fill_n(values.begin() + 20, 4, HUGE_VAL);
  const Problem p({kBatchNorm, layout, DType::kF32}, values);
  const std::vector<float> mask{1, 0, 1, 1, 1, 0};
  const Normalization norm(kBatchNorm, layout);
  const auto moments = GatherOf(norm, p.x_tensor.data(), mask);
  std::vector<double> mean(4), rstd(4);
  norm.Finish(moments, {mean.data(), rstd.data()});
  for (size_t c = 0; c < 4; ++c) {
    EXPECT_EQ(moments[c].n, 4);
    EXPECT_NEAR(mean[c], (p.x[c] + p.x[8 + c] + p.x[12 + c] + p.x[16 + c]) / 4, 1e-14);
  }
  // None at all: an empty batch, which leaves statistics alone.
  const auto none = GatherOf(norm, p.x_tensor.data(), std::vector<float>(6));
  norm.Finish(none, {mean.data(), rstd.data()});
  EXPECT_EQ(none[0].n, 0);
  EXPECT_NEAR(mean[0], moments[0].mean, 0);
}

TEST(Weighted, PartsGiveTheBitsOfTheWhole) {
  for (const NormSpec& spec : {kBatchNorm, kLayerNorm, kRmsNorm}) {
    const Layout layout = Layout::Make("BTC", std::vector<int64_t>{23, 3, 4});
    const Problem p({spec, layout, DType::kF32});
    const auto weights = SomeWeights(23 * 3, 2);
    const Normalization norm(spec, layout, DType::kF32, {.tree = true});
    const auto gather = [&](std::initializer_list<int> cuts) {
      const int64_t rows = norm.joins() ? norm.num_leaves(norm.whole()) : 1;
      std::vector<Moments> all(static_cast<size_t>(rows * norm.num_statistics()));
      size_t at = 0;
      for (auto cut = cuts.begin(); cut + 1 != cuts.end(); ++cut) {
        const BatchPart part{23, *cut, *(cut + 1)};
        const auto size = static_cast<size_t>((norm.joins() ? norm.num_leaves(part) : 1) *
                                              norm.part_statistics(part));
        norm.Gather(part,
                    {.x = p.x_tensor.values<float>().data() + part.begin() * 12,
                     .weights = weights.data() + part.begin() * 3},
                    std::span(all).subspan(at, size));
        at += size;
      }
      norm.Join(all);
      return all;
    };
    const auto whole = gather({0, 16}), parts = gather({0, 5, 6, 16});
    EXPECT_EQ(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(Moments)), 0)
        << spec.name;
    const auto exact = Define(p, weights);
    EXPECT_NEAR(whole[0].mean, static_cast<double>(exact[0].mean), 1e-14) << spec.name;
  }
}

TEST(Weighted, WhatHasNoneIsNotReadInAnyOrder) {
  for (const Case& test : LongCases(DType::kF32)) {
    std::vector<double> values = cases::Normals(test.layout.size(), 4, 3, 2), masked = values;
    const auto weights = SomeWeights(Positions(test.layout), 5);
    const auto position = reference::IndexOver(test.layout, static_cast<Dims>(~(kG | kC)));
    for (size_t i = 0; i < values.size(); ++i)
      if (weights[static_cast<size_t>(position[i])] == 0) masked[i] = std::nan("");
    const Problem p(test, values), q(test, masked);
    const Normalization norm(test.spec, test.layout);
    EXPECT_TRUE(SameBits(GatherOf(norm, p.x_tensor.data(), weights),
                         GatherOf(norm, q.x_tensor.data(), weights)))
        << test.ToString();
  }
}

// Every other element of each axis, and axes in the other order: the bits of the dense array.
TEST(Weighted, OfArraysAsTheyLie) {
  for (const Case& test : LongCases(DType::kF64)) {
    const Problem p(test, cases::Normals(test.layout.size(), 4, 3, 2));
    const auto weights = SomeWeights(Positions(test.layout), 5);
    const Normalization dense(test.spec, test.layout, DType::kF64);
    const auto expected = GatherOf(dense, p.x.data(), weights);
    const auto& axes = test.layout.axes();
    std::vector<int64_t> apart(axes.size()), turned(axes.size());
    int64_t extent = 1;
    for (size_t i = axes.size(); i-- > 0; extent *= 2 * axes[i].size) apart[i] = extent;
    extent = 1;
    for (size_t i = 0; i < axes.size(); extent *= axes[i++].size) turned[i] = extent;
    for (const auto& strides : {apart, turned}) {
      std::vector<double> x(p.x.size() << axes.size());
      for (size_t i = 0; i < p.x.size(); ++i) {
        int64_t at = 0, left = static_cast<int64_t>(i);
        for (size_t k = axes.size(); k-- > 0; left /= axes[k].size)
          at += left % axes[k].size * strides[k];
        x[static_cast<size_t>(at)] = p.x[i];
      }
      const Normalization norm(test.spec, test.layout, DType::kF64, {.strides = {.x = strides}});
      EXPECT_TRUE(SameBits(GatherOf(norm, x.data(), weights), expected)) << test.ToString();
    }
  }
}

TEST(Weighted, MessagesName) {
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{2, 3});
  const Normalization norm(kLayerNorm, layout);
  std::vector<float> x(6), weights{1, std::nanf("")};
  std::vector<Moments> moments(2);
  const auto gather = [&](const void* residual) {
    return ErrorOf([&] {
      norm.Gather(norm.whole(),
                  {.x = x.data(), .residual = residual, .sum = x.data(), .weights = weights.data()},
                  moments);
    });
  };
  const std::string title = "layer normalization of BC [2,3]: ";
  EXPECT_EQ(gather(nullptr), title + "Gather: weights[1] is nan, expected 0 or more");
  // In a leaf behind others: counted from where the call's weights begin.
  const Layout rows = Layout::Make("BC", std::vector<int64_t>{40, 3});
  const Normalization of_leaves(kBatchNorm, rows, DType::kF32, {.tree = true});
  std::vector<float> many(40 * 3), all(40, 1);
  all[33] = -2;
  std::vector<Moments> by_leaf(16 * 3);
  EXPECT_EQ(ErrorOf([&] {
              of_leaves.Gather(of_leaves.whole(), {.x = many.data(), .weights = all.data()},
                               by_leaf);
            }),
            "batch normalization of BC [40,3]: Gather: weights[33] is -2, expected 0 or more");
  EXPECT_EQ(gather(x.data()), title + "Gather: weights with a residual, expected their sum as x");
  const std::vector<int64_t> lengths{1, 1};
  EXPECT_EQ(ErrorOf([&] {
              norm.Gather(norm.whole(), {.x = x.data(), .lengths = lengths.data()}, moments);
            }),
            title +
                "Gather: lengths of a part, expected none (weights of 0 in Gather leave padding "
                "out)");
  EXPECT_EQ(ErrorOf([&] {
              norm.ForwardTraining({.x = x.data(), .y = x.data(), .weights = weights.data()});
            }),
            title + "weights in a whole pass, expected them in Gather alone");
}

}  // namespace
}  // namespace normkit
