// The numerics contract: the same bits whatever runs it, error bounds at any mean, defined edges.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>

#include "normkit/core/threads.h"
#include "src/norm/case_bounds.h"
#include "src/norm/choose.h"
#include "src/norm/cpu/geometry.h"
#include "src/norm/cpu/wanted_schedule.h"
#include "src/norm/test_reducers.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;
using norm::cpu::Geometry;
using norm::cpu::WantedSchedule;
using norm::cpu::WantSchedule;

// Everything that a forward and a backward pass give, as bytes.
struct Outcome {
  std::string y, dx, dgamma, dbeta, mean, rstd;
  bool operator==(const Outcome&) const = default;
};

struct RunOptions {
  NormOptions norm = {};
  size_t misalignment = 0;  // elements
  size_t misaligned_bytes = 0;
  bool in_place = false;
  bool fixed_statistics = false;
};

template <class T>
std::string Bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// A copy of a tensor that begins `misalignment` elements behind a cache line, and sees to it that
// nobody writes beside it.
class Buffer {
 public:
  Buffer(const Tensor& tensor, size_t misalignment, size_t bytes = 0)
      : bytes_(tensor.bytes()),
        storage_(bytes_ + 128 + misalignment * SizeOf(tensor.dtype()) + bytes, kUntouched) {
    const auto address = reinterpret_cast<uintptr_t>(storage_.data());
    data_ =
        storage_.data() + (64 - address % 64) % 64 + misalignment * SizeOf(tensor.dtype()) + bytes;
    std::memcpy(data_, tensor.data(), bytes_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    const auto untouched = [](char byte) { return byte == kUntouched; };
    const char* end = storage_.data() + storage_.size();
    EXPECT_TRUE(std::all_of(static_cast<const char*>(storage_.data()),
                            static_cast<const char*>(data_), untouched));
    EXPECT_TRUE(std::all_of(static_cast<const char*>(data_ + bytes_), end, untouched));
  }
  void* data() { return data_; }
  std::string bytes() const { return {static_cast<const char*>(data_), bytes_}; }

 private:
  static constexpr char kUntouched = 0x5a;
  size_t bytes_;
  std::vector<char> storage_;
  char* data_;
};

Outcome RunBoth(const Problem& p, const RunOptions& options = {}) {
  const Normalization norm(p.test.spec, p.test.layout, p.test.dtype, options.norm);
  const auto n = static_cast<size_t>(norm.num_statistics());
  std::vector<double> mean(n), rstd(n);
  const size_t off = options.misalignment, bytes = options.misaligned_bytes;
  Buffer x(p.x_tensor, off, bytes), y(p.x_tensor, off + 3, bytes);
  Buffer dy(p.dy_tensor, off + 1, bytes), dx(p.dy_tensor, off + 5, bytes);
  Buffer dgamma(p.gamma_tensor, 0), dbeta(p.gamma_tensor, 0);
  Buffer* out = options.in_place ? &x : &y;
  norm.ForwardTraining(x.data(), p.gamma_tensor.data(), p.beta_tensor.data(), out->data(),
                       {mean.data(), rstd.data()});
  Buffer again(p.x_tensor, off, bytes);
  Buffer* gradient = options.in_place ? &dy : &dx;
  norm.Backward({.x = again.data(),
                 .dy = dy.data(),
                 .gamma = p.gamma_tensor.data(),
                 .beta = p.beta_tensor.data(),
                 .mean = mean.data(),
                 .rstd = rstd.data(),
                 .dx = gradient->data(),
                 .dgamma = dgamma.data(),
                 .dbeta = dbeta.data(),
                 .fixed_statistics = options.fixed_statistics});
  return {out->bytes(), gradient->bytes(), dgamma.bytes(), dbeta.bytes(), Bytes(mean), Bytes(rstd)};
}

class Targets : public testing::Test {
 protected:
  void TearDown() override {
    simd::ForceTarget(simd::AvailableTargets().front());
    SetNumThreads(0);
  }
};

// Of rows long enough, whatever the L1 cache, to be written some elements at a time: where they are
// cut is no matter either. Of cells long enough to be written one by one.
std::vector<Case> CasesToMove(DType dtype) {
  std::vector<Case> result = cases::AllCases(dtype, {.b = 2, .t = 3, .s = 5, .c = 34});
  const std::vector<int64_t> rows[] = {{7, 16385}, {1, 64}, {70, 16}, {70, 27}, {70, 32}};
  for (const NormSpec& spec : {kLayerNorm, kRmsNorm})
    for (const auto& shape : rows) result.push_back({spec, Layout::Make("BC", shape), dtype});
  const Layout cells = Layout::Make("BCS", std::vector<int64_t>{2, 3, 1030});
  for (const NormSpec& spec : {kInstanceNorm, kBatchNorm}) result.push_back({spec, cells, dtype});
  return result;
}

TEST_F(Targets, NeitherAlignmentNorPlaceShowsInTheBits) {
  SetNumThreads(1);
  for (const std::string& target : simd::AvailableTargets()) {
    simd::ForceTarget(target);
    for (DType dtype : cases::kDTypes) {
      for (const Case& test : CasesToMove(dtype)) {
        const Problem p(test);
        const Outcome expected = RunBoth(p);
        // With 9 the third row of f32 dx begins a cache line, amid rows that are written in turns.
        for (const bool stream : {false, true}) {
          WantSchedule({.stream = stream});
          for (size_t misalignment : {1, 7, 9, 13})
            ASSERT_EQ(RunBoth(p, {.misalignment = misalignment}), expected) << test.ToString();
          ASSERT_EQ(RunBoth(p, {.in_place = true}), expected) << test.ToString() << " in place";
        }
        WantSchedule({});
      }
    }
  }
}

// Large enough that threads are used, stores stream and runs are cut.
std::vector<Case> LargeCases(DType dtype) {
  const cases::Sizes sizes{.b = 8, .t = 12, .s = 40, .c = 48, .groups = 4};
  std::vector<Case> result = cases::AllCases(dtype, sizes);
  std::erase_if(result, [](const Case& c) { return c.layout.size() > 100'000; });
  for (const NormSpec& spec : {kInstanceNorm, kBatchNorm, kLayerNorm})
    for (const char* format : {"BCS", "BSC"})
      result.push_back({spec, Layout::Make(format, std::vector<int64_t>{2, 300, 1003}), dtype});
  for (Case& test : cases::LargeStatisticCases(dtype)) result.push_back(std::move(test));
  return result;
}

// Arrays that begin between elements, some of them large enough for stores past the caches.
TEST_F(Targets, ArraysThatBeginBetweenElements) {
  for (const bool stream : {false, true}) {
    WantSchedule({.stream = stream});
    for (DType dtype : cases::kDTypes) {
      for (const Case& test : CasesToMove(dtype)) {
        const Problem p(test);
        const Outcome expected = RunBoth(p);
        for (size_t bytes = 1; bytes < SizeOf(dtype); ++bytes)
          ASSERT_EQ(RunBoth(p, {.misaligned_bytes = bytes}), expected)
              << test.ToString() << " off by " << bytes << " bytes, stream " << stream;
      }
    }
  }
  WantSchedule({});
}

TEST_F(Targets, AnyNumberOfThreadsGivesTheSameBits) {
  for (DType dtype : {DType::kF32, DType::kBF16}) {
    for (const Case& test : LargeCases(dtype)) {
      const Problem p(test, cases::Normals(test.layout.size(), 5, 100, 3));
      SetNumThreads(1);
      const Outcome expected = RunBoth(p);
      for (int threads : {2, 3, 4, 5, 7, 8}) {
        SetNumThreads(threads);
        ASSERT_EQ(RunBoth(p), expected) << test.ToString() << " on " << threads << " threads";
      }
    }
  }
}

// Small work, again and again: threads that are awake begin to share it.
TEST_F(Targets, CallsInQuickSuccessionGiveTheSameBits) {
  const Layout rows = Layout::Make("BC", std::vector<int64_t>{64, 512});
  const Layout images = Layout::Make("BCSS", std::vector<int64_t>{8, 64, 8, 8});
  for (const Case& test :
       {Case{kLayerNorm, rows, DType::kF32}, Case{kBatchNorm, images, DType::kF32}}) {
    const Problem p(test);
    SetNumThreads(1);
    const Outcome expected = RunBoth(p);
    SetNumThreads(3);
    for (int call = 0; call < 100; ++call) ASSERT_EQ(RunBoth(p), expected) << test.ToString();
  }
}

TEST_F(Targets, FusedPathsHaveTheBitsOfTheOthers) {
  Alone alone;  // a reducer needs all statistics at once
  for (DType dtype : {DType::kF32, DType::kBF16}) {
    for (const Case& test : LargeCases(dtype)) {
      const Problem p(test);
      const Geometry geometry(test.spec, test.layout);
      // Without a reducer layer normalization of BTC has a kernel of its own, and one value is its
      // own mean.
      const bool differs =
          (!geometry.cell_form && !geometry.stat_vector) || geometry.plan.num_reduced == 1;
      const Outcome fused = RunBoth(p), passes = RunBoth(p, {.norm = {.reducer = &alone}});
      ASSERT_TRUE(passes.y == fused.y) << test.ToString();
      ASSERT_TRUE(passes.mean == fused.mean) << test.ToString();
      if (!differs) {
        ASSERT_EQ(passes, fused) << test.ToString();
      }
    }
  }
}

std::vector<WantedSchedule> EverySchedule() {
  std::vector<WantedSchedule> all = {{.threads = true},
                                     {.threads = false},
                                     {.stream = true, .ahead = 0, .rows_ahead = 0},
                                     {.stream = true, .ahead = 1536, .rows_ahead = 12288}};
  for (const bool stream : {false, true})
    for (const bool fused : {false, true})
      for (const int64_t group : {1, 3, 16})
        all.push_back({.stream = stream, .fused = fused, .group = group, .threads = true});
  return all;
}

TEST_F(Targets, EveryScheduleGivesTheSameBits) {
  SetNumThreads(3);
  for (DType dtype : {DType::kF32, DType::kBF16}) {
    std::vector<Case> all = LargeCases(dtype);
    std::ranges::copy(cases::AllCases(dtype), std::back_inserter(all));
    for (const Case& test : all) {
      const Problem p(test);
      const Outcome expected = RunBoth(p);
      for (const WantedSchedule& wanted : EverySchedule()) {
        WantSchedule(wanted);
        const Outcome got = RunBoth(p);
        WantSchedule({});
        ASSERT_EQ(got, expected) << test.ToString() << ", stream " << wanted.stream.value_or(-1)
                                 << ", fused " << wanted.fused.value_or(-1) << ", group "
                                 << wanted.group.value_or(0);
      }
    }
  }
}

// Loops of their own, where y (with 13) or dx (with 11) begins with a cache line.
TEST_F(Targets, ChannelsThatRegistersHold) {
  for (DType dtype : cases::kDTypes)
    for (const Activation activation : {Activation::kNone, Activation::kRelu})
      for (const int64_t channels : {8, 16, 32, 48, 64})
        for (const NormSpec& spec : {kBatchNorm, kInstanceNorm}) {
          const Layout layout = Layout::Make("BSC", std::vector<int64_t>{2, 601, channels});
          const Problem p({spec, layout, dtype}, cases::Normals(layout.size(), 5, 100, 3));
          RunOptions options{.norm = {.activation = activation}};
          simd::ForceTarget(simd::AvailableTargets().back());
          const Outcome expected = RunBoth(p, options);
          WantSchedule({.stream = true, .fused = false, .ahead = 0});
          for (const std::string& target : simd::AvailableTargets()) {
            simd::ForceTarget(target);
            for (options.misalignment = 11; options.misalignment < 14; ++options.misalignment)
              EXPECT_EQ(RunBoth(p, options), expected) << p.test.ToString() << " on " << target;
          }
          WantSchedule({});
        }
}

// Of two arrays of doubles.
double LargestDifference(const std::string& a, const std::string& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); i += sizeof(double)) {
    double first, second;
    std::memcpy(&first, a.data() + i, sizeof(double));
    std::memcpy(&second, b.data() + i, sizeof(double));
    largest = std::max(largest, std::abs(first - second));
  }
  return largest;
}

TEST(Reduced, TwoRanksWithTheSameDataChangeNothing) {
  Twins twins;
  for (const NormSpec& spec : {kBatchNorm, kGroupNorm, kInstanceNorm}) {
    for (const char* format : {"BCS", "BSC"}) {
      const Layout layout = cases::InGroups(spec, cases::MakeLayout(format, {}), 2);
      const Problem p({spec, layout, DType::kF64});
      const Outcome alone = RunBoth(p), both = RunBoth(p, {.norm = {.reducer = &twins}});
      // To rounding; the parameters' gradients stay those of the rank.
      for (auto part : {&Outcome::y, &Outcome::dx, &Outcome::dgamma, &Outcome::dbeta})
        EXPECT_LE(LargestDifference(both.*part, alone.*part), 1e-13) << spec.name << " " << format;
    }
  }
}

TEST(Edges, ConstantInputGivesExactlyBeta) {
  for (DType dtype : cases::kDTypes) {
    for (const Case& test : cases::AllCases(dtype, {.b = 3, .t = 5, .s = 9, .c = 34})) {
      if (!test.spec.center) continue;
      for (double value : {1234.567, -1e6, 0.1, 3e-20}) {
        if (dtype == DType::kF16 && std::abs(value) > 6e4) continue;
        Problem p(test, std::vector<double>(static_cast<size_t>(test.layout.size()), value));
        const auto result = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
        auto exact = reference::Forward(p.inputs(), {p.x, p.x});
        const auto param = reference::IndexOver(test.layout, test.spec.affine);
        for (size_t i = 0; i < exact.size(); ++i) exact[i] = p.beta[static_cast<size_t>(param[i])];
        cases::MakeTensor(test.layout, dtype, exact);
        ASSERT_EQ(cases::ToDoubles(result.y), exact) << test.ToString() << " of " << value;
        for (double variance : result.variance) ASSERT_EQ(variance, 0) << test.ToString();
      }
    }
  }
}

TEST(Edges, OneValuePerStatisticGivesBeta) {
  for (const char* format : {"BCSS", "BSSC", "BC"}) {
    const Case test{kBatchNorm, cases::MakeLayout(format, {.b = 1, .s = 1, .c = 19})};
    const Problem p(test);
    const auto result = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
    EXPECT_EQ(cases::ToDoubles(result.y), p.beta) << format;
    const Outcome outcome = RunBoth(p);
    EXPECT_EQ(outcome.dx, std::string(outcome.dx.size(), '\0')) << format;
  }
}

TEST(Edges, EmptyBatchLeavesEverythingAlone) {
  for (const NormSpec& spec : NormSpecs()) {
    for (const char* format : {"BCSS", "BSSC", "BTC"}) {
      const NormOptions options{.num_groups = IsGrouped(spec) ? 2 : 0};
      const Normalization norm(spec, cases::MakeLayout(format, {.b = 0, .c = 4}), DType::kF32,
                               options);
      std::vector<double> mean(4, 7.0), rstd(4, 8.0);
      const auto n = static_cast<size_t>(norm.num_parameters());
      std::vector<float> gamma(n, 1.0f), dgamma(n, 5.0f), dbeta(n, 6.0f);
      norm.ForwardTraining(nullptr, gamma.data(), gamma.data(), nullptr,
                           {mean.data(), rstd.data()});
      EXPECT_EQ(mean, std::vector<double>(4, 7.0));
      EXPECT_EQ(rstd, std::vector<double>(4, 8.0));
      norm.Backward({.gamma = gamma.data(), .dgamma = dgamma.data(), .dbeta = dbeta.data()});
      EXPECT_EQ(dgamma, std::vector<float>(n, 0.0f));
      EXPECT_EQ(dbeta, std::vector<float>(n, 0.0f));
    }
  }
}

// However many rows there are of nothing: no memory is taken for what belongs to each.
TEST(Edges, EmptyRowsTakeNoMemory) {
  const std::vector<int64_t> shape{1'000'000'000'000, 0};
  const Normalization norm(kLayerNorm, Layout::Make("BC", shape), DType::kF32);
  float nothing = 0;
  norm.Backward({.gamma = &nothing, .dgamma = &nothing, .dbeta = &nothing});
  EXPECT_EQ(nothing, 0);
}

// An infinity among the coefficients of cells is one on each target: no finite number hides it.
TEST(Edges, InfinitiesOfCellsAreOnesOnEveryTarget) {
  for (const std::string& target : simd::AvailableTargets()) {
    simd::ForceTarget(target);
    for (const NormSpec& spec : {kBatchNorm, kInstanceNorm}) {
      Problem p({spec, cases::MakeLayout("BCS", {.b = 2, .s = 9, .c = 20})});
      const int64_t run = p.x_tensor.layout().shape().back();
      static_cast<float*>(p.beta_tensor.data())[3] = HUGE_VALF;
      static_cast<float*>(p.dy_tensor.data())[3 * run] = HUGE_VALF;
      const auto forward = ForwardTraining(spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
      const auto back = normkit::Backward(spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor,
                                          p.dy_tensor, forward);
      const auto y = cases::ToDoubles(forward.y), dx = cases::ToDoubles(back.dx);
      for (int64_t i = 0; i < 20 * run; ++i) {
        EXPECT_EQ(y[static_cast<size_t>(i)] == HUGE_VAL, i / run == 3) << target << spec.name << i;
        EXPECT_EQ(std::isfinite(dx[static_cast<size_t>(i)]), i / run != 3)
            << target << spec.name << i;
      }
    }
  }
  simd::ForceTarget(simd::AvailableTargets().front());
}

// The first values of each statistic are 0, the others one number: around the mean of the first
// ones most of the squares would be left to cancel, all rounded alike.
TEST(Edges, ValuesThatBeginFarFromTheirMean) {
  const Case columns{kBatchNorm, Layout::Make("BSC", std::vector<int64_t>{16, 16, 40})};
  const Case rows{kLayerNorm, Layout::Make("BC", std::vector<int64_t>{40, 1024})};
  const auto number = [](size_t statistic) { return 0.1 + 0.037 * static_cast<double>(statistic); };
  std::vector<double> x(16 * 16 * 40), z(40 * 1024);
  for (size_t i = 16 * 40; i < x.size(); ++i) x[i] = number(i % 40);
  const std::vector<double> near = cases::Normals(std::ssize(z), 8, 1, 1e-3);
  for (size_t i = 0; i < z.size(); ++i) z[i] = i % 1024 < 32 ? 0 : number(i / 1024) * near[i];
  const Problem problems[] = {Problem(columns, std::move(x)), Problem(rows, std::move(z))};
  for (const Problem& p : problems) {
    const auto y = ForwardTraining(p.test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor).y;
    EXPECT_LE(cases::WorstForwardFraction(p, y), 1) << p.test.ToString();
  }
}

TEST(Edges, NanStaysInItsStatistic) {
  for (DType dtype : cases::kDTypes) {
    for (const Case& test : cases::AllCases(dtype, {.b = 3, .t = 5, .s = 9, .c = 34})) {
      Problem p(test);
      const auto clean = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, nullptr).y;
      const size_t where = p.x.size() / 2;
      p.x[where] = std::numeric_limits<double>::quiet_NaN();
      p.x_tensor = cases::MakeTensor(test.layout, dtype, p.x);
      const auto result = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, nullptr);
      const auto stat = reference::IndexOver(test.layout, static_cast<Dims>(~test.spec.reduce));
      const auto before = cases::ToDoubles(clean), after = cases::ToDoubles(result.y);
      for (size_t i = 0; i < after.size(); ++i) {
        if (stat[i] == stat[where])
          ASSERT_TRUE(std::isnan(after[i])) << test.ToString() << " element " << i;
        else
          ASSERT_EQ(after[i], before[i]) << test.ToString() << " element " << i;
      }
    }
  }
}

// Squares beyond what f32 can hold, and below it, beside statistics that need nothing.
TEST_F(Targets, ValuesWhoseSquaresLeaveTheRange) {
  for (const std::string& target : simd::AvailableTargets()) {
    simd::ForceTarget(target);
    for (const char* format : {"BC", "BCS", "BSC", "BTC"}) {
      for (const NormSpec& spec :
           {kBatchNorm, kLayerNorm, kRmsNorm, kInstanceNorm, kLayerNormChannelOnly}) {
        const Case test{spec, cases::MakeLayout(format, {.b = 9, .t = 70, .s = 300, .c = 20})};
        for (const double size : {1e25, 1e37, 1e-18, 1e-20, 1e-21, 1e-22, 1e-30}) {
          auto values = cases::Normals(test.layout.size(), 1, size, size);
          for (size_t i = 0; i < values.size(); i += 2) values[i] *= 0.5;
          const Problem p(test, values);
          const double epsilon = size > 1 ? 1e-5 : std::max(0x1p-126, 1e-3 * size * size);
          const auto got = ForwardTraining(spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor,
                                           {.epsilon = epsilon});
          // At most 32 additions and 3 roundings of a square, of 4 times the variance.
          const auto exact = reference::ComputeStatistics(p.inputs()).variance;
          for (size_t s = 0; s < exact.size() && size >= 1e-21; ++s)  // those that f32 holds
            EXPECT_NEAR(got.variance[s], exact[s], 140 * 0x1p-24 * exact[s]) << test.ToString();
          EXPECT_LE(cases::WorstForwardFraction(p, got.y, epsilon), 1)
              << test.ToString() << ", values of " << size << " on " << target;
        }
      }
    }
  }
}

// gamma * rstd beyond the range of f32 or f64, of either sign: of a constant beta is left.
TEST(Edges, ConstantInputGivesBetaWhateverGamma) {
  for (DType dtype : {DType::kF32, DType::kF64, DType::kBF16}) {
    const double epsilon = dtype == DType::kF64 ? 1e-305 : 1e-37;
    for (const Case& test : cases::AllCases(dtype)) {
      if (!test.spec.center) continue;
      Problem p(test, std::vector<double>(static_cast<size_t>(test.layout.size()), 5.0));
      const double size = dtype == DType::kF64 ? 1e300 : 1e38;
      for (size_t c = 0; c < p.gamma.size(); ++c) p.gamma[c] = c % 2 ? -size : size;
      p.gamma_tensor = cases::MakeTensor(p.gamma_tensor.layout(), ParameterDType(dtype), p.gamma);
      const auto y = cases::ToDoubles(
          ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, nullptr, {.epsilon = epsilon}).y);
      ASSERT_EQ(y, std::vector<double>(y.size(), 0)) << test.ToString();
    }
  }
}

// gamma * rstd beyond f32 where x is not constant: where gamma differs within a statistic y is
// right; elsewhere the largest f32 stands for the factor, which leaves y its sign and too small.
TEST(Edges, FactorsBeyondF32) {
  constexpr double kMost = std::numeric_limits<float>::max();
  for (const auto& [format, element_form] : {std::pair{"BC", true}, {"BCS", false}}) {
    const NormSpec& spec = element_form ? kLayerNorm : kInstanceNorm;
    const Case test{spec, Layout::Make(format, element_form ? std::vector<int64_t>{2, 50}
                                                            : std::vector<int64_t>{2, 3, 50})};
    Problem p(test, cases::Normals(test.layout.size(), 4, 0.5, 0.01));
    for (double& gamma : p.gamma) gamma = 5e37;
    p.gamma_tensor = cases::MakeTensor(p.gamma_tensor.layout(), DType::kF32, p.gamma);
    const NormResult got = ForwardTraining(spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
    const double fraction = cases::WorstForwardFraction(p, got.y);
    if (element_form) {
      EXPECT_LE(fraction, 1);
      continue;
    }
    const auto stat = reference::IndexOver(test.layout, kB | kC);
    const auto y = cases::ToDoubles(got.y);
    for (size_t i = 0; i < y.size(); ++i) {
      const auto s = static_cast<size_t>(stat[i]);
      ASSERT_GT(p.gamma[0] * got.rstd[s], kMost);
      const double deviation = p.x[i] - got.mean[s];
      ASSERT_NEAR(y[i] / (deviation * kMost), 1, 1e-5);
    }
  }
}

// x - mean beyond f32 is an infinity of its sign, and no other element is wrong for it.
TEST(Edges, DifferencesBeyondF32AreInfinite) {
  for (const auto& [spec, format, shape] :
       {std::tuple{kLayerNorm, "BC", std::vector<int64_t>{1, 4}},
        std::tuple{kBatchNorm, "BC", std::vector<int64_t>{4, 1}},
        std::tuple{kInstanceNorm, "BCS", std::vector<int64_t>{1, 1, 4}},
        std::tuple{kLayerNormChannelOnly, "BCS", std::vector<int64_t>{1, 4, 1}}}) {
    for (const double sign : {1.0, -1.0}) {
      std::vector<double> values{sign * 3e38, sign * -3e38, sign * -3e38, sign * -3e38};
      const Tensor x = cases::MakeTensor(Layout::Make(format, shape), DType::kF32, values);
      const auto y = cases::ToDoubles(ForwardTraining(spec, x, nullptr, nullptr).y);
      EXPECT_EQ(y[0], sign * HUGE_VAL) << spec.name;
      for (size_t i = 1; i < 4; ++i) EXPECT_NEAR(y[i], -sign / std::sqrt(3.0), 1e-6) << spec.name;
    }
  }
}

// A variance that f64 cannot hold is no reason for an output that looks like one.
TEST(Edges, VariancesBeyondF64GiveNan) {
  for (const char* format : {"BC", "BCS", "BSC"}) {
    for (const NormSpec& spec : {kBatchNorm, kLayerNorm, kRmsNorm}) {
      const Case test{spec, cases::MakeLayout(format, {.b = 9, .s = 8, .c = 20}), DType::kF64};
      const Problem p(test, cases::Normals(test.layout.size(), 1, 0, 1e160));
      for (const double y :
           cases::ToDoubles(ForwardTraining(spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor).y))
        ASSERT_TRUE(std::isnan(y)) << test.ToString();
    }
  }
}

TEST(Backward, AccumulateAdds) {
  for (const Case& test : cases::AllCases(DType::kF32)) {
    const Problem p(test);
    const Normalization norm(test.spec, test.layout);
    const auto forward = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
    const auto once = normkit::Backward(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor,
                                        p.dy_tensor, forward);
    Tensor dx = p.x_tensor.Clone(), dgamma = p.gamma_tensor.Clone(), dbeta = p.beta_tensor.Clone();
    auto args = p.BackwardArgs(forward);
    args.dx = dx.data(), args.dgamma = dgamma.data(), args.dbeta = dbeta.data();
    args.accumulate = true;
    norm.Backward(args);
    for (size_t i = 0; i < p.x.size(); ++i)
      ASSERT_NEAR(dx.values<float>()[i], p.x[i] + static_cast<double>(once.dx.values<float>()[i]),
                  1e-5)
          << test.ToString();
    for (size_t i = 0; i < p.gamma.size(); ++i) {
      const double tolerance = 1e-6 * (10 + std::abs(once.dgamma.values<float>()[i]));
      ASSERT_NEAR(dgamma.values<float>()[i],
                  p.gamma[i] + static_cast<double>(once.dgamma.values<float>()[i]), tolerance);
      ASSERT_NEAR(dbeta.values<float>()[i],
                  p.beta[i] + static_cast<double>(once.dbeta.values<float>()[i]), 1e-4);
    }
  }
}

// Where the forward pass gave 0 the gradient is that of nothing, elsewhere that of everything.
TEST(Backward, ReluMaskIsThatOfTheForwardPass) {
  // f16 rounds the smallest z to 0.
  for (DType dtype : {DType::kF32, DType::kF64, DType::kBF16}) {
    for (const Case& test : cases::AllCases(dtype, {.b = 3, .t = 5, .s = 9, .c = 34})) {
      Problem p(test);
      for (double& b : p.beta) b = 0;  // many z close to 0
      p.beta_tensor = cases::MakeTensor(p.beta_tensor.layout(), ParameterDType(dtype), p.beta);
      const NormOptions options{.activation = Activation::kRelu};
      const Normalization norm(test.spec, test.layout, dtype, options);
      const auto forward =
          ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor, options);
      Tensor dx(test.layout, dtype);
      auto args = p.BackwardArgs(forward);
      args.dx = dx.data();
      args.fixed_statistics = true;
      norm.Backward(args);
      const auto y = cases::ToDoubles(forward.y), gradient = cases::ToDoubles(dx);
      for (size_t i = 0; i < y.size(); ++i)
        ASSERT_EQ(gradient[i] != 0, y[i] > 0) << test.ToString() << " at " << i;
    }
  }
}

}  // namespace
}  // namespace normkit
