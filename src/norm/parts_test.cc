// Both passes in two halves: parts that are joined give the bits of the whole.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>

#include "src/core/batch_tree.h"
#include "src/core/scratch.h"
#include "src/core/testing.h"
#include "src/norm/case_bounds.h"

namespace normkit {
namespace {

using cases::Case;
using Cuts = std::vector<BatchPart>;

// What both passes write, bytes of all arrays one behind the other.
struct Outcome {
  std::vector<double> mean, rstd, variance;
  Tensor y, sum, dx, daddend, dgate, dgamma, dbeta;
};

const std::byte* At(const Tensor& tensor, int64_t bytes) {
  return static_cast<const std::byte*>(tensor.data()) + bytes;
}
std::byte* At(Tensor& tensor, int64_t bytes) {
  return static_cast<std::byte*>(tensor.data()) + bytes;
}

// Which arrays differ, for messages.
std::string Differences(const Outcome& a, const Outcome& b) {
  std::string text;
  const auto compare = [&](const char* name, const auto& x, const auto& y) {
    if (!(x == y)) text += std::string(" ") + name;
  };
  compare("mean", a.mean, b.mean);
  compare("rstd", a.rstd, b.rstd);
  compare("variance", a.variance, b.variance);
  const auto bytes = [](const Tensor& t) {
    return std::string(static_cast<const char*>(t.data()), t.bytes());
  };
  compare("y", bytes(a.y), bytes(b.y));
  compare("sum", bytes(a.sum), bytes(b.sum));
  compare("dx", bytes(a.dx), bytes(b.dx));
  compare("daddend", bytes(a.daddend), bytes(b.daddend));
  compare("dgate", bytes(a.dgate), bytes(b.dgate));
  compare("dgamma", bytes(a.dgamma), bytes(b.dgamma));
  compare("dbeta", bytes(a.dbeta), bytes(b.dbeta));
  return text;
}

// Everything fused, with a gate behind SiLU (any other is told from y), or nothing.
struct Calls {
  Calls(const cases::Problem& p, bool all, const NormOptions& options)
      : problem(p),
        fused(all),
        gated(options.activation == Activation::kSilu),
        norm(p.test.spec, p.test.layout, p.test.dtype, options) {
    const auto n = static_cast<size_t>(norm.num_statistics());
    r.mean.resize(n), r.rstd.resize(n), r.variance.resize(n);
    for (Tensor* tensor : {&r.y, &r.sum, &r.dx, &r.daddend, &r.dgate})
      *tensor = p.dy_tensor.Clone();
    r.dgamma = p.gamma_tensor.Clone(), r.dbeta = p.beta_tensor.Clone();
  }

  // Of what begins at this observation and statistic.
  Normalization::ForwardArgs Forward(int64_t row, int64_t statistic) {
    const int64_t at = row * RowBytes();
    return {.x = At(problem.x_tensor, at),
            .gamma = problem.gamma_tensor.data(),
            .beta = problem.beta_tensor.data(),
            .y = At(r.y, at),
            .saved = {r.mean.data() + statistic, r.rstd.data() + statistic,
                      r.variance.data() + statistic},
            .residual = fused ? At(problem.dy_tensor, at) : nullptr,
            .sum = fused ? At(r.sum, at) : nullptr,
            .addend = fused ? At(problem.x_tensor, at) : nullptr,
            .gate = gated ? At(problem.dy_tensor, at) : nullptr};
  }
  Normalization::BackwardArgs Backward(int64_t row, int64_t statistic) {
    const int64_t at = row * RowBytes();
    return {.x = At(fused ? r.sum : problem.x_tensor, at),
            .dy = At(problem.dy_tensor, at),
            .gamma = problem.gamma_tensor.data(),
            .beta = problem.beta_tensor.data(),
            .mean = r.mean.data() + statistic,
            .rstd = r.rstd.data() + statistic,
            .dx = At(r.dx, at),
            .dgamma = r.dgamma.data(),
            .dbeta = r.dbeta.data(),
            .y = fused ? At(r.y, at) : nullptr,
            .addend = fused ? At(problem.x_tensor, at) : nullptr,
            .daddend = fused ? At(r.daddend, at) : nullptr,
            .gate = gated ? At(problem.dy_tensor, at) : nullptr,
            .dgate = gated ? At(r.dgate, at) : nullptr};
  }

  void Whole() {
    norm.ForwardTraining(Forward(0, 0));
    norm.Backward(Backward(0, 0));
  }

  void InParts(const Cuts& parts) {
    const auto leaves = static_cast<size_t>(norm.num_leaves(norm.whole()));
    const auto n = static_cast<size_t>(norm.num_statistics());
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();  // nothing is left as it was
    std::vector<Moments> moments(norm.joins() ? leaves * n : n, {kNan, kNan, kNan});
    std::vector<double> sums(leaves * static_cast<size_t>(norm.num_sums()), kNan);
    for (const BatchPart& part : parts)
      norm.Gather(part, Forward(part.begin(), Of(part)), Rows(moments, part));
    norm.Join(std::span(moments));
    norm.Finish({moments.data(), n}, Forward(0, 0).saved);
    for (const BatchPart& part : parts) norm.Apply(part, Forward(part.begin(), Of(part)));
    for (const BatchPart& part : parts) {
      const auto own = static_cast<size_t>(norm.num_leaves(part) * norm.num_sums());
      const auto first = static_cast<size_t>(leaves > 1 ? part.first_leaf * norm.num_sums() : 0);
      norm.GatherGradient(part, Backward(part.begin(), Of(part)),
                          std::span(sums).subspan(first, own));
    }
    norm.Join(std::span(sums));
    sums.resize(static_cast<size_t>(norm.num_sums()));
    for (const BatchPart& part : parts)
      norm.ApplyGradient(part, Backward(part.begin(), Of(part)), sums);
  }

  const cases::Problem& problem;
  bool fused, gated;
  Normalization norm;
  Outcome r;

 private:
  int64_t RowBytes() const {
    return static_cast<int64_t>(problem.x_tensor.bytes()) / problem.test.layout.axes()[0].size;
  }
  // The first statistic of a part.
  int64_t Of(const BatchPart& part) const {
    if (norm.joins()) return 0;
    return norm.part_statistics({part.whole, 0, part.first_leaf, part.begins});
  }
  std::span<Moments> Rows(std::vector<Moments>& moments, const BatchPart& part) const {
    const int64_t n = norm.joins() ? norm.num_statistics() : 1;
    const int64_t first = norm.num_leaves(norm.whole()) > 1 ? part.first_leaf * n : 0;
    const int64_t count = norm.joins() ? norm.num_leaves(part) * n : norm.part_statistics(part);
    return std::span(moments).subspan(static_cast<size_t>(norm.joins() ? first : Of(part)),
                                      static_cast<size_t>(count));
  }
};

// [0, 16) in runs at random.
Cuts RandomCuts(Random& random, int64_t whole, const int64_t* begins = nullptr) {
  Cuts parts;
  const int64_t likely = 1 + random.Below(6);
  for (int leaf = 0; leaf < BatchPart::kLeaves; ++leaf) {
    if (parts.empty() || random.Below(likely) == 0)
      parts.push_back({whole, leaf, leaf + 1, begins});
    else
      ++parts.back().last_leaf;
  }
  return parts;
}

bool HasTree(const Case& test) { return !(test.layout.axes()[0].label & test.spec.affine); }

void CheckRandomCuts(const Case& test, int cuts) {
  const cases::Problem p(test);
  Random random(11);
  for (const Activation activation :
       {Activation::kNone, Activation::kLeakyRelu, Activation::kSilu}) {
    const bool fused = activation != Activation::kNone;
    const NormOptions options{.activation = activation, .tree = true};
    Calls whole(p, fused, options);
    whole.Whole();
    for (int i = 0; i < (activation == Activation::kSilu ? 4 : cuts); ++i) {
      Calls parts(p, fused, options);
      parts.InParts(RandomCuts(random, test.layout.axes()[0].size));
      ASSERT_EQ(Differences(parts.r, whole.r), "") << test.ToString() << (fused ? ", fused" : "")
                                                   << static_cast<int>(activation) << ", cut " << i;
    }
  }
}

TEST(Parts, TwentyRandomCutsGiveTheBitsOfTheWhole) {
  for (const DType dtype : cases::kDTypes)
    for (const cases::Sizes& sizes : {cases::Sizes{.b = 21, .t = 17, .s = 5}, cases::Sizes{}})
      for (const Case& test : cases::AllCases(dtype, sizes)) {
        if (HasTree(test)) CheckRandomCuts(test, 20);
        if (HasFatalFailure()) return;
      }
}

TEST(Parts, OfSpecsThatNoRowIs) {
  for (const Case& test : cases::CustomCases(DType::kF32, {.b = 19, .t = 18}))
    if (HasTree(test)) CheckRandomCuts(test, 5);
}

TEST(Parts, OfLargeArraysOnAnyNumberOfThreads) {
  for (const auto& [spec, format, shape] :
       {std::tuple{kBatchNorm, "BSC", std::vector<int64_t>{50, 900, 33}},
        std::tuple{kBatchNorm, "BCS", std::vector<int64_t>{18, 7, 3001}},
        std::tuple{kLayerNorm, "BSC", std::vector<int64_t>{24, 77, 65}},
        std::tuple{kInstanceNorm, "SSC", std::vector<int64_t>{300, 40, 9}}}) {  // tiles
    const cases::Problem p({spec, Layout::Make(format, shape), DType::kF32});
    std::optional<Outcome> expected;
    for (const int threads : {1, 2, 5, 20}) {
      SetNumThreads(threads);
      Calls whole(p, true, {.activation = Activation::kRelu, .tree = true});
      whole.Whole();
      Calls parts(p, true, {.activation = Activation::kRelu, .tree = true});
      parts.InParts({{shape[0], 0, 3}, {shape[0], 3, 4}, {shape[0], 4, 16}});
      EXPECT_EQ(Differences(parts.r, whole.r), "") << spec.name << threads;
      if (!expected) expected = std::move(whole.r);
      EXPECT_EQ(Differences(parts.r, *expected), "") << spec.name << threads;
    }
  }
  SetNumThreads(0);
}

// Without a tree there is one part, and the bits are those of the fused kernels.
TEST(Parts, OneIsTheFusedCall) {
  for (const DType dtype : cases::kDTypes)
    for (const Case& test : cases::AllCases(dtype)) {
      const cases::Problem p(test);
      for (const bool fused : {false, true}) {
        const NormOptions options{.activation = fused ? Activation::kRelu : Activation::kNone};
        Calls whole(p, fused, options), one(p, fused, options);
        whole.Whole();
        one.InParts({one.norm.whole()});
        // Statistics of runs of elements: what passes through them is added up elsewhere.
        if (one.norm.joins() && test.spec.name != kBatchNorm.name)
          one.r.dx = std::move(whole.r.dx), one.r.dgamma = std::move(whole.r.dgamma),
          one.r.dbeta = std::move(whole.r.dbeta), whole.r.dx = one.r.dx.Clone(),
          whole.r.dgamma = one.r.dgamma.Clone(), whole.r.dbeta = one.r.dbeta.Clone();
        ASSERT_EQ(Differences(one.r, whole.r), "") << test.ToString() << fused;
      }
    }
}

// The tree's sums are as exact as those of the whole.
TEST(Parts, ATreeKeepsTheContract) {
  for (const Case& test : cases::AllCases(DType::kF32, {.b = 21, .t = 17})) {
    if (!HasTree(test)) continue;
    const cases::Problem p(test, cases::Normals(test.layout.size(), 3, 1e4, 1));
    Calls whole(p, false, {.tree = true});
    whole.Whole();
    EXPECT_LE(cases::WorstForwardFraction(p, whole.r.y), 1) << test.ToString();
    NormGradients gradients{std::move(whole.r.dx), std::move(whole.r.dgamma),
                            std::move(whole.r.dbeta)};
    const auto worst = cases::WorstGradientFractions(p, gradients);
    EXPECT_LE(std::max({worst.dx, worst.dgamma, worst.dbeta}), 1) << test.ToString();
  }
}

// Where leaves of any numbers of rows begin, some of none.
std::vector<int64_t> RandomBegins(Random& random, int64_t whole) {
  std::vector<int64_t> begins{0, whole};
  while (begins.size() <= BatchPart::kLeaves) begins.push_back(random.Below(whole + 1));
  std::ranges::sort(begins);
  return begins;
}

// Moments and sums of all leaves are more than a thread keeps once a call is over, which those of
// leaves are.
TEST(Parts, ATreeOfVeryManyStatistics) {
  constexpr auto kKept = static_cast<int64_t>(kKeptScratchBytes / sizeof(Moments));
  constexpr int64_t kFew = 100, kRows = 3, kMany = kKept / BatchPart::kLeaves / kFew * kFew + kFew;
  const auto of = [&](int64_t channels) {
    const Layout layout = Layout::Make("BC", std::vector<int64_t>{kRows, channels});
    const Normalization norm(kBatchNorm, layout, DType::kF32, {.tree = true});
    std::vector<float> x, y(static_cast<size_t>(kRows * channels)), dx(y);
    for (int64_t b = 0; b < kRows; ++b)
      for (int64_t c = 0; c < channels; ++c)
        x.push_back(static_cast<float>((b * 7 + c % kFew) % 5));
    const auto n = static_cast<size_t>(channels);
    std::vector<double> mean(n), rstd(n);
    std::vector<float> dgamma(n), dbeta(n), first;
    norm.ForwardTraining({.x = x.data(), .y = y.data(), .saved = {mean.data(), rstd.data()}});
    norm.Backward({.x = x.data(),
                   .dy = y.data(),
                   .mean = mean.data(),
                   .rstd = rstd.data(),
                   .dx = dx.data(),
                   .dgamma = dgamma.data(),
                   .dbeta = dbeta.data()});
    for (const auto& array : {y, dx, dgamma, dbeta})
      first.insert(first.end(), array.end() - kFew, array.end());
    return first;
  };
  EXPECT_TRUE(of(kMany) == of(kFew));
}

// Results of leaves that are many are not kept, but merged as soon as the tree allows, in runs that
// threads share: Gather and Join, which have them all, give the same bits.
void CheckFewLeaves(const NormSpec& spec, const Layout& layout, DType dtype, bool zeros) {
  cases::Problem p({spec, layout, dtype});
  if (zeros)  // -0: added to 0 it is another
    for (size_t i = 0; i < p.dy_tensor.bytes(); ++i) {
      const bool sign = i % SizeOf(dtype) + 1 == SizeOf(dtype);
      *At(p.dy_tensor, static_cast<int64_t>(i)) = std::byte(sign ? 0x80 : 0);
    }
  for (const bool uneven : {false, true}) {
    const NormOptions options{.tree = true, .uneven = uneven};
    SetNumThreads(0);
    Calls all(p, false, options);
    all.InParts({all.norm.whole()});
    for (const int threads : {1, 2, 3, 5, 20}) {
      SetNumThreads(threads);
      Calls few(p, false, options);
      few.Whole();
      ASSERT_EQ(Differences(few.r, all.r), "") << p.test.ToString() << (uneven ? " uneven, " : " ")
                                               << threads << " threads" << (zeros ? ", dy -0" : "");
    }
  }
  SetNumThreads(0);
}

TEST(Parts, FewLeavesAreKeptWithTheBitsOfAll) {
  for (const auto& [spec, channels] : {std::tuple{kBatchNorm, 11000}, {kLayerNorm, 16400}})
    for (const DType dtype : {DType::kF32, DType::kF64})
      for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 37, 100}) {
        const Layout layout = Layout::Make("BC", std::vector<int64_t>{rows, channels});
        CheckFewLeaves(spec, layout, dtype, /*zeros=*/false);
        if (rows < 4) CheckFewLeaves(spec, layout, dtype, /*zeros=*/true);
        if (HasFatalFailure()) return;
      }
  // More than a thread keeps, whatever the number of threads.
  const Layout large = Layout::Make("BC", std::vector<int64_t>{7, 1 << 19});
  CheckFewLeaves(kLayerNorm, large, DType::kF32, /*zeros=*/false);
}

TEST(Parts, ManyParametersOfAnEmptyTree) {
  const cases::Problem some({kLayerNorm, Layout::Make("BC", std::vector<int64_t>{3, 1 << 15})});
  Calls(some, false, {.tree = true}).Whole();  // leaves sums behind
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{0, 1 << 15});
  for (const NormSpec& spec : {kLayerNorm, kBatchNorm})
    for (const bool uneven : {false, true}) {
      const Normalization norm(spec, layout, DType::kF32, {.tree = true, .uneven = uneven});
      std::vector<float> dgamma(1 << 15, 7), dbeta(dgamma);
      std::vector<double> mean(1 << 15, 7), rstd(mean), kept(mean);
      norm.ForwardTraining({.saved = {mean.data(), rstd.data()}});
      norm.Backward({.mean = mean.data(),
                     .rstd = rstd.data(),
                     .dgamma = dgamma.data(),
                     .dbeta = dbeta.data()});
      EXPECT_EQ(dgamma, std::vector<float>(1 << 15)) << spec.name;
      EXPECT_EQ(dbeta, dgamma) << spec.name;
      EXPECT_EQ(mean, kept) << spec.name;
    }
}

TEST(Parts, UnevenLeavesGiveTheBitsOfTheWhole) {
  Random random(12);
  for (const DType dtype : {DType::kF32, DType::kBF16})
    for (const Case& test : cases::AllCases(dtype, {.b = 45, .t = 17, .s = 5})) {
      if (!HasTree(test)) continue;
      const cases::Problem p(test, cases::Normals(test.layout.size(), 3, 1e2, 1));
      const int64_t whole = test.layout.axes()[0].size;
      for (const bool fused : {false, true}) {
        const NormOptions options{.activation = fused ? Activation::kRelu : Activation::kNone,
                                  .tree = true,
                                  .uneven = true};
        const std::vector<int64_t> begins = RandomBegins(random, whole);
        Calls one(p, fused, options);
        one.InParts({{.whole = whole, .begins = begins.data()}});
        for (int i = 0; i < 3; ++i) {
          Calls parts(p, fused, options);
          parts.InParts(RandomCuts(random, whole, begins.data()));
          ASSERT_EQ(Differences(parts.r, one.r), "")
              << test.ToString() << (fused ? ", fused" : "") << testing::PrintToString(begins);
        }
        if (fused) continue;
        EXPECT_LE(cases::WorstForwardFraction(p, one.r.y), 1) << test.ToString();
        NormGradients gradients{std::move(one.r.dx), std::move(one.r.dgamma),
                                std::move(one.r.dbeta)};
        const auto worst = cases::WorstGradientFractions(p, gradients);
        EXPECT_LE(std::max({worst.dx, worst.dgamma, worst.dbeta}), 1) << test.ToString();
      }
    }
}

TEST(Parts, TheReferenceHasThem) {
  setenv("NORMKIT_BACKEND", "reference", 1);
  for (const Case& test : cases::AllCases(DType::kF32, {.b = 18, .t = 17, .s = 3}))
    if (HasTree(test)) CheckRandomCuts(test, 2);
  unsetenv("NORMKIT_BACKEND");
}

TEST(Parts, RanksJoinThem) {
  const cases::Problem p({kBatchNorm, Layout::Make("BSC", std::vector<int64_t>{11, 6, 5})});
  Calls whole(p, false, {.tree = true});
  whole.Whole();
  RunRanks(4, [&](Reducer& reducer) {
    Calls mine(p, false, {.tree = true});
    const BatchPart part = BatchPart::OfRank(11, reducer.rank(), 4);
    const auto args = mine.Forward(part.begin(), 0);
    std::vector<Moments> own(20), all(80);
    mine.norm.Gather(part, args, own);
    reducer.Gather(std::as_bytes(std::span(own)), std::as_writable_bytes(std::span(all)));
    mine.norm.Join(std::span(all));
    mine.norm.Finish({all.data(), 5}, args.saved);
    EXPECT_EQ(mine.r.mean, whole.r.mean);
    EXPECT_EQ(mine.r.rstd, whole.r.rstd);
  });
}

TEST(Parts, WhatIsNoneIsRefused) {
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{6, 4});
  const Normalization tree(kBatchNorm, layout, DType::kF32, {.tree = true}),
      one(kBatchNorm, layout);
  std::vector<Moments> moments(64);
  std::vector<float> x(24);
  const std::string title = "batch normalization of BC [6,4]: ";
  EXPECT_ERROR(tree.Gather({6, 3, 17}, {.x = x.data()}, moments),
               title + "Gather: leaves [3,17) of 6 given, expected a run of [0,16) of 6");
  EXPECT_ERROR(tree.Gather({7, 0, 16}, {.x = x.data()}, moments),
               title + "Gather: leaves [0,16) of 7 given, expected a run of [0,16) of 6");
  EXPECT_ERROR(
      one.Gather({6, 0, 2}, {.x = x.data()}, moments),
      title + "Gather: leaves [0,2) of 6 given, expected [0,16), for there is no tree, of 6");
  EXPECT_ERROR(tree.Gather(tree.whole(), {.x = x.data()}, std::span(moments).first(8)),
               title + "Gather: room for 8 results, expected 64");
  EXPECT_ERROR(tree.Gather(tree.whole(), {}, moments),
               title + "x is null, expected an array of 24 f32 elements");
  EXPECT_ERROR(tree.Finish(moments, {}), title + "Finish: 64 moments given, expected 4");
  EXPECT_ERROR(Normalization(kLayerNorm, layout).Finish(moments, {}),
               "layer normalization of BC [6,4]: Finish: 64 moments given, expected at most 6");
  EXPECT_ERROR(tree.Apply(tree.whole(), {.x = x.data(), .y = x.data()}),
               title + "saved mean is null, expected an array of 4 f64 elements");
  std::vector<int64_t> begins(17, 6);
  begins[0] = 1;
  const BatchPart late{.whole = 6, .begins = begins.data()};
  EXPECT_ERROR(tree.Gather(late, {.x = x.data()}, moments),
               title +
                   "Gather: leaves that begin at 1,6,6,6,6,6,6,6,6,6,6,6,6,6,6,6,6 given, "
                   "expected leaves alike, for `uneven` is not set");
  const Normalization uneven(kBatchNorm, layout, DType::kF32, {.tree = true, .uneven = true});
  EXPECT_ERROR(uneven.Gather(late, {.x = x.data()}, moments),
               title +
                   "Gather: leaves that begin at 1,6,6,6,6,6,6,6,6,6,6,6,6,6,6,6,6 given, "
                   "expected 17 numbers from 0 up to 6");
  const Layout channels = Layout::Make("CT", std::vector<int64_t>{6, 4});
  EXPECT_ERROR(Normalization(kBatchNorm, channels, DType::kF32, {.tree = true}),
               "batch normalization of CT [6,4]: a tree over the outermost axis, which has "
               "parameters, expected one without");
}

// Statistics of the first channels, applied to all (pRMSNorm, Zhang & Sennrich 2019).
TEST(Parts, PartialRmsIsGatheredFromASlice) {
  constexpr int64_t kRows = 5, kAll = 12, kPart = 4;
  const auto layout = [](int64_t channels) {
    return Layout::Make("BC", std::vector<int64_t>{kRows, channels});
  };
  const cases::Problem p({kRmsNorm, layout(kAll)});
  const Normalization all(kRmsNorm, layout(kAll));
  const Normalization part(kRmsNorm, layout(kPart), DType::kF32, {.strides = {.x = {kAll, 1}}});
  std::vector<Moments> moments(kRows);
  std::vector<double> mean(kRows), rstd(kRows);
  std::vector<float> y(kRows * kAll);
  part.Gather(part.whole(), {.x = p.x_tensor.data()}, moments);
  part.Finish(moments, {mean.data(), rstd.data()});
  all.Apply(all.whole(), {.x = p.x_tensor.data(),
                          .gamma = p.gamma_tensor.data(),
                          .y = y.data(),
                          .saved = {mean.data(), rstd.data()}});
  for (size_t row = 0; row < kRows; ++row) {
    double squares = 0;
    for (size_t c = 0; c < kPart; ++c) squares += p.x[row * kAll + c] * p.x[row * kAll + c];
    const double deviation = std::sqrt(squares / kPart + 1e-5);
    for (size_t c = 0; c < kAll; ++c) {
      const double exact = p.gamma[c] * p.x[row * kAll + c] / deviation;
      EXPECT_NEAR(y[row * kAll + c], exact, 0x1p-22 * std::abs(exact)) << row << " " << c;
    }
  }
}

}  // namespace
}  // namespace normkit
