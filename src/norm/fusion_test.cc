// What is fused with a normalization, against the same one after the other.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "normkit/core/threads.h"
#include "src/core/testing.h"
#include "src/norm/activation_cases.h"
#include "src/norm/case_bounds.h"
#include "src/norm/made_norm.h"

namespace normkit {
namespace {

using cases::Case;
using cases::kSlope;
using cases::Problem;

// Every format once, and arrays large enough for threads, stores past the caches, and each path.
std::vector<Case> SmallAndLarge(DType dtype) {
  std::vector<Case> result = cases::AllCases(dtype, {.b = 2, .t = 3, .s = 5, .c = 18});
  if (dtype != DType::kF32) return result;
  for (const NormSpec& spec : {kBatchNorm, kLayerNorm, kInstanceNorm, kRmsNorm})
    for (const char* format : {"BCS", "BSC"})
      for (const auto& shape : {std::vector<int64_t>{2, 300, 1003}, {40, 98, 150}})
        result.push_back({spec, Layout::Make(format, shape), dtype});
  for (const int64_t n : {16, 32})  // rows that are whole vectors
    result.push_back({kLayerNorm, Layout::Make("BC", std::vector<int64_t>{70, n}), dtype});
  return result;
}

// f(a, b) of every element, rounded to the dtype of the tensors.
template <class F>
Tensor Map(const Tensor& a, const Tensor& b, const F& f) {
  const auto x = cases::ToDoubles(a), y = cases::ToDoubles(b);
  std::vector<double> values(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    values[i] = f(x[i], y[i]);
    if (a.dtype() != DType::kF64) values[i] = static_cast<float>(values[i]);
  }
  return cases::MakeTensor(a.layout(), a.dtype(), values);
}

bool SameBits(const Tensor& a, const Tensor& b) {
  return std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

struct Fixture : cases::MadeNorm {
  using MadeNorm::MadeNorm;

  Gradients Backward(const Tensor& dy, const void* y, void* daddend, bool in_place = false) {
    Gradients g = MakeGradients();
    if (in_place) g.dx = dy.Clone();
    Normalization::BackwardArgs args = BackwardArgs(in_place ? g.dx : dy, g);
    args.y = y;
    args.daddend = daddend;
    norm.Backward(args);
    return g;
  }
};

class Fusion : public testing::TestWithParam<DType> {
 protected:
  void SetUp() override { SetNumThreads(2); }
  void TearDown() override { SetNumThreads(0); }
};
INSTANTIATE_TEST_SUITE_P(Norm, Fusion, testing::ValuesIn(cases::kDTypes),
                         [](const auto& dtype) { return std::string(Name(dtype.param)); });

TEST_P(Fusion, ForwardWithAnAddendAndAnActivation) {
  for (const Case& test : SmallAndLarge(GetParam())) {
    const Problem p(test);
    Fixture plain(p, {});
    const Tensor y = plain.Forward(nullptr);
    for (const Activation activation :
         {Activation::kNone, Activation::kRelu, Activation::kLeakyRelu, Activation::kGelu}) {
      for (const bool with_addend : {false, true}) {
        Fixture fused(p, {.activation = activation, .negative_slope = kSlope});
        const Tensor got = fused.Forward(with_addend ? p.dy_tensor.data() : nullptr);
        const Tensor expected = Map(y, p.dy_tensor, [&](double a, double b) {
          const double z = with_addend ? a + b : a;
          return cases::ExactlyActivated<double>(
              activation, GetParam() == DType::kF64 ? z : static_cast<float>(z));
        });
        const std::string what = fmt::format("{}, activation {}, addend {}", test.ToString(),
                                             static_cast<int>(activation), with_addend);
        const bool exact = activation != Activation::kGelu && SizeOf(GetParam()) > 2;
        if (exact) {
          ASSERT_TRUE(SameBits(got, expected)) << what;
          continue;
        }
        // GELU has its own error; narrow types are rounded once instead of twice.
        const auto a = cases::ToDoubles(got), b = cases::ToDoubles(expected);
        const auto before = cases::ToDoubles(y);
        for (size_t i = 0; i < a.size(); ++i)
          ASSERT_NEAR(
              a[i], b[i],
              4 * cases::UnitRoundoff(GetParam()) * (1 + std::abs(before[i]) + std::abs(p.dy[i])) +
                  3 * cases::StorageError(GetParam(), b[i]) +
                  2 * cases::StorageError(GetParam(), before[i]))
              << what;
      }
    }
  }
}

TEST_P(Fusion, ResidualBeforeGivesTheSumAndItsNormalization) {
  for (const Case& test : SmallAndLarge(GetParam())) {
    const Problem p(test);
    const Tensor expected_sum =
        Map(p.x_tensor, p.dy_tensor, [](double a, double b) { return a + b; });
    for (const Activation activation : {Activation::kNone, Activation::kRelu}) {
      Fixture plain(p, {.activation = activation});
      const Tensor expected = plain.Forward(nullptr, &expected_sum);
      for (const bool in_place : {false, true}) {
        Fixture fused(p, {.activation = activation});
        Tensor x = p.x_tensor.Clone(), separate = fused.Like(), y = fused.Like();
        Tensor& sum = in_place ? x : separate;
        fused.norm.ForwardTraining({.x = x.data(),
                                    .gamma = p.gamma_tensor.data(),
                                    .beta = p.beta_tensor.data(),
                                    .y = y.data(),
                                    .saved = {fused.mean.data(), fused.rstd.data()},
                                    .residual = p.dy_tensor.data(),
                                    .sum = sum.data()});
        ASSERT_TRUE(SameBits(sum, expected_sum)) << test.ToString();
        ASSERT_TRUE(SameBits(y, expected)) << test.ToString();
        ASSERT_EQ(fused.mean, plain.mean) << test.ToString();
      }
    }
  }
}

TEST_P(Fusion, BackwardFromWhatTheActivationWrote) {
  for (const Case& test : SmallAndLarge(GetParam())) {
    const Problem p(test);
    Fixture plain(p, {});
    plain.Forward(nullptr);
    for (const Activation activation :
         {Activation::kNone, Activation::kRelu, Activation::kLeakyRelu}) {
      Fixture fused(p, {.activation = activation, .negative_slope = kSlope});
      const Tensor y = fused.Forward(p.dy_tensor.data());
      const Tensor dz = Map(p.dy_tensor, y, [&](double dy, double activated) {
        if (activation == Activation::kNone || activated > 0) return dy;
        return activation == Activation::kRelu ? 0 : dy * kSlope;
      });
      const auto expected = plain.Backward(dz, nullptr, nullptr);
      Tensor daddend = fused.Like();
      const std::string what =
          fmt::format("{}, activation {}", test.ToString(), static_cast<int>(activation));
      for (const bool wanted : {true, false}) {
        for (const bool in_place : {false, true}) {
          if (!wanted && activation == Activation::kNone) continue;
          const auto got =
              fused.Backward(p.dy_tensor, y.data(), wanted ? daddend.data() : nullptr, in_place);
          ASSERT_TRUE(SameBits(got.dx, expected.dx)) << what;
          ASSERT_TRUE(SameBits(got.dgamma, expected.dgamma)) << what;
          ASSERT_TRUE(SameBits(got.dbeta, expected.dbeta)) << what;
        }
      }
      ASSERT_TRUE(SameBits(daddend, dz)) << what;
    }
  }
}

TEST(FusionErrors, SayWhatIsMissing) {
  const Problem p({kBatchNorm, Layout::Make("BC", std::vector<int64_t>{4, 3})});
  const Tensor& x = p.x_tensor;
  Tensor y(x.layout());
  const Normalization::BackwardArgs args{
      .x = x.data(), .dy = x.data(), .mean = p.x.data(), .rstd = p.x.data()};
  EXPECT_EQ(
      ErrorOf([&] { Fixture(p, {.activation = Activation::kLeakyRelu}).norm.Backward(args); }),
      "batch normalization of BC [4,3]: y is null, expected an array of 12 f32 elements");
  // What was added is not in x.
  Normalization::BackwardArgs added = args;
  added.addend = x.data();
  EXPECT_EQ(ErrorOf([&] { Fixture(p, {.activation = Activation::kRelu}).norm.Backward(added); }),
            "batch normalization of BC [4,3]: y is null, expected an array of 12 f32 elements");
  EXPECT_EQ(ErrorOf([&] { Fixture(p, {.activation = Activation::kRelu}).norm.Backward(args); }),
            "no error");
  EXPECT_EQ(
      ErrorOf([&] {
        Fixture(p, {}).norm.ForwardTraining({.x = x.data(), .y = y.data(), .residual = x.data()});
      }),
      "batch normalization of BC [4,3]: sum is null, expected an array of 12 f32 elements");
  EXPECT_EQ(ErrorOf([&] { Fixture(p, {.negative_slope = -1}); }),
            "batch normalization: negative_slope is -1, expected a finite number >= 0");
}

}  // namespace
}  // namespace normkit
