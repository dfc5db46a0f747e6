// Moments of weighted elements, against their definition in long double.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "src/core/testing.h"
#include "src/norm/case_data.h"

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

TEST(Weighted, MomentsAreTheirDefinition) {
  for (const DType dtype : cases::kDTypes) {
    for (const Case& test : cases::AllCases(dtype)) {
      const Problem p(test, cases::Normals(test.layout.size(), 4, 1e4, 2));
      const auto weights = SomeWeights(Positions(test.layout), 5);
      const Normalization norm(test.spec, test.layout, dtype);
      const auto moments = GatherOf(norm, p.x_tensor.data(), weights);
      const auto exact = Define(p, weights);
      for (size_t s = 0; s < moments.size(); ++s) {
        const auto n = static_cast<double>(exact[s].n), m2 = static_cast<double>(exact[s].m2);
        ASSERT_NEAR(moments[s].n, n, 1e-15 * n) << test.ToString();
        if (n == 0) continue;
        const auto mean = static_cast<double>(exact[s].mean);
        ASSERT_NEAR(moments[s].mean, mean, 1e-15 * std::abs(mean)) << test.ToString();
        // Two products and a difference, 4 u; around a mean that is off by u of itself.
        ASSERT_NEAR(moments[s].m2, m2, 1e-15 * m2 + 1e-23 * n) << test.ToString();
      }
    }
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

TEST(Weighted, OfArraysAsTheyLie) {
  const Layout layout = Layout::Make("BSC", std::vector<int64_t>{2, 3, 4});
  const Problem p({kBatchNorm, layout, DType::kF64});
  const auto weights = SomeWeights(6, 3);
  std::vector<double> apart(24 * 3);
  for (size_t i = 0; i < 24; ++i) apart[3 * i] = p.x[i];
  const Normalization dense(kBatchNorm, layout, DType::kF64),
      strided(kBatchNorm, layout, DType::kF64, {.strides = {.x = {36, 12, 3}}});
  const auto a = GatherOf(dense, p.x.data(), weights), b = GatherOf(strided, apart.data(), weights);
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(Moments)), 0);
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
