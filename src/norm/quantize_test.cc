// y in 8 bits: what quantizing y of the dtype gives, to the bit, in every kernel.
#include "src/norm/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cfenv>
#include <cmath>
#include <numeric>
#include <tuple>

#include "src/core/testing.h"
#include "src/norm/case_data.h"
#include "src/norm/cpu/wanted_schedule.h"
#include "src/norm/plan.h"
#include "src/norm/slabs.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;

// What an e4m3 code stands for.
double Float8(int code) {
  const int exponent = code >> 3 & 15, fraction = code & 7;
  if (exponent == 15 && fraction == 7) return std::numeric_limits<double>::quiet_NaN();
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
  return code & 0x80 ? -magnitude : magnitude;
}

// The code nearest to v, of two as near the even one.
uint8_t NearestFloat8(double v) {
  if (std::isnan(v)) return std::signbit(v) ? 0xff : 0x7f;
  int best = 0;
  for (int code = 0; code < 0x7f; ++code) {
    const double off = std::abs(Float8(code) - std::abs(v));
    const double least = std::abs(Float8(best) - std::abs(v));
    if (off < least || (off == least && code % 2 == 0)) best = code;
  }
  if (std::abs(v) >= 448) best = 0x7e;
  return static_cast<uint8_t>(best | (std::signbit(v) ? 0x80 : 0));
}

TEST(Float8Test, IsTheNearest) {
  std::vector<float> values{0.0f,      -0.0f,      448,     464,      465,      1e30f,  -1e30f,
                            HUGE_VALF, -HUGE_VALF, 0x1p-9f, 0x1p-10f, 0x3p-11f, 0x1p-6f};
  for (int code = 0; code < 0x7e; ++code) {
    const auto here = static_cast<float>(Float8(code)), next = static_cast<float>(Float8(code + 1));
    const float middle = (here + next) / 2;
    for (const float v : {here, middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e9f)})
      values.insert(values.end(), {v, -v});
  }
  for (const float v : values) {
    EXPECT_EQ(ToFloat8(v), NearestFloat8(static_cast<double>(v))) << v;
    EXPECT_EQ(ToFloat8(static_cast<double>(v)), ToFloat8(v)) << v;
  }
  // Halves in f32 that are none in f64.
  EXPECT_EQ(ToFloat8(17.0 + 0x1p-40), NearestFloat8(18));
  EXPECT_EQ(ToFloat8(17.0 - 0x1p-40), NearestFloat8(16));
  EXPECT_EQ(ToFloat8(std::numeric_limits<float>::quiet_NaN()), 0x7f);
}

// The oracle, of y as it is stored; in the arithmetic's type.
template <class R>
std::vector<int> Quantized(const std::vector<double>& y, const NormOptions& options,
                           const std::vector<int64_t>& stat, std::vector<float>* scales) {
  std::vector<R> largest(scales->size());
  for (size_t i = 0; i < y.size(); ++i) {
    R& most = largest[static_cast<size_t>(stat[i])];
    most = std::max(most, static_cast<R>(std::abs(y[i])));
  }
  for (size_t s = 0; s < largest.size(); ++s)
    (*scales)[s] = largest[s] == 0 ? 1.0f : static_cast<float>(largest[s] / 127);
  std::vector<int> result;
  for (size_t i = 0; i < y.size(); ++i) {
    const bool own = options.output == OutputType::kInt8PerStatistic;
    const auto scale = own ? static_cast<R>((*scales)[static_cast<size_t>(stat[i])])
                           : static_cast<R>(options.output_scale);
    const R quotient = static_cast<R>(y[i]) / scale;
    if (options.output == OutputType::kFloat8E4M3) {
      result.push_back(NearestFloat8(static_cast<double>(quotient)));
      continue;
    }
    const double least = options.output == OutputType::kUint8 ? 0 : -128;
    const double rounded = std::nearbyint(static_cast<double>(quotient));
    result.push_back(
        static_cast<int>(std::clamp(rounded + options.output_zero_point, least, least + 255)));
  }
  return result;
}

// What a call gives: y, as whole numbers, and what it sums up.
struct Result {
  std::vector<double> y, sum;
  std::vector<int> quantized;
  std::vector<float> scales;
};

// Which arrays a call has beside x and y.
struct With {
  bool given;  // statistics
  bool residual, gate;
};

Result Call(const Problem& p, const NormOptions& options, const With& with) {
  const Normalization norm(p.test.spec, p.test.layout, p.test.dtype, options);
  const bool narrow = options.output != OutputType::kSame;
  Tensor y(p.test.layout, narrow ? DType::kU8 : p.test.dtype), sum(p.test.layout, p.test.dtype);
  // In place of x where there is no gate.
  const bool in_place = with.residual && !with.gate;
  std::vector<double> x = p.x;
  if (in_place) sum = cases::MakeTensor(p.test.layout, p.test.dtype, x);
  Result result;
  result.scales.resize(options.output == OutputType::kInt8PerStatistic
                           ? static_cast<size_t>(norm.num_statistics())
                           : 0);
  const Normalization::ForwardArgs args{.x = in_place ? sum.data() : p.x_tensor.data(),
                                        .gamma = p.gamma_tensor.data(),
                                        .beta = p.beta_tensor.data(),
                                        .y = y.data(),
                                        .residual = with.residual ? p.dy_tensor.data() : nullptr,
                                        .sum = with.residual ? sum.data() : nullptr,
                                        .gate = with.gate ? p.dy_tensor.data() : nullptr,
                                        .scales = result.scales.data()};
  if (with.given) {
    const auto n = static_cast<size_t>(norm.num_statistics());
    const std::vector<float> mean(n, 2.5f), variance(n, 3.5f);
    const std::vector<double> mean_f64(n, 2.5), variance_f64(n, 3.5);
    const bool f64 = p.test.dtype == DType::kF64;
    norm.ForwardInference(args, f64 ? static_cast<const void*>(mean_f64.data()) : mean.data(),
                          f64 ? static_cast<const void*>(variance_f64.data()) : variance.data());
  } else {
    norm.ForwardTraining(args);
  }
  if (with.residual) result.sum = cases::ToDoubles(sum);
  if (!narrow) result.y = cases::ToDoubles(y);
  for (const uint8_t value : narrow ? y.values<uint8_t>() : std::span<uint8_t>())
    result.quantized.push_back(options.output == OutputType::kInt8 ||
                                       options.output == OutputType::kInt8PerStatistic
                                   ? static_cast<int8_t>(value)
                                   : value);
  return result;
}

std::vector<Case> CasesFor(DType dtype) {
  std::vector<Case> cases = cases::AllCases(dtype, {.b = 3, .t = 4, .s = 5, .c = 8});
  for (Case& test : cases::CustomCases(dtype)) cases.push_back(test);
  const auto add = [&](const NormSpec& spec, const char* format, std::vector<int64_t> shape) {
    cases.push_back({spec, Layout::Make(format, shape), dtype});
  };
  add(kLayerNorm, "BC", {70, 300});
  add(kRmsNorm, "BC", {3, 20'011});
  add(kLayerNorm, "BC", {2, (1 << 16) + 17});  // scales are found before y is written
  add(kInstanceNorm, "BCS", {2, 3, 9'000});
  add(kBatchNorm, "BSC", {30, 20, 40});
  return cases;
}

class QuantizeTest : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Norm, QuantizeTest, testing::ValuesIn(cases::kDTypes),
                         [](const auto& dtype) { return std::string(Name(dtype.param)); });

// On other targets and threads: table_test.cc.
TEST_P(QuantizeTest, GivesWhatTheSeparateOperationsGive) {
  int with_scales = 0;
  for (const Case& row : CasesFor(GetParam())) {
    const Problem p(row);
    const auto stat = reference::IndexOver(row.layout, static_cast<Dims>(~row.spec.reduce));
    for (const With with : {With{false, true, true},
                            {true, true, true},
                            {false, false, false},
                            {false, true, false},
                            {true, true, false}}) {
      const Result plain = Call(p, {}, with);
      for (const Case& test : cases::EachOutput(row)) {
        const NormOptions options = test.Options();
        const bool own = test.output == OutputType::kInt8PerStatistic;
        const Plan plan = MakePlan(test.layout, static_cast<Dims>(~test.spec.reduce), 0);
        std::vector<float> scales(static_cast<size_t>(plan.num_stat));
        const std::vector<int> expected = GetParam() == DType::kF64
                                              ? Quantized<double>(plain.y, options, stat, &scales)
                                              : Quantized<float>(plain.y, options, stat, &scales);
        const Result got = Call(p, options, with);
        ASSERT_EQ(got.quantized, expected)
            << test.ToString() << ", given " << with.given << ", residual " << with.residual
            << ", gate " << with.gate;
        ASSERT_EQ(got.sum, plain.sum) << test.ToString();
        if (own) {
          ASSERT_EQ(got.scales, scales) << test.ToString();
        }
        with_scales += own;
      }
    }
  }
  EXPECT_GT(with_scales, 40);
}

// Rows of one element, and channels of one observation: a scale for each element.
TEST_P(QuantizeTest, OfOneElement) {
  for (const auto& [spec, format, shape] :
       {std::tuple{kLayerNorm, "BC", std::vector<int64_t>{63, 1}},
        {kRmsNorm, "BC", {63, 1}},
        {kBatchNorm, "BCS", {1, 5'000, 1}}}) {
    const Case test{spec, Layout::Make(format, shape), GetParam()};
    const Problem p(test);
    std::vector<int64_t> stat(p.x.size());
    std::iota(stat.begin(), stat.end(), 0);
    NormOptions options;
    options.output = OutputType::kInt8PerStatistic;
    for (const With with : {With{false, true, true}, {true, true, true}, {false, false, false}}) {
      const Result plain = Call(p, {}, with);
      std::vector<float> scales(stat.size());
      const std::vector<int> expected = GetParam() == DType::kF64
                                            ? Quantized<double>(plain.y, options, stat, &scales)
                                            : Quantized<float>(plain.y, options, stat, &scales);
      const Result got = Call(p, options, with);
      ASSERT_EQ(got.quantized, expected) << test.ToString();
      ASSERT_EQ(got.scales, scales) << test.ToString();
    }
  }
}

// Slabs write numbers and scales where those of the whole are, in one piece or row by row.
TEST_P(QuantizeTest, SlabsGiveTheSameBits) {
  for (const auto& [spec, format, shape] :
       {std::tuple{kBatchNorm, "BC", std::vector<int64_t>{3, 701}},
        {kBatchNorm, "BCS", {1, 701, 1}},
        {kInstanceNorm, "BCS", {43, 5, 3}},
        {kInstanceNorm, "BSC", {41, 3, 70}},
        {kLayerNorm, "BC", {301, 4}},
        {kRmsNorm, "BC", {701, 1}}}) {
    const Case row{spec, Layout::Make(format, shape), GetParam()};
    std::vector<Case> all = cases::EachOutput(row);
    if (shape.back() == 1) all.emplace_back(row).output = OutputType::kInt8PerStatistic;
    for (const Case& test : all) {
      const Problem p(test);
      for (const With with : {With{false, true, false}, {true, false, true}}) {
        const Result expected = Call(p, test.Options(), with);
        const int64_t before = WantSlabsOf(1000);
        const Result got = Call(p, test.Options(), with);
        WantSlabsOf(before);
        ASSERT_EQ(got.quantized, expected.quantized) << test.ToString() << with.given;
        ASSERT_EQ(got.scales, expected.scales) << test.ToString() << with.given;
        ASSERT_EQ(got.sum, expected.sum) << test.ToString() << with.given;
      }
    }
  }
}

// Rows from x to whole numbers past the caches, which begin anywhere in a cache line: what stands
// around them stays.
TEST(Quantize, WholeNumbersPastTheCaches) {
  const NormOptions wanted{
      .output = OutputType::kUint8, .output_scale = 0.02, .output_zero_point = 120};
  for (const std::string& target : simd::AvailableTargets()) {
    ASSERT_TRUE(simd::ForceTarget(target));
    for (const int64_t n : {40, 300, 768, 4'100, 9'000}) {
      const Layout layout = Layout::Make("BC", std::vector<int64_t>{7, n});
      std::vector<double> values = cases::Normals(layout.size(), 1, 3, 2);
      const Tensor x = cases::MakeTensor(layout, DType::kF32, values);
      const Normalization norm(kLayerNorm, layout, DType::kF32, wanted);
      const auto size = static_cast<size_t>(layout.size());
      std::vector<uint8_t> expected(size), around(size + 320, 99);
      norm.ForwardTraining({.x = x.data(), .y = expected.data()});
      for (const size_t at : {64, 65, 100, 127}) {
        std::ranges::fill(around, uint8_t{99});
        uint8_t* y = around.data() - reinterpret_cast<uintptr_t>(around.data()) % 64 + 64 + at;
        norm::cpu::WantSchedule({.stream = true});
        norm.ForwardTraining({.x = x.data(), .y = y});
        norm::cpu::WantSchedule({});
        ASSERT_TRUE(std::equal(expected.begin(), expected.end(), y)) << n << ", " << at << target;
        ASSERT_TRUE(std::all_of(around.data(), y, [](uint8_t v) { return v == 99; }));
        ASSERT_TRUE(std::all_of(y + size, around.data() + around.size(),
                                [](uint8_t v) { return v == 99; }));
      }
    }
  }
  simd::ForceTarget(simd::AvailableTargets().front());
}

// A y whose quotient by the scale, as the arithmetic rounds it, lies exactly in the middle between
// two numbers of 8 bits, and its code, which is the even one's.
struct Half {
  double y, quotient;
  int code;
};

double RoundedTo(DType dtype, double v) {
  std::vector<double> values{v};
  cases::MakeTensor(Layout::Make("C", std::vector<int64_t>{1}), dtype, values);
  return values[0];
}

int CodeOf(OutputType type, double quotient) {
  if (type == OutputType::kFloat8E4M3) return NearestFloat8(quotient);
  const int code = static_cast<int>(std::nearbyint(quotient));
  return type == OutputType::kUint8 ? std::max(0, code) : code;
}

// `missed` of them would get another code by a product with the reciprocal of the scale.
template <class R>
std::vector<Half> HalvesOf(DType dtype, OutputType type, R scale, int* missed) {
  std::vector<double> middles;
  if (type == OutputType::kFloat8E4M3) {
    for (int code = 1; code < 0x7e; ++code)
      middles.push_back((Float8(code) + Float8(code + 1)) / 2);
  } else {
    for (int k = 0; k < (type == OutputType::kUint8 ? 255 : 127); ++k) middles.push_back(k + 0.5);
  }
  std::vector<Half> halves;
  const R inverse = 1 / scale;
  for (const double middle : middles) {
    const R near = static_cast<R>(middle) * scale;
    for (const R v : {std::nextafter(near, R(0)), near, std::nextafter(near, R(1e9))}) {
      const double y = RoundedTo(dtype, static_cast<double>(v));
      const auto quotient = static_cast<double>(static_cast<R>(y) / scale);
      if (quotient != middle) continue;
      const int code = CodeOf(type, middle);
      const auto product = static_cast<double>(static_cast<R>(y) * inverse);
      *missed += code != CodeOf(type, product);
      halves.push_back({y, middle, code});
      halves.push_back({-y, -middle, CodeOf(type, -middle)});
    }
  }
  return halves;
}

// y of rows is what beta says where gamma is 0; the first is the largest that a scale of int8
// leaves.
template <class R>
void ExpectHalvesToEven(DType dtype, OutputType type, R scale, std::vector<Half> halves) {
  const bool own = type == OutputType::kInt8PerStatistic;
  if (own)
    halves.insert(halves.begin(), {RoundedTo(dtype, 127 * static_cast<double>(scale)), 127, 127});
  std::vector<double> y, zeros;
  const size_t elements = std::max<size_t>(150, halves.size());
  for (size_t i = 0; i < elements; ++i)
    y.push_back(halves[i % halves.size()].y), zeros.push_back(0);
  const auto n = static_cast<int64_t>(y.size());
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{2, n});
  const Layout parameters = Layout::Make("C", std::vector<int64_t>{n});
  NormOptions options{.parameter_dtype = dtype, .output = type};
  if (!own) options.output_scale = static_cast<double>(scale);
  const Normalization norm(kLayerNorm, layout, dtype, options);
  std::vector<double> values = cases::Normals(layout.size(), 1, 3, 2);
  const Tensor x = cases::MakeTensor(layout, dtype, values);
  const Tensor beta = cases::MakeTensor(parameters, dtype, y);
  const Tensor gamma = cases::MakeTensor(parameters, dtype, zeros);
  Tensor out(layout, DType::kU8);
  std::vector<float> scales(2);
  norm.ForwardTraining({.x = x.data(),
                        .gamma = gamma.data(),
                        .beta = beta.data(),
                        .y = out.data(),
                        .scales = own ? scales.data() : nullptr});
  if (own) {
    ASSERT_EQ(scales[0], static_cast<float>(scale));
  }
  for (size_t i = 0; i < 2 * y.size(); ++i) {
    const Half& half = halves[i % y.size() % halves.size()];
    ASSERT_EQ(out.values<uint8_t>()[i], static_cast<uint8_t>(half.code))
        << half.y << " / " << scale << " = " << half.quotient << ", " << Name(dtype);
  }
}

template <class R>
void ExpectHalvesToEven(DType dtype) {
  constexpr int kWanted = 50;
  for (const OutputType type : {OutputType::kInt8, OutputType::kUint8,
                                OutputType::kInt8PerStatistic, OutputType::kFloat8E4M3}) {
    int missed = 0;
    Random random(1);
    for (int i = 0; i < 300 && missed <= kWanted; ++i) {
      const double largest = RoundedTo(dtype, 1 + 7 * random.Uniform());
      // Of a middle as a quotient where y has few digits, and what int8 makes of the largest |y|.
      const auto scale = type == OutputType::kInt8PerStatistic
                             ? static_cast<R>(ScaleFor8Bits(static_cast<R>(largest)))
                             : static_cast<R>(static_cast<float>(largest / 10.5));
      const std::vector<Half> halves = HalvesOf(dtype, type, scale, &missed);
      if (!halves.empty()) ExpectHalvesToEven(dtype, type, scale, halves);
    }
    EXPECT_GT(missed, kWanted) << Name(dtype) << ", output type " << static_cast<int>(type);
  }
}

TEST_P(QuantizeTest, HalvesOfQuotientsGoToEven) {
  for (const std::string& target : simd::AvailableTargets()) {
    ASSERT_TRUE(simd::ForceTarget(target));
    GetParam() == DType::kF64 ? ExpectHalvesToEven<double>(GetParam())
                              : ExpectHalvesToEven<float>(GetParam());
  }
  simd::ForceTarget(simd::AvailableTargets().front());
}

TEST(Quantize, NaNAndZeros) {
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{3, 4});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x{1, 2, nan, 4, 5, 5, 5, 5, 1, -1, 1, -1};
  std::vector<int8_t> y(12, 99);
  std::vector<float> scales(3);
  const Normalization rows(kLayerNorm, layout, DType::kF32,
                           {.output = OutputType::kInt8PerStatistic});
  rows.ForwardTraining({.x = x.data(), .y = y.data(), .scales = scales.data()});
  EXPECT_THAT(y, testing::ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 127, -127, 127, -127));
  EXPECT_TRUE(std::isnan(scales[0]));
  EXPECT_EQ(scales[1], 1);
  EXPECT_NEAR(scales[2], 1.0 / 127, 1e-7);
  const Normalization points(
      kLayerNorm, layout, DType::kF32,
      {.output = OutputType::kInt8, .output_scale = 1e-3, .output_zero_point = 7});
  points.ForwardTraining({.x = x.data(), .y = y.data()});
  EXPECT_THAT(y, testing::ElementsAre(7, 7, 7, 7, 7, 7, 7, 7, 127, -128, 127, -128));
}

// Whatever its bits, and what stands beside it stays.
class QuantizeRows : public testing::TestWithParam<size_t> {};

TEST_P(QuantizeRows, NaNAmongOthers) {
  const auto nan = std::bit_cast<float>(0x7fc00055u);
  // Of 300 the last vectors are taken twice, and rows go from x to bytes in one loop.
  const size_t n = GetParam();
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{2, static_cast<int64_t>(n)});
  std::vector<double> values = cases::Normals(layout.size(), 1, 3, 2);
  const Tensor x = cases::MakeTensor(layout, DType::kF32, values);
  const Normalization norm(
      kLayerNorm, layout, DType::kF32,
      {.output = OutputType::kInt8, .output_scale = 0.02, .output_zero_point = 7});
  std::vector<float> beta(n);
  for (const std::string& target : simd::AvailableTargets()) {
    ASSERT_TRUE(simd::ForceTarget(target));
    std::vector<int8_t> expected(2 * n), y(2 * n);
    norm.ForwardTraining({.x = x.data(), .beta = beta.data(), .y = expected.data()});
    for (const size_t i : {size_t{5}, n / 2, n - 1}) {
      std::vector<float> with_nan = beta;
      with_nan[i] = nan;
      norm.ForwardTraining({.x = x.data(), .beta = with_nan.data(), .y = y.data()});
      std::vector<int8_t> all = expected;
      all[i] = all[n + i] = 7;
      ASSERT_EQ(y, all) << target;
    }
  }
  simd::ForceTarget(simd::AvailableTargets().front());
}
INSTANTIATE_TEST_SUITE_P(Widths, QuantizeRows, testing::Values(150, 300));

// How far rows lie apart changes within a group.
TEST(Quantize, OfRowsThatLieApart) {
  for (const int64_t n : {150, 256, 300, 512, 1024})
    for (const NormSpec& spec : {kLayerNormChannelOnly, kRmsNorm}) {
      const Layout layout = Layout::Make("BSSC", std::vector<int64_t>{2, 3, 7, n});
      const Problem p(Case{spec, layout});
      NormOptions options{.output = OutputType::kInt8, .output_scale = 0.02};
      const auto run = [&](const void* x) {
        std::vector<int8_t> y(static_cast<size_t>(layout.size()));
        Normalization(spec, layout, DType::kF32, options)
            .ForwardTraining({.x = x,
                              .gamma = p.gamma_tensor.data(),
                              .beta = p.beta_tensor.data(),
                              .y = y.data()});
        return y;
      };
      const std::vector<int8_t> dense = run(p.x_tensor.data());
      for (const cases::Lie& lie : cases::kLies) {
        options.strides.x = lie.strides(layout, 1);
        cases::StridedMemory x(layout, DType::kF32, options.strides.x, p.x_tensor.data());
        EXPECT_EQ(run(x.data()), dense) << p.test.ToString() << ", " << lie.name;
      }
    }
}

// It is the largest of its statistic, whether that is quantized in one piece or in many.
TEST(Quantize, NaNIsTheLargest) {
  for (const int64_t n : {150, 300'000}) {
    const Layout layout = Layout::Make("BC", std::vector<int64_t>{2, n});
    std::vector<double> values = cases::Normals(2 * n, 1, 3, 2);
    const Tensor x = cases::MakeTensor(layout, DType::kF32, values);
    const Normalization rows(kLayerNorm, layout, DType::kF32,
                             {.output = OutputType::kInt8PerStatistic});
    const auto elements = static_cast<size_t>(n);
    std::vector<float> beta(elements), scales(2);
    beta[elements / 2] = std::numeric_limits<float>::quiet_NaN();
    std::vector<int8_t> y(2 * elements, 99);
    rows.ForwardTraining(
        {.x = x.data(), .beta = beta.data(), .y = y.data(), .scales = scales.data()});
    for (const float scale : scales) EXPECT_TRUE(std::isnan(scale)) << n;
    EXPECT_EQ(y, std::vector<int8_t>(2 * elements)) << n;
  }
}

TEST(Quantize, MessagesName) {
  const Layout rows = Layout::Make("BC", std::vector<int64_t>{3, 4});
  const auto make = [&](const NormOptions& options) {
    return Normalization(kLayerNorm, rows, DType::kF32, options);
  };
  const std::string title = "layer normalization of BC [3,4]: ";
  EXPECT_ERROR(make({.output = OutputType::kInt8, .output_scale = 0}),
               title + "output_scale is 0, expected a finite number above 0");
  EXPECT_ERROR(make({.output = OutputType::kInt8PerStatistic, .output_scale = 2}),
               title + "output_scale is 2, expected 1: nothing is divided by it");
  EXPECT_ERROR(make({.output = OutputType::kUint8, .output_zero_point = -1}),
               title + "output_zero_point is -1, expected a number from 0 to 255");
  EXPECT_ERROR(make({.output_zero_point = 5}),
               title + "output_zero_point is 5, expected 0: there is none");
  EXPECT_ERROR(make({.output = OutputType::kInt8, .tree = true}),
               title + "y in 8 bits and a tree, expected one of them");
  EXPECT_ERROR(make({.output = OutputType::kInt8, .strides = {.y = {8, 1}}}),
               title + "y in 8 bits, expected it dense");
  EXPECT_ERROR(
      Normalization(kBatchNorm, rows, DType::kF32, {.output = OutputType::kInt8PerStatistic}),
      "batch normalization of BC [3,4]: a scale for each statistic, expected statistics of "
      "neighbours in memory, as those of rows (plan RK)");
  std::vector<float> x(12), dx(12);
  std::vector<int8_t> y(12);
  std::vector<double> mean(3), rstd(3);
  const Normalization norm = make({.output = OutputType::kInt8PerStatistic});
  EXPECT_ERROR(norm.ForwardTraining({.x = x.data(), .y = y.data()}),
               title + "scales is null, expected an array of 3 f32 elements");
  EXPECT_ERROR(norm.ForwardInference({.x = x.data(), .y = y.data(), .residual = dx.data()}, nullptr,
                                     nullptr),
               title + "scales is null, expected an array of 3 f32 elements");
  EXPECT_ERROR(norm.Backward({.x = x.data(),
                              .dy = x.data(),
                              .mean = mean.data(),
                              .rstd = rstd.data(),
                              .dx = dx.data()}),
               title + "backward of y in 8 bits, expected a normalization without output type");
  const Normalization fixed = make({.output = OutputType::kInt8});
  EXPECT_ERROR(fixed.ForwardTraining({.x = x.data(), .y = x.data()}),
               title +
                   "y and x overlap, expected arrays apart: the second is read after the first "
                   "is written");
  EXPECT_ERROR(fixed.ForwardInference({.x = x.data(), .y = y.data(), .residual = dx.data()},
                                      nullptr, nullptr),
               title + "sum is null, expected an array of 12 f32 elements");
}

}  // namespace
}  // namespace normkit
