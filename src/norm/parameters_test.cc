// gamma and beta over any axes, of any type, and 1 + gamma.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "normkit/core/threads.h"
#include "src/core/elements.h"
#include "src/core/scratch.h"
#include "src/norm/case_bounds.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;

// The option is what a spec of one's own says; group normalization keeps its groups.
TEST(Parameters, AxesAreThoseOfTheOptions) {
  const Layout layout = Layout::Make("BCS", std::vector<int64_t>{3, 8, 5});
  const auto over = [&](const NormSpec& spec, Dims axes, int64_t groups = 0) {
    const NormOptions options{.num_groups = groups, .parameter_axes = axes};
    return Normalization(spec, layout, DType::kF32, options).num_parameters();
  };
  EXPECT_EQ(over(kLayerNorm, 0), 8);
  EXPECT_EQ(over(kLayerNorm, kC | kS), 40);
  EXPECT_EQ(over(kLayerNorm, kB | kC), 24);
  EXPECT_EQ(over(kGroupNorm, kB | kC, 2), 24);
  EXPECT_EQ(over(kInstanceNorm, kB), 3);
  EXPECT_EQ(over(kBatchNorm, kB | kC | kS), 120);
}

TEST(Parameters, MessagesName) {
  const auto message = [](const auto& f) -> std::string {
    try {
      f();
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing";
  };
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{3, 8});
  EXPECT_EQ(
      message([&] { Normalization(kLayerNorm, layout, DType::kF32, {.parameter_axes = kC | kS}); }),
      "layer normalization: parameters over S given, expected axes of BC [3,8]");
  EXPECT_EQ(message([&] {
              Normalization(kLayerNorm, layout, DType::kF32, {.parameter_dtype = DType::kI32});
            }),
            "layer normalization: parameters of i32, expected f32, f64, bf16 or f16");
  EXPECT_EQ(message([] { ParseAxes("CX"); }),
            "format 'CX': letter 'X' is unknown, expected B, T, S and C");
  EXPECT_EQ(message([] { ParseAxes("CC"); }), "format 'CC': C stands twice, expected at most once");
  EXPECT_EQ(message([] { ParseAxes("SBS"); }), "axes 'SBS': S stands twice, expected at most once");
  EXPECT_EQ(message([] { ParseAxes(""); }), "axes '': no letter, expected some of B, T, S and C");
  EXPECT_EQ(ParseAxes("SBC"), kB | kS | kC);
}

// A problem's parameters as they are stored in `dtype`, and as the kernels are to see them.
struct Stored {
  Stored(const Problem& p, DType dtype, double added)
      : gamma(Values(p.gamma, p.gamma_tensor.layout(), dtype)),
        beta(Values(p.beta, p.beta_tensor.layout(), dtype)) {
    for (double& value : gamma.values) value += added;
    const DType seen = ParameterDType(p.test.dtype);
    gamma_seen = cases::MakeTensor(p.gamma_tensor.layout(), seen, gamma.values);
    beta_seen = cases::MakeTensor(p.beta_tensor.layout(), seen, beta.values);
  }

  struct Values {
    Values(const std::vector<double>& from, const Layout& layout, DType dtype)
        : values(from), tensor(cases::MakeTensor(layout, dtype, values)) {}
    std::vector<double> values;
    Tensor tensor;
  };
  Values gamma, beta;
  Tensor gamma_seen, beta_seen;
};

// The bits are those of arrays that were converted before; the gradients those of f32 (f64) in the
// parameters' type.
void ExpectConverted(const Case& test, DType of, bool plus_one) {
  const DType dtype = test.dtype;
  const Problem p(test);
  const Stored stored(p, of, plus_one ? 1 : 0);
  const NormOptions options{.parameter_dtype = of, .scale_plus_one = plus_one};
  const auto seen = ForwardTraining(test.spec, p.x_tensor, &stored.gamma_seen, &stored.beta_seen);
  const auto got =
      ForwardTraining(test.spec, p.x_tensor, &stored.gamma.tensor, &stored.beta.tensor, options);
  ASSERT_EQ(cases::ToDoubles(got.y), cases::ToDoubles(seen.y)) << test.ToString();
  const NormGradients expected =
      Backward(test.spec, p.x_tensor, &stored.gamma_seen, &stored.beta_seen, p.dy_tensor, seen);
  const NormGradients gradients = Backward(test.spec, p.x_tensor, &stored.gamma.tensor,
                                           &stored.beta.tensor, p.dy_tensor, got, options);
  ASSERT_EQ(cases::ToDoubles(gradients.dx), cases::ToDoubles(expected.dx));
  for (auto part : {&NormGradients::dgamma, &NormGradients::dbeta}) {
    const Tensor& sums = expected.*part;
    ASSERT_EQ((gradients.*part).dtype(), of);
    // Of f64 sums that become f32 only, bits beyond f32 are not known here.
    if (dtype != DType::kF64 && of == DType::kF64) continue;
    std::vector<double> rounded = cases::ToDoubles(sums);
    cases::MakeTensor(sums.layout(), of, rounded);
    ASSERT_EQ(cases::ToDoubles(gradients.*part), rounded) << test.ToString();
  }
}

TEST(Parameters, OfAnyTypeAndOneMore) {
  for (const DType dtype : cases::kDTypes)
    for (const DType of : cases::kDTypes)
      for (const bool plus_one : {false, true})
        for (const Case& test : cases::AllCases(dtype, {.b = 2, .t = 3, .s = 3, .c = 12}))
          ExpectConverted(test, of, plus_one);
}

// More than are converted to or from f64 at a time.
TEST(Parameters, ManyOfAnyType) {
  for (const DType dtype : {DType::kF32, DType::kF64})
    for (const DType of : {DType::kF64, DType::kBF16})
      for (const Case& test : cases::AllCases(dtype, {.b = 2, .t = 1, .s = 1, .c = 300}))
        ExpectConverted(test, of, /*plus_one=*/true);
}

// What `gamma` and `beta` give, gradients wanted or not.
std::string ResultsOf(const Problem& p, const NormOptions& options, const void* gamma,
                      const void* beta) {
  const Case& test = p.test;
  const Normalization norm(test.spec, test.layout, test.dtype, options);
  Tensor y(test.layout, test.dtype), inferred = y.Clone();
  std::vector<double> mean(static_cast<size_t>(norm.num_statistics())), rstd(mean);
  const Tensor given = Tensor(Layout({{kC, norm.num_statistics()}}), ParameterDType(test.dtype));
  norm.ForwardTraining(p.x_tensor.data(), gamma, beta, y.data(), {mean.data(), rstd.data()});
  norm.ForwardInference(p.x_tensor.data(), gamma, beta, given.data(), given.data(),
                        inferred.data());
  const auto bytes = [](const Tensor& tensor) {
    return std::string(static_cast<const char*>(tensor.data()), tensor.bytes());
  };
  std::string results = bytes(y) + bytes(inferred), dx_of[2];
  for (const bool wanted : {true, false})
    for (const bool with_dx : {true, false}) {
      Tensor dx(test.layout, test.dtype);
      Tensor dgamma = p.gamma_tensor.Clone(), dbeta = dgamma.Clone();
      Normalization::BackwardArgs args{.x = p.x_tensor.data(),
                                       .dy = p.dy_tensor.data(),
                                       .gamma = gamma,
                                       .beta = beta,
                                       .mean = mean.data(),
                                       .rstd = rstd.data(),
                                       .dx = with_dx ? dx.data() : nullptr,
                                       .dgamma = wanted ? dgamma.data() : nullptr,
                                       .dbeta = wanted ? dbeta.data() : nullptr};
      args.y = y.data();
      norm.Backward(args);
      results += bytes(dgamma) + bytes(dbeta);
      if (with_dx) dx_of[wanted] = bytes(dx);
    }
  EXPECT_EQ(dx_of[0], dx_of[1]) << test.ToString();
  return results + dx_of[0];
}

// Copies too large to be kept: those of the first leaf of a tree are those of the next.
TEST(Parameters, ManyOfATree) {
  constexpr auto kChannels = static_cast<int64_t>(kKeptScratchBytes / sizeof(float)) + 1;
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{2, kChannels});
  std::vector<uint16_t> x(2 * kChannels), gamma(kChannels, 0x3f80);  // bf16: 1
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint16_t>(0x3f80 + i % 64);
  SetNumThreads(1);
  const auto y_of = [&](bool tree) {
    const Normalization norm(kLayerNorm, layout, DType::kBF16,
                             {.parameter_dtype = DType::kBF16, .tree = tree});
    std::vector<uint16_t> y(x.size());
    norm.ForwardTraining({.x = x.data(), .gamma = gamma.data(), .y = y.data()});
    return y;
  };
  EXPECT_TRUE(y_of(true) == y_of(false));
  SetNumThreads(0);
}

// Null has the bits of ones and zeros, also where no array of those is made.
TEST(Parameters, NullIsOnesAndZeros) {
  struct Kind {
    NormSpec spec;
    const char* format;
    std::vector<int64_t> shape;
    int64_t groups = 0;
  };
  const Kind kinds[] = {
      {kLayerNorm, "BC", {1, 200'001}},        {kRmsNorm, "BC", {3, 140'000}},
      {kLayerNorm, "BC", {20, 70'003}},        {kLayerNorm, "BC", {2, 270'000}},
      {kBatchNorm, "BC", {1, 300'000}},        {kBatchNorm, "BC", {3, 100'001}},
      {kGroupNorm, "BC", {2, 140'000}, 2},     {kGroupNorm, "BC", {1, 99'000}, 9000},
      {kLayerNorm, "BCS", {1, 70'000, 3}},     {kRmsNorm, "BCS", {2, 70'000, 5}},
      {kBatchNorm, "BCS", {2, 70'000, 3}},     {kLayerNorm, "BC", {70, 33}},
      {kLayerNorm, "BC", {33, 768}},           {kBatchNorm, "BCS", {5, 18, 7}},
      {kGroupNorm, "BSC", {5, 7, 18}, 3},      {kLayerNorm, "TBC", {2, 3, 70'001}},
      {kGroupNorm, "BCS", {1, 140'000, 2}, 2}, {kLayerNorm, "BCS", {2, 70'001, 5}}};
  size_t turn = 0;
  for (const Kind& kind : kinds)
    for (const DType dtype : cases::kDTypes) {
      const Layout layout = Layout::Make(kind.format, kind.shape);
      const Problem p({kind.spec, kind.groups ? layout.SplitChannels(kind.groups) : layout, dtype});
      std::vector<double> of_ones(p.gamma.size(), 1), of_zeros(p.gamma.size(), 0);
      const DType type = ParameterDType(dtype);
      const Tensor ones = cases::MakeTensor(p.gamma_tensor.layout(), type, of_ones);
      const Tensor zeros = cases::MakeTensor(p.gamma_tensor.layout(), type, of_zeros);
      constexpr size_t kOthers = std::size(cases::kActivations) - 1;
      for (const Activation activation :
           {Activation::kNone, cases::kActivations[1 + turn++ % kOthers]})
        for (const bool gamma : {false, true})
          for (const bool beta : {false, true}) {
            if (gamma && beta) continue;
            SetNumThreads(gamma == beta ? 1 : 2);
            const NormOptions options = cases::WithActivation(activation);
            const void* of_gamma = gamma ? p.gamma_tensor.data() : nullptr;
            const void* of_beta = beta ? p.beta_tensor.data() : nullptr;
            // Not EXPECT_EQ, which takes gigabytes to say where megabytes differ.
            EXPECT_TRUE(ResultsOf(p, options, of_gamma, of_beta) ==
                        ResultsOf(p, options, gamma ? of_gamma : ones.data(),
                                  beta ? of_beta : zeros.data()))
                << p.test.ToString();
          }
    }
  SetNumThreads(0);
}

// In parts, and put together: the same bits.
TEST(Parameters, InHalves) {
  const Case test{kBatchNorm, Layout::Make("BCS", std::vector<int64_t>{20, 3, 4})};
  const Problem p(test);
  const Stored stored(p, DType::kBF16, 1);
  const NormOptions options{.parameter_dtype = DType::kBF16, .scale_plus_one = true, .tree = true};
  const Normalization norm(test.spec, test.layout, DType::kF32, options);
  const NormResult seen =
      ForwardTraining(test.spec, p.x_tensor, &stored.gamma_seen, &stored.beta_seen, {.tree = true});
  Tensor y(test.layout, DType::kF32), dx(test.layout, DType::kF32);
  norm.Apply(norm.whole(), {.x = p.x_tensor.data(),
                            .gamma = stored.gamma.tensor.data(),
                            .beta = stored.beta.tensor.data(),
                            .y = y.data(),
                            .saved = {const_cast<double*>(seen.mean.data()),
                                      const_cast<double*>(seen.rstd.data())}});
  EXPECT_EQ(cases::ToDoubles(y), cases::ToDoubles(seen.y));
  auto args = p.BackwardArgs(seen);
  args.gamma = stored.gamma.tensor.data(), args.beta = stored.beta.tensor.data();
  std::vector<BFloat16> dgamma(3);
  args.dx = dx.data(), args.dgamma = dgamma.data();
  std::vector<double> sums(static_cast<size_t>(norm.num_leaves(norm.whole()) * norm.num_sums()));
  norm.GatherGradient(norm.whole(), args, sums);
  norm.Join(sums);
  norm.ApplyGradient(norm.whole(), args,
                     std::span(sums).first(static_cast<size_t>(norm.num_sums())));
  const NormGradients expected = Backward(test.spec, p.x_tensor, &stored.gamma_seen,
                                          &stored.beta_seen, p.dy_tensor, seen, {.tree = true});
  EXPECT_EQ(cases::ToDoubles(dx), cases::ToDoubles(expected.dx));
  std::vector<double> rounded = cases::ToDoubles(expected.dgamma);
  cases::MakeTensor(expected.dgamma.layout(), DType::kBF16, rounded);
  for (size_t c = 0; c < 3; ++c) EXPECT_EQ(ToFloat(dgamma[c]), rounded[c]);
}

TEST(Parameters, AccumulateInTheirType) {
  std::vector<double> old = {1, -2, 3}, sums = {0.25, 0.5, 300};
  for (const DType dtype : cases::kDTypes) {
    Tensor tensor = cases::MakeTensor(Layout::Make("C", std::vector<int64_t>{3}), dtype, old);
    AddOrStore(sums, dtype, /*add=*/true, tensor.data());
    const double third = dtype == DType::kBF16 ? 304 : 303;  // 8 bits
    EXPECT_THAT(cases::ToDoubles(tensor), testing::ElementsAre(1.25, -1.5, third)) << Name(dtype);
    AddOrStore(sums, dtype, /*add=*/false, tensor.data());
    EXPECT_THAT(cases::ToDoubles(tensor), testing::ElementsAre(0.25, 0.5, 300)) << Name(dtype);
  }
}

// Null is gamma = 1 however it is stored; from y, 1 + gamma = 0 is what cannot be divided by.
TEST(Parameters, NullAndZeroOfOneMore) {
  const Case test{kBatchNorm, Layout::Make("BC", std::vector<int64_t>{6, 2})};
  const Problem p(test);
  const NormOptions options{.scale_plus_one = true};
  const auto plain = ForwardTraining(test.spec, p.x_tensor, nullptr, nullptr);
  EXPECT_EQ(cases::ToDoubles(ForwardTraining(test.spec, p.x_tensor, nullptr, nullptr, options).y),
            cases::ToDoubles(plain.y));
  std::vector<double> values = {0.5, -1};
  const Tensor gamma = cases::MakeTensor(p.gamma_tensor.layout(), DType::kF32, values);
  auto args = p.BackwardArgs(plain);
  args.y = std::exchange(args.x, nullptr), args.gamma = gamma.data();
  const Normalization norm(test.spec, test.layout, DType::kF32, options);
  try {
    norm.Backward(args);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                testing::HasSubstr("backward from y with 1 + gamma = 0 in channel 1"));
  }
}

}  // namespace
}  // namespace normkit
