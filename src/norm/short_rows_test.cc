// Rows are taken many at a time with AVX2 and AVX-512, and one by one elsewhere or where they lie
// apart: the same bits, whatever the rows beside one hold. Likewise short columns, strip by strip
// or in two passes.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "normkit/core/threads.h"
#include "src/norm/case_bounds.h"
#include "src/norm/case_testing.h"
#include "src/norm/cpu/wanted_schedule.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;

// Some rows of x all alike, zeros, beyond the range of squares, or no numbers.
std::vector<double> WithOddRows(const Case& test) {
  const Layout& layout = test.layout;
  const int64_t n = layout.axes().back().size, rows = layout.size() / n;
  std::vector<double> x = cases::Normals(layout.size(), static_cast<uint64_t>(n), 3, 2);
  const auto change = [&](int64_t row, auto to) {
    for (int64_t i = row * n; i < (row + 1) * n && row < rows; ++i)
      x[static_cast<size_t>(i)] = to(x[static_cast<size_t>(i)]);
  };
  const double large = test.dtype == DType::kF16 ? 6e4 : 1e25;
  change(1, [](double) { return 3.25; });
  change(2, [](double) { return -0.0; });
  change(19, [&](double v) { return std::copysign(large, v); });
  change(20, [](double v) { return v * 1e-25; });
  if (test.dtype != DType::kF16) change(22, [](double v) { return 1e8 + 8 * std::round(v); });
  // What the first elements of each lane say of the mean is wrong, also once it is scaled.
  for (int64_t i = 21 * n; i < 22 * n && 21 < rows; ++i)
    x[static_cast<size_t>(i)] =
        (i % n < 32 ? -large : large) * (1 + 1e-3 * x[static_cast<size_t>(i)]);
  // Which of two NaN an instruction keeps depends on the order that the compiler gives them: behind
  // a ReLU another one with SSE4.
  using Limits = std::numeric_limits<double>;
  if (test.activation == Activation::kNone) {
    change(36, [](double) { return Limits::quiet_NaN(); });
    change(37, [](double) { return Limits::infinity(); });
  }
  return x;
}

// Of both passes, arrays lying as `lie` says (null: dense), or one of them alone.
std::string ResultsWhere(const Problem& p, const cases::Lie* lie, const char* only = "") {
  cases::LyingArrays arrays(p, lie, only);
  NormOptions options = p.test.Options();
  ArrayStrides& strides = options.strides;
  Normalization::ForwardArgs forward{.x = arrays.Add("x", p.x_tensor.data(), &strides.x),
                                     .gamma = p.gamma_tensor.data(),
                                     .beta = p.beta_tensor.data(),
                                     .y = arrays.Add("y", nullptr, &strides.y)};
  Normalization::BackwardArgs backward{.x = forward.x,
                                       .dy = arrays.Add("dy", p.dy_tensor.data(), &strides.dy),
                                       .gamma = forward.gamma,
                                       .beta = forward.beta,
                                       .dx = arrays.Add("dx", nullptr, &strides.dx)};
  const Normalization norm(p.test.spec, p.test.layout, p.test.dtype, options);
  std::vector<double> mean(static_cast<size_t>(norm.num_statistics())), rstd(mean), variance(mean);
  forward.saved = {mean.data(), rstd.data(), variance.data()};
  norm.ForwardTraining(forward);
  Tensor dgamma = p.gamma_tensor.Clone(), dbeta = dgamma.Clone();
  backward.mean = mean.data(), backward.rstd = rstd.data();
  backward.dgamma = dgamma.data(), backward.dbeta = dbeta.data();
  norm.Backward(backward);
  return arrays.Results({"y", "dx"}) + cases::BytesOf(mean) + cases::BytesOf(rstd) +
         cases::BytesOf(variance) + cases::BytesOf(cases::ToDoubles(dgamma)) +
         cases::BytesOf(cases::ToDoubles(dbeta));
}

// Whether dense rows on every target and rows that lie apart in each way have the results of rows
// one by one, on the target of the least instructions.
bool SameApart(const Case& test, const std::vector<double>& x,
               std::span<const cases::Lie> lies = {&cases::kLies[0], 1}) {
  const Problem p(test, x);
  const std::string own = simd::TargetName();
  const std::vector<std::string> targets = simd::AvailableTargets();
  simd::ForceTarget(targets.back());
  const std::string expected = ResultsWhere(p, nullptr);
  const bool same = std::ranges::all_of(targets, [&](const std::string& target) {
    simd::ForceTarget(target);
    return ResultsWhere(p, nullptr) == expected;
  });
  simd::ForceTarget(own);
  return same && std::ranges::all_of(lies, [&](const cases::Lie& lie) {
           return ResultsWhere(p, &lie) == expected;
         });
}

class ShortRows : public testing::TestWithParam<DType> {};

TEST_P(ShortRows, ManyAtATimeHaveTheBitsOfOneByOne) {
  struct Kind {
    NormSpec spec;
    const char* format;
    std::vector<int64_t> shape;
    int64_t groups = 0;
  };
  const Kind kinds[] = {{kLayerNorm, "BC", {53}},
                        {kRmsNorm, "BC", {53}},
                        {kInstanceNorm, "BCS", {9, 6}},
                        {kGroupNorm, "BCS", {9, 6}, 3},
                        {kBatchNorm, "BCS", {700, 5}}};
  for (const Kind& kind : kinds)
    for (const int64_t n : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 25, 31, 32, 33, 64, 65}) {
      auto shape = kind.shape;
      shape.push_back(n);
      const Layout layout = Layout::Make(kind.format, shape);
      Case test{kind.spec, kind.groups ? layout.SplitChannels(kind.groups) : layout, GetParam()};
      for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kElu}) {
        test.activation = activation;
        EXPECT_TRUE(SameApart(test, WithOddRows(test))) << test.ToString();
      }
    }
}

// Slices of packed arrays and heads in other orders: how far rows lie apart changes within a group.
TEST_P(ShortRows, ThatLieApartHaveTheBitsOfOneByOne) {
  for (const int64_t n : {16, 33, 62, 64, 128, 200, 300, 512, 1024, 1030})
    for (const NormSpec& spec : {kLayerNormChannelOnly, kRmsNorm})
      for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kElu}) {
        const std::vector<int64_t> shape{2, 3, 7, n};
        Case test{spec, Layout::Make("BSSC", shape), GetParam()};
        test.activation = activation;
        for (const bool stream : {false, true}) {
          norm::cpu::WantSchedule({.stream = stream});
          EXPECT_TRUE(SameApart(test, WithOddRows(test), cases::kLies)) << test.ToString();
        }
      }
  norm::cpu::WantSchedule({});
}

// Where the steps of each array change, those of the others stay.
TEST_P(ShortRows, OfOneArrayThatLiesApartHaveTheBitsOfOneByOne) {
  for (const int64_t n : {48, 300, 1030})
    for (const NormSpec& spec : {kLayerNormChannelOnly, kRmsNorm}) {
      const Problem p(
          Case{spec, Layout::Make("BSSC", std::vector<int64_t>{2, 3, 7, n}), GetParam()});
      const std::string expected = ResultsWhere(p, nullptr);
      for (const cases::Lie& lie : cases::kLies)
        for (const char* only : {"x", "y", "dy", "dx"})
          EXPECT_TRUE(ResultsWhere(p, &lie, only) == expected)
              << p.test.ToString() << ", " << only << ": " << lie.name;
    }
}

// Both passes of rows in a Tensor's memory, and of the same rows with y and dx some elements behind
// its start.
bool SameShifted(const Case& test, const std::vector<double>& x) {
  const Problem p(test, x);
  const Normalization norm(test.spec, test.layout, test.dtype, test.Options());
  const auto bytes = static_cast<size_t>(test.layout.size()) * SizeOf(test.dtype);
  const Layout twice = Layout::Unlabelled(std::vector<int64_t>{2 * test.layout.size()});
  Tensor y_room(twice, test.dtype), dx_room(twice, test.dtype);
  Tensor dgamma = p.gamma_tensor.Clone(), dbeta = dgamma.Clone();
  std::vector<double> mean(static_cast<size_t>(norm.num_statistics())), rstd(mean);
  std::vector<std::string> results;
  for (const size_t shift : {size_t{0}, 3 * SizeOf(test.dtype)}) {
    char* y = static_cast<char*>(y_room.data()) + shift;
    char* dx = static_cast<char*>(dx_room.data()) + shift;
    norm.ForwardTraining({.x = p.x_tensor.data(),
                          .gamma = p.gamma_tensor.data(),
                          .beta = p.beta_tensor.data(),
                          .y = y,
                          .saved = {mean.data(), rstd.data()}});
    norm.Backward({.x = p.x_tensor.data(),
                   .dy = p.dy_tensor.data(),
                   .gamma = p.gamma_tensor.data(),
                   .beta = p.beta_tensor.data(),
                   .mean = mean.data(),
                   .rstd = rstd.data(),
                   .dx = dx,
                   .dgamma = dgamma.data(),
                   .dbeta = dbeta.data()});
    results.push_back(std::string(y, bytes) + std::string(dx, bytes));
  }
  return results[0] == results[1];
}

// Of bf16 by vectors of even and of odd places where whole ones make a row and y begins with one,
// past the caches and through them.
TEST_P(ShortRows, HaveTheSameBitsWhereverTheyBegin) {
  for (const NormSpec& spec : {kLayerNorm, kRmsNorm})
    for (const int64_t n :
         {7, 16, 31, 32, 48, 66, 80, 96, 128, 272, 512, 528, 768, 1056, 4096, 4128}) {
      const Layout layout = Layout::Make("BC", std::vector<int64_t>{53, n});
      Case test{spec, layout, GetParam()};
      if (n % 3 == 0) test.activation = Activation::kRelu;
      for (const bool stream : {false, true}) {
        norm::cpu::WantSchedule({.stream = stream});
        EXPECT_TRUE(SameShifted(test, WithOddRows(test))) << test.ToString() << ", " << stream;
      }
    }
  norm::cpu::WantSchedule({});
}

// As many rows as are turned at once (1024 / n, n rounded up to a power of two), some vectors of
// them and parts of vectors, with nothing among them that sends them the long way, or one row that
// does. Longer ones side by side, as far as their lanes add up without a stop, and beyond.
TEST_P(ShortRows, TurnedOnesAndThoseSideBySideHaveTheBitsOfOneByOne) {
  std::vector<int64_t> lengths = {48,  63,  64,  65,  80,  96,  127, 128, 130,
                                  160, 191, 192, 193, 224, 225, 255, 256, 257};
  for (int64_t n = 1; n <= 40; ++n) lengths.push_back(n);
  for (const NormSpec& spec : {kLayerNorm, kRmsNorm})
    for (const int64_t n : lengths) {
      const int64_t turned = 1024 / static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(n)));
      for (const int64_t rows : {int64_t{1}, int64_t{7}, int64_t{16}, turned, 2 * turned + 27}) {
        const Layout layout = Layout::Make("BC", std::vector<int64_t>{rows, n});
        const Case test{spec, layout, GetParam()};
        std::vector<double> x = cases::Normals(layout.size(), static_cast<uint64_t>(n), 3, 2);
        const auto fill = [&](int64_t row, double value) {
          std::fill_n(x.begin() + std::min(row, rows - 1) * n, n, value);
        };
        fill(5, 3.25), fill(9, -0.0), fill(12, 0.1);
        EXPECT_TRUE(SameApart(test, x)) << test.ToString();
        fill(turned + 3, test.dtype == DType::kF16 ? 6e4 : 1e25);
        EXPECT_TRUE(SameApart(test, x)) << test.ToString() << ", one large";
      }
    }
}

// What sends a row the long way: element i of n, `v` a normal number.
struct OddKind {
  const char* name;
  double (*value)(const Case& test, double v, int64_t i, int64_t n);
};
double Large(const Case& test) { return test.dtype == DType::kF16 ? 2e4 : 1e25; }
double Tiny(const Case& test) { return test.dtype == DType::kF16 ? 1e-6 : 1e-40; }
// Neighbours of 1: no shift of theirs is near enough to their mean.
double NearlyOne(const Case& test, int64_t i) {
  const double ulp = test.dtype == DType::kF64    ? 0x1p-52
                     : test.dtype == DType::kF32  ? 0x1p-23
                     : test.dtype == DType::kBF16 ? 0x1p-7
                                                  : 0x1p-10;
  return 1 + ulp * static_cast<double>(i * 5 % 3);
}
constexpr OddKind kOddKinds[] = {
    {"NaN at the end",
     [](const Case&, double v, int64_t i, int64_t n) { return i == n - 1 ? std::nan("") : v; }},
    {"NaN alone", [](const Case&, double, int64_t, int64_t) { return std::nan(""); }},
    {"infinity at the end",
     [](const Case&, double v, int64_t i, int64_t n) { return i == n - 1 ? HUGE_VAL : v; }},
    {"infinities", [](const Case&, double v, int64_t, int64_t) { return v * HUGE_VAL; }},
    {"large", [](const Case& test, double v, int64_t, int64_t) { return v * Large(test); }},
    {"ends of the range",
     [](const Case& test, double, int64_t i, int64_t) {
       return (i % 2 ? 1 : -1) * (test.dtype == DType::kF16 ? 6e4 : 3.3e38);
     }},
    {"alike, large", [](const Case& test, double, int64_t, int64_t) { return Large(test); }},
    {"one large at the end",
     [](const Case& test, double v, int64_t i, int64_t n) { return i == n - 1 ? Large(test) : v; }},
    {"denormal", [](const Case& test, double v, int64_t, int64_t) { return v * Tiny(test); }},
    {"near each other",
     [](const Case& test, double, int64_t i, int64_t) { return NearlyOne(test, i); }},
    {"near each other, large",
     [](const Case& test, double, int64_t i, int64_t) { return NearlyOne(test, i) * Large(test); }},
    {"near each other, small",
     [](const Case& test, double, int64_t i, int64_t) { return NearlyOne(test, i) * 1e-30; }},
};
constexpr auto kNumOddKinds = static_cast<int64_t>(std::size(kOddKinds));

// Rows of every such kind alone, all kinds by turns with normal ones between, and one among normal
// ones.
TEST_P(ShortRows, OddOnesHaveTheBitsOfOneByOneWhateverIsBesideThem) {
  constexpr int64_t kRows = 70;
  for (const NormSpec& spec : {kLayerNorm, kRmsNorm})
    for (const int64_t n :
         {2, 3, 5, 8, 13, 16, 17, 31, 32, 33, 50, 64, 80, 129, 192, 224, 225, 250, 256, 257, 511}) {
      const Layout layout = Layout::Make("BC", std::vector<int64_t>{kRows, n});
      const Case test{spec, layout, GetParam()};
      const auto expect_same = [&](const std::string& what, const auto& kind_of) {
        std::vector<double> x = cases::Normals(layout.size(), static_cast<uint64_t>(n), 3, 2);
        for (int64_t row = 0; row < kRows; ++row) {
          const int64_t kind = kind_of(row);
          for (int64_t i = 0; i < n && kind < kNumOddKinds; ++i) {
            double& v = x[static_cast<size_t>(row * n + i)];
            v = kOddKinds[kind].value(test, v, i, n);
          }
        }
        EXPECT_TRUE(SameApart(test, x)) << test.ToString() << ", " << what;
      };
      for (int64_t kind = 0; kind < kNumOddKinds; ++kind) {
        const std::string name = kOddKinds[kind].name;
        expect_same(name, [&](int64_t) { return kind; });
        expect_same("one " + name, [&](int64_t row) { return row == 21 ? kind : kNumOddKinds; });
      }
      expect_same("by turns", [](int64_t row) { return row * 7 % (2 * kNumOddKinds); });
    }
}

// Rows of one block, too, written one by one or by one function.
TEST_P(ShortRows, OnesOfABlockHaveTheBitsOfOneByOne) {
  for (const NormSpec& spec : {kLayerNorm, kRmsNorm})
    for (const int64_t n : {256, 257, 300, 768, 1000, 1023, 1024, 1025})
      for (const Activation activation : {Activation::kNone, Activation::kRelu}) {
        Case test{spec, Layout::Make("BC", std::vector<int64_t>{41, n}), GetParam()};
        test.activation = activation;
        EXPECT_TRUE(SameApart(test, WithOddRows(test))) << test.ToString();
      }
}

// Rows that are summed by blocks of 1,024, up to 64 of them around one shift: each with a block
// that has another mean, leaves the range of squares, or is no number.
TEST_P(ShortRows, OnesOfManyBlocksHaveTheBitsOfBlockByBlock) {
  const double large = GetParam() == DType::kF16 ? 6e4 : 1e25;
  const auto change = [&](int64_t kind, double v) {
    const double changed[] = {v, v + 100, 3.25, v * large, v * 1e-25, v * HUGE_VAL};
    return changed[kind % 6];
  };
  for (const NormSpec& spec : {kLayerNorm, kRmsNorm})
    for (const int64_t n : {1026, 1500, 4096, 16384, 17500, 65536, 66000}) {
      const Case test{spec, Layout::Make("BC", std::vector<int64_t>{7, n}), GetParam()};
      std::vector<double> x = cases::Normals(7 * n, static_cast<uint64_t>(n), 3, 2);
      for (int64_t row = 0; row < 7; ++row)
        for (int64_t i = row % 2 ? n - n % 1024 - 1 : 0; i < n; i += row < 6 ? 1 : 7)
          if (row % 2 || i / 1024 == n / 2048)
            x[static_cast<size_t>(row * n + i)] = change(row, x[static_cast<size_t>(row * n + i)]);
      EXPECT_TRUE(SameApart(test, x)) << test.ToString();
    }
}

// The same of a sum with a residual, in place and apart: block by block as before, a sum that was
// added up once is not once more where a block is no good.
TEST_P(ShortRows, SumsOfManyBlocksAreAddedUpOnce) {
  for (const int64_t n : {1026, 4096, 17500})
    for (const bool odd : {false, true}) {
      const Case test{kLayerNorm, Layout::Make("BC", std::vector<int64_t>{3, n}), GetParam()};
      std::vector<double> x = cases::Normals(3 * n, 1, 3, 2);
      for (int64_t i = 0; odd && i < 3 * n; ++i)
        if (i % n / 1024 == 1) x[static_cast<size_t>(i)] += 200;
      const Problem p(test, x);
      const Normalization norm(test.spec, test.layout, test.dtype);
      const Tensor& residual = p.dy_tensor;
      const auto in_place = [&](bool with_x, Tensor y) {
        Tensor sum = with_x ? p.x_tensor.Clone() : residual.Clone();
        norm.ForwardTraining({.x = with_x ? sum.data() : p.x_tensor.data(),
                              .gamma = p.gamma_tensor.data(),
                              .beta = p.beta_tensor.data(),
                              .y = y.data(),
                              .residual = with_x ? residual.data() : sum.data(),
                              .sum = sum.data()});
        return cases::BytesOf(cases::ToDoubles(sum)) + cases::BytesOf(cases::ToDoubles(y));
      };
      norm::cpu::WantSchedule({.fused = false});
      const std::string expected = in_place(true, p.x_tensor.Clone());
      norm::cpu::WantSchedule({});
      EXPECT_TRUE(in_place(true, p.x_tensor.Clone()) == expected) << test.ToString();
      EXPECT_TRUE(in_place(false, p.x_tensor.Clone()) == expected) << test.ToString();
    }
}

// Without a beta no zeros are read in its place, and their sum with a -0 is 0 nevertheless.
TEST_P(ShortRows, WithoutBetaHaveTheBitsOfThoseWithZeros) {
  for (const int64_t n : {1, 8, 32, 33, 64, 100, 256, 300, 1024, 1025, 5000})
    for (const int64_t rows : {1, 41})
      for (const Activation activation : {Activation::kNone, Activation::kRelu}) {
        Case test{kRmsNorm, Layout::Make("BC", std::vector<int64_t>{rows, n}), GetParam()};
        test.activation = activation;
        const Problem p(test, WithOddRows(test));
        const Normalization norm(test.spec, test.layout, test.dtype, test.Options());
        Tensor zeros = p.beta_tensor.Clone(), y = p.x_tensor.Clone(), expected = y.Clone();
        std::memset(zeros.data(), 0, zeros.bytes());
        for (const bool stream : {false, true}) {
          norm::cpu::WantSchedule({.stream = stream});
          norm.ForwardTraining(p.x_tensor.data(), p.gamma_tensor.data(), zeros.data(),
                               expected.data(), {});
          norm.ForwardTraining(p.x_tensor.data(), p.gamma_tensor.data(), nullptr, y.data(), {});
          EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.bytes()), 0)
              << test.ToString() << (stream ? ", past the caches" : "");
        }
      }
  norm::cpu::WantSchedule({});
}

// Maps of every small size, in groups of up to 40 channels, and groups of so many channels.
TEST_P(ShortRows, SmallMapsHaveTheBitsOfOneByOne) {
  const auto expect_same = [](Case test, int64_t n) {
    if (n % 3 == 0) test.activation = Activation::kRelu;
    EXPECT_TRUE(SameApart(test, WithOddRows(test))) << test.ToString();
  };
  for (int64_t n = 1; n <= 64; ++n) {
    const int64_t channels = 1 + n * 7 % 40;
    const Layout maps = Layout::Make("BCS", std::vector<int64_t>{5, 3 * channels, n});
    expect_same({kInstanceNorm, maps, GetParam()}, n);
    expect_same({kGroupNorm, maps.SplitChannels(3), GetParam()}, n);
    const Layout groups = Layout::Make("BC", std::vector<int64_t>{53, 3 * n});
    expect_same({kGroupNorm, groups.SplitChannels(3), GetParam()}, n);
  }
}

// Groups of few channels, and rows whose parameters are those of their observation, their time step
// or their own: parameters come again within what is taken at once, behind it, or never.
TEST_P(ShortRows, RowsWithParametersOfTheirOwnHaveTheBitsOfOneByOne) {
  const auto expect_same = [](Case test, int64_t n) {
    if (n % 4 == 3) test.activation = n % 8 == 3 ? Activation::kRelu : Activation::kElu;
    EXPECT_TRUE(SameApart(test, WithOddRows(test))) << test.ToString();
  };
  for (int64_t n = 1; n <= 33; ++n) {
    for (const int64_t groups : {2, 7, 16, 40, 150}) {
      const Layout layout = Layout::Make("BC", std::vector<int64_t>{1 + 700 / groups, groups * n})
                                .SplitChannels(groups);
      expect_same({kGroupNorm, layout, GetParam()}, n);
      if (groups == 7) expect_same({kGroupRmsNorm, layout, GetParam()}, n);
    }
    const Layout steps = Layout::Make("BTC", std::vector<int64_t>{5, 19, n});
    for (const int axes : {kB | kC, kT | kC, kB | kT | kC}) {
      Case test{kLayerNormChannelOnly, steps, GetParam()};
      test.parameter_axes = static_cast<Dims>(axes);
      expect_same(test, n);
    }
  }
}

// Short runs of neighbouring channels are summed beside each other, more of them with fewer
// threads.
TEST_P(ShortRows, OfNeighboursHaveTheSameBitsForAnyNumberOfThreads) {
  const int before = NumThreads();
  for (const int64_t n : {1, 3, 8, 31}) {
    const Layout layout = Layout::Make("BCS", std::vector<int64_t>{700, 40, n});
    const Problem p(Case{kBatchNorm, layout, GetParam()});
    SetNumThreads(1);
    const std::string alone = ResultsWhere(p, nullptr);
    for (const int threads : {2, 7, 40}) {
      SetNumThreads(threads);
      EXPECT_TRUE(ResultsWhere(p, nullptr) == alone) << p.test.ToString() << ", " << threads;
    }
  }
  SetNumThreads(before);
}

// What small cells add to their parameters goes there task by task, or over threads.
TEST_P(ShortRows, SmallMapsHaveTheSameBitsForAnyNumberOfThreads) {
  const int before = NumThreads();
  for (const int64_t n : {4, 9, 49})
    for (const int64_t groups : {40, 8}) {
      const Layout layout = Layout::Make("BCS", std::vector<int64_t>{n == 49 ? 150 : 420, 40, n});
      const Problem p(Case{kGroupNorm, layout.SplitChannels(groups), GetParam()});
      norm::cpu::WantSchedule({.threads = false});
      const std::string alone = ResultsWhere(p, nullptr);
      EXPECT_TRUE(ResultsWhere(p, &cases::kLies[0]) == alone) << p.test.ToString() << ", apart";
      norm::cpu::WantSchedule({.threads = true});
      for (const int threads : {2, 7}) {
        SetNumThreads(threads);
        EXPECT_TRUE(ResultsWhere(p, nullptr) == alone) << p.test.ToString() << ", " << threads;
      }
      SetNumThreads(before);
    }
  norm::cpu::WantSchedule({});
}

// Some columns of x all alike, zeros, beyond the range of squares, or no numbers.
std::vector<double> WithOddColumns(const Case& test) {
  const int64_t width = test.layout.axes().back().size;
  const bool is_f16 = test.dtype == DType::kF16;
  const double large = is_f16 ? 6e4 : 1e25, far = is_f16 ? 3e4 : 1e5;
  std::vector<double> x = cases::Normals(test.layout.size(), 3, 3, 2);
  for (int64_t i = 0; i < test.layout.size(); ++i) {
    double& v = x[static_cast<size_t>(i)];
    const int64_t column = i % width;
    if (column % 50 == 1) v = 3.25;
    if (column % 50 == 2) v = -0.0;
    if (column % 50 == 3) v += far;
    // Whose sum f32 rounds too far; just below 2^27 so far that bits differ around another shift.
    if (column % 50 == 4 && !is_f16) v = 1e8 + 8 * std::round(v);
    if (column % 50 == 5 && !is_f16) v = 0x1p27 - 32 + static_cast<double>(i / width % 2 * 8);
    if (column == 19) v = std::copysign(large, v);
    if (column == 20) v *= 1e-25;
    if (column >= 23 && column < 40) v *= is_f16 ? 1e-6 : 1e-40;
    if (column == 22 && test.activation == Activation::kNone) v *= HUGE_VAL;
    if (column == width - 2 && i < width && test.activation == Activation::kNone)
      v = std::numeric_limits<double>::quiet_NaN();
  }
  return x;
}

// Column 19 and some behind it send those around them the long way: a strip without such is tried
// by 1,100 columns and 1,152 alone, of which the latter are whole vectors, which go past the
// caches.
TEST_P(ShortRows, FewRowsOfChannelsHaveTheBitsOfTwoPasses) {
  const int before = NumThreads();
  for (const int64_t rows : {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 40, 256})
    for (const int64_t width : {5, 33, 1100, 1152}) {
      Case test{kBatchNorm, Layout::Make("BC", std::vector<int64_t>{rows, width}), GetParam()};
      if (rows % 2 == 0) test.activation = Activation::kRelu;
      if (rows % 8 == 1) test.activation = Activation::kSilu;
      const Problem p(test, WithOddColumns(test));
      norm::cpu::WantSchedule({.fused = false});
      const std::string expected = ResultsWhere(p, nullptr);
      for (const int threads : {1, 3}) {
        SetNumThreads(threads);
        norm::cpu::WantSchedule({.stream = threads == 3, .threads = true});
        EXPECT_TRUE(ResultsWhere(p, nullptr) == expected) << test.ToString() << ", " << threads;
        EXPECT_TRUE(ResultsWhere(p, &cases::kLies[0]) == expected) << test.ToString() << ", apart";
      }
    }
  norm::cpu::WantSchedule({});
  SetNumThreads(before);
}

// Both passes of the test above sum such columns by one function: against the definition. With
// u = 2^-24 a square is rounded 3 times and added up 7 times at most, around a shift of which half
// of it may cancel: 20 u of m2; the sum there, 8 u of sqrt(n squares), 23 u.
TEST(FewRowsOfChannels, WhoseSquaresLeaveTheRange) {
  for (const int64_t rows : {2, 5, 8})
    for (const double size : {1e25, 1e37, 1e-18, 1e-20, 1e-21}) {
      const Case test{kBatchNorm, Layout::Make("BC", std::vector<int64_t>{rows, 70})};
      std::vector<double> values = cases::Normals(test.layout.size(), 1, size, size);
      for (size_t i = 0; i < values.size(); ++i)
        if (i % 3 == 0) values[i] /= size;  // others beside them, and some of both
      for (size_t i = 0; i < values.size(); ++i)
        if (i % 70 < 40) values[i] *= i % 3 == 0 ? size : 1;
      const Problem p(test, values);
      const double epsilon = size > 1 ? 1e-5 : std::max(0x1p-126, 1e-3 * size * size);
      const auto got = ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor,
                                       {.epsilon = epsilon});
      const auto exact = reference::ComputeStatistics(p.inputs());
      for (size_t c = 0; c < exact.variance.size(); ++c)
        EXPECT_NEAR(got.variance[c], exact.variance[c], 43 * 0x1p-24 * exact.variance[c])
            << rows << " rows of " << size << ", channel " << c;
      EXPECT_LE(cases::WorstForwardFraction(p, got.y, epsilon), 1) << rows << " rows of " << size;
    }
}

// What is summed once more for the sake of one column shows in none beside it.
TEST(FewRowsOfChannels, AreWhateverLiesBesideThem) {
  for (const int64_t rows : {3, 5, 6, 7}) {
    const Case test{kBatchNorm, Layout::Make("BC", std::vector<int64_t>{rows, 1100})};
    std::vector<double> values = cases::Normals(test.layout.size(), 1, 1e3, 1);
    const Problem alone(test, values);
    for (size_t i = 0; i < values.size(); ++i)
      if (i % 1100 % 11 == 3) values[i] *= i % 2 ? 1e25 : 1e-30;
    const Problem beside(test, values);
    const auto forward = [&](const Problem& p) {
      return ForwardTraining(test.spec, p.x_tensor, &p.gamma_tensor, &p.beta_tensor);
    };
    const NormResult a = forward(alone), b = forward(beside);
    for (size_t c = 0; c < 1100; ++c)
      if (c % 11 != 3)
        EXPECT_TRUE(a.mean[c] == b.mean[c] && a.variance[c] == b.variance[c])
            << rows << " rows, channel " << c;
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, ShortRows,
                         testing::Values(DType::kF32, DType::kF64, DType::kBF16, DType::kF16),
                         [](const auto& dtype) { return std::string(Name(dtype.param)); });

}  // namespace
}  // namespace normkit
