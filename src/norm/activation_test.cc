// Activations behind the normalization, forward and backward: each function against long double,
// then fused with every layer and layout against the same one after the other.
#include "src/norm/activation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "normkit/core/threads.h"
#include "src/core/testing.h"
#include "src/norm/activation_cases.h"
#include "src/norm/case_bounds.h"
#include "src/norm/made_norm.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Case;
using cases::kSmoothActivations;
using cases::Problem;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool SameBits(const Tensor& a, const Tensor& b) {
  return std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

class ActivationTest : public testing::TestWithParam<DType> {
 protected:
  void TearDown() override {
    simd::ForceTarget(simd::AvailableTargets().front());
    SetNumThreads(0);
  }
};
INSTANTIATE_TEST_SUITE_P(Norm, ActivationTest, testing::ValuesIn(cases::kDTypes),
                         [](const auto& dtype) { return std::string(Name(dtype.param)); });

// An activation of z alone: behind a batch normalization with given statistics that changes
// nothing, (z - 0) / sqrt(0.75 + 0.25).
class Alone {
 public:
  Alone(Activation activation, const Layout& layout, DType dtype)
      : layout_({{kB, layout.size()}, {kC, 1}}),
        shape_(layout),
        norm_(kBatchNorm, layout_, dtype, Options(activation)),
        zeros_(layout, dtype) {}

  Tensor Forward(const Tensor& z) const {
    Tensor y(shape_, z.dtype());
    const bool f64 = z.dtype() == DType::kF64;
    const double mean = 0, variance = 0.75;
    const float mean32 = 0, variance32 = 0.75;
    norm_.ForwardInference({.x = z.data(), .y = y.data()}, f64 ? (const void*)&mean : &mean32,
                           f64 ? (const void*)&variance : &variance32);
    return y;
  }
  // What of dy passes.
  Tensor Backward(const Tensor& z, const Tensor& dy) const {
    const double mean = 0, rstd = 1;
    Tensor passed(shape_, z.dtype());
    norm_.Backward({.x = z.data(),
                    .dy = dy.data(),
                    .mean = &mean,
                    .rstd = &rstd,
                    .addend = zeros_.data(),
                    .daddend = passed.data(),
                    .fixed_statistics = true});
    return passed;
  }

 private:
  static NormOptions Options(Activation activation) {
    NormOptions options = cases::WithActivation(activation);
    options.epsilon = 0.25;
    return options;
  }
  Layout layout_, shape_;
  Normalization norm_;
  Tensor zeros_;
};

Tensor Ones(const Layout& layout, DType dtype) {
  std::vector<double> ones(static_cast<size_t>(layout.size()), 1);
  return cases::MakeTensor(layout, dtype, ones);
}

// From far below to far above, close together where activations bend, and next to 0.
std::vector<double> Range() {
  std::vector<double> z;
  for (double v = -110; v < 110; v += 0.37) z.push_back(v);
  for (double v = -20; v < 20; v += 0.0037) z.push_back(v);
  for (double v = 1; v > 1e-30; v *= 0.83) z.insert(z.end(), {v, -v});
  return z;
}

double Worst(const Tensor& got, const std::vector<double>& z, bool scaled,
             const std::function<long double(long double)>& exact) {
  const auto values = cases::ToDoubles(got);
  double worst = 0;
  for (size_t i = 0; i < z.size(); ++i) {
    const auto expected = exact(z[i]);
    const double allowed = cases::StorageError(got.dtype(), static_cast<double>(expected));
    const auto error = static_cast<double>(std::abs(values[i] - expected)) - allowed;
    worst = std::max(worst, error / (scaled ? 1 + std::abs(z[i]) : 1));
    if (std::isnan(values[i])) return kInfinity;
  }
  return worst / cases::UnitRoundoff(got.dtype());
}

TEST_P(ActivationTest, EachKeepsItsBoundOnEveryTarget) {
  std::vector<double> z = Range();
  const Layout layout({{kB, static_cast<int64_t>(z.size())}, {kC, 1}});
  const Tensor z_tensor = cases::MakeTensor(layout, GetParam(), z);
  const Tensor ones = Ones(layout, GetParam());
  for (const Activation activation : kSmoothActivations) {
    const cases::ActivationBound& bound = cases::BoundOf(activation);
    const Alone alone(activation, layout, GetParam());
    const Tensor y = alone.Forward(z_tensor), slope = alone.Backward(z_tensor, ones);
    const double value_error =
        Worst(y, z, true, [&](long double v) { return cases::ExactlyActivated(activation, v); });
    const double slope_error =
        Worst(slope, z, false, [&](long double v) { return cases::ExactSlope(activation, v); });
    EXPECT_LE(value_error, bound.value) << Name(activation);
    EXPECT_LE(slope_error, bound.slope) << Name(activation);
    std::printf("  %s: value %.2f u (1 + |z|), slope %.2f u\n",
                std::string(Name(activation)).c_str(), value_error, slope_error);
    for (const std::string& target : simd::AvailableTargets()) {
      simd::ForceTarget(target);
      EXPECT_TRUE(SameBits(alone.Forward(z_tensor), y)) << Name(activation) << " on " << target;
      EXPECT_TRUE(SameBits(alone.Backward(z_tensor, ones), slope))
          << Name(activation) << " on " << target;
    }
  }
}

// Value and derivative far above and far below: infinities as the largest number does.
struct Ends {
  Activation activation;
  double below, slope_below, slope_above;
};
constexpr Ends kEnds[] = {
    {Activation::kGelu, 0, 0, 1},      {Activation::kGeluTanh, 0, 0, 1},
    {Activation::kSilu, 0, 0, 1},      {Activation::kSigmoid, 0, 0, 0},
    {Activation::kHardSwish, 0, 0, 1}, {Activation::kElu, -cases::kAlpha, 0, 1},
    {Activation::kSoftplus, 0, 0, 1}};

TEST_P(ActivationTest, InfinitiesGiveTheLimitsAndNaNStays) {
  const double largest = GetParam() == DType::kF64   ? 1.7e308
                         : GetParam() == DType::kF16 ? 65504
                                                     : 3.3e38;
  std::vector<double> z = {-kInfinity, -largest, std::nan(""), largest, kInfinity};
  const Layout layout({{kB, static_cast<int64_t>(z.size())}, {kC, 1}});
  const Tensor z_tensor = cases::MakeTensor(layout, GetParam(), z);
  const Tensor ones = Ones(layout, GetParam());
  for (const std::string& target : simd::AvailableTargets()) {
    simd::ForceTarget(target);
    for (const Ends& ends : kEnds) {
      SCOPED_TRACE(fmt::format("{} on {}", Name(ends.activation), target));
      const Alone alone(ends.activation, layout, GetParam());
      const auto y = cases::ToDoubles(alone.Forward(z_tensor));
      const auto slope = cases::ToDoubles(alone.Backward(z_tensor, ones));
      const bool bounded = ends.activation == Activation::kSigmoid;
      for (const size_t i : {0, 1}) {
        EXPECT_EQ(y[i], ends.below) << z[i];
        EXPECT_EQ(slope[i], ends.slope_below) << z[i];
      }
      EXPECT_TRUE(std::isnan(y[2]) && std::isnan(slope[2]));
      for (const size_t i : {3, 4}) {
        EXPECT_EQ(y[i], bounded ? 1 : z[i]) << z[i];
        EXPECT_EQ(slope[i], ends.slope_above) << z[i];
      }
    }
  }
}

// A normalization fused with an activation and perhaps an addend.
struct Fused : cases::MadeNorm {
  using MadeNorm::MadeNorm;

  Gradients Backward(const Tensor& dy, const void* addend, bool with_daddend, bool fixed = false) {
    Gradients g = MakeGradients();
    Normalization::BackwardArgs args = BackwardArgs(dy, g);
    args.addend = addend;
    args.daddend = with_daddend ? g.daddend.data() : nullptr;
    args.fixed_statistics = fixed;
    norm.Backward(args);
    return g;
  }
};

// But for daddend, which not all calls want.
bool Same(const Fused::Gradients& a, const Fused::Gradients& b) {
  return SameBits(a.dx, b.dx) && SameBits(a.dgamma, b.dgamma) && SameBits(a.dbeta, b.dbeta);
}

Tensor Sum(const Tensor& a, const Tensor& b) {
  auto sum = cases::ToDoubles(a);
  const auto more = cases::ToDoubles(b);
  for (size_t i = 0; i < sum.size(); ++i)
    sum[i] = a.dtype() == DType::kF64 ? sum[i] + more[i]
                                      : static_cast<float>(sum[i]) + static_cast<float>(more[i]);
  return cases::MakeTensor(a.layout(), a.dtype(), sum);
}

// Forward gives the bits of the normalization, the sum and the activation one after the other;
// backward those of what passes the activation of the same z, then of the plain backward pass.
void CheckFused(const Case& test, Activation activation, bool with_addend, bool fixed) {
  SCOPED_TRACE(fmt::format("{}, {}, addend {}, fixed {}", test.ToString(), Name(activation),
                           with_addend, fixed));
  const Problem p(test);
  Fused plain(p, {}), fused(p, cases::WithActivation(activation));
  const Tensor addend = p.dy_tensor.Clone();
  const void* added = with_addend ? addend.data() : nullptr;
  Tensor z = plain.Forward(nullptr);
  if (with_addend) z = Sum(z, addend);
  const Alone alone(activation, test.layout, test.dtype);
  const Tensor y = fused.Forward(added);
  const auto got = fused.Backward(p.dy_tensor, added, with_addend, fixed);
  Tensor dz = got.daddend.Clone();  // bf16 and f16: of a z that was never rounded
  if (SizeOf(test.dtype) > 2) {
    ASSERT_TRUE(SameBits(y, alone.Forward(z)));
    dz = alone.Backward(z, p.dy_tensor);
    ASSERT_TRUE(!with_addend || SameBits(got.daddend, dz));
  } else if (!with_addend) {
    return;
  }
  ASSERT_TRUE(Same(got, plain.Backward(dz, nullptr, false, fixed)));
  ASSERT_TRUE(Same(got, fused.Backward(p.dy_tensor, added, false, fixed)));
  if (SizeOf(test.dtype) > 2) return;
  const auto zs = cases::ToDoubles(z), exact_dy = cases::ToDoubles(p.dy_tensor);
  const auto passed = cases::ToDoubles(dz), values = cases::ToDoubles(y);
  for (size_t i = 0; i < zs.size(); ++i) {
    const double jump = activation == Activation::kElu         ? 0
                        : activation == Activation::kHardSwish ? 3
                                                               : kInfinity;  // of the derivative
    const double unit = test.dtype == DType::kBF16 ? 0x1p-8 : 0x1p-11;
    const double off = unit * (3 + 2 * std::abs(zs[i]) + std::abs(exact_dy[i]));
    ASSERT_NEAR(values[i], cases::ExactlyActivated(activation, zs[i]), 2 * off);
    if (std::abs(std::abs(zs[i]) - jump) < 2 * off) continue;
    ASSERT_NEAR(passed[i], exact_dy[i] * cases::ExactSlope(activation, zs[i]),
                2 * off * std::abs(exact_dy[i]) + 1e-7);
  }
}

TEST_P(ActivationTest, FusedWithEveryLayerAndLayout) {
  SetNumThreads(2);
  for (const Case& test : cases::AllCases(GetParam(), {.b = 2, .t = 3, .s = 5, .c = 18}))
    for (const Activation activation : kSmoothActivations)
      for (const bool with_addend : {false, true}) {
        CheckFused(test, activation, with_addend, !with_addend && activation == Activation::kElu);
        if (HasFatalFailure()) return;
      }
}

TEST_P(ActivationTest, FusedWithLargeArrays) {
  SetNumThreads(2);
  std::vector<Case> all = cases::LargeStatisticCases(GetParam());
  for (const NormSpec& spec : {kBatchNorm, kLayerNorm, kInstanceNorm, kRmsNorm})
    for (const char* format : {"BCS", "BSC"})
      for (const auto& shape : {std::vector<int64_t>{2, 200, 503}, {40, 49, 75}})
        all.push_back({spec, Layout::Make(format, shape), GetParam()});
  size_t turn = 0;
  for (const Case& test : all) {
    CheckFused(test, kSmoothActivations[turn % std::size(kSmoothActivations)], turn % 3 != 0,
               turn % 5 == 0);
    ++turn;
    if (HasFatalFailure()) return;
  }
}

TEST(ActivationErrors, SayWhatIsMissing) {
  const Problem p({kBatchNorm, Layout::Make("BC", std::vector<int64_t>{4, 3})});
  const void* x = p.x_tensor.data();
  Tensor daddend = p.x_tensor.Clone();
  const Normalization norm(kBatchNorm, p.test.layout, DType::kF32,
                           {.activation = Activation::kSilu});
  Normalization::BackwardArgs args{.dy = x, .rstd = p.x.data(), .y = x};
  const std::string title = "batch normalization of BC [4,3]: ";
  EXPECT_EQ(ErrorOf([&] { norm.Backward(args); }),
            title + "backward from y with SiLU fused, expected x: it cannot be told from y");
  args.x = x;
  args.mean = p.x.data();
  args.daddend = daddend.data();
  EXPECT_EQ(ErrorOf([&] { norm.Backward(args); }),
            title + "addend is null, expected an array of 12 f32 elements");
  EXPECT_EQ(ErrorOf([&] { Fused(p, {.activation_alpha = kInfinity}); }),
            "batch normalization: activation_alpha is inf, expected a finite number");
}

}  // namespace
}  // namespace normkit
