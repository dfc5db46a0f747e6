// Padded arrays with lengths: every row of the table in every order of axes with time, beside each
// observation cut out and alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "normkit/core/threads.h"
#include "src/core/strided_loops.h"
#include "src/core/testing.h"
#include "src/norm/case_data.h"
#include "src/norm/case_testing.h"
#include "src/norm/lies.h"

namespace normkit::cases {
namespace {

constexpr int64_t kLengths[] = {5, 1, 3};

int64_t Observations(const Layout& layout) { return layout.SizeOf(kB); }

Layout Cut(const Layout& layout, int64_t length) {
  std::vector<Axis> axes = layout.axes();
  for (Axis& axis : axes)
    if (axis.label & (kB | kT)) axis.size = axis.label == kB ? 1 : length;
  return Layout(std::move(axes));
}

std::vector<int64_t> SizesOf(const Layout& layout) {
  std::vector<int64_t> sizes;
  for (const Axis& axis : layout.axes()) sizes.push_back(axis.size);
  return sizes;
}

// f(place in the whole array, place in the dense observation) for all elements of one.
template <class F>
void ForElements(const Layout& layout, int64_t observation, const F& f) {
  const Layout own = Cut(layout, kLengths[observation]);
  const Strides strides = DenseStrides(SizesOf(layout));
  int64_t first = 0;
  for (size_t i = 0; i < strides.size(); ++i)
    if (layout.axes()[i].label == kB) first = observation * strides[i];
  const StridedLoops<2> loops(SizesOf(own), {strides, DenseStrides(SizesOf(own))});
  loops.ForRuns(
      [&](const auto& at, int64_t n) {
        for (int64_t i = 0; i < n; ++i)
          f(static_cast<size_t>(first + at[0] + i * loops.stride(0)),
            static_cast<size_t>(at[1] + i * loops.stride(1)));
      },
      false);
}

// As `values`, in an array whose padding has `garbage`.
Tensor Padded(const Layout& layout, DType dtype, const std::vector<double>& values,
              double garbage) {
  std::vector<double> all(static_cast<size_t>(layout.size()), garbage);
  for (int64_t b = 0; b < Observations(layout); ++b)
    ForElements(layout, b, [&](size_t at, size_t) { all[at] = values[at]; });
  return MakeTensor(layout, dtype, all);
}

struct Arrays {
  Tensor y, dx, dgamma, dbeta;
  std::vector<double> mean, rstd, variance;
};

Arrays BothPasses(const Case& test, const Tensor& x, const Tensor& dy, const NormOptions& options,
                  const int64_t* lengths) {
  const Normalization norm(test.spec, x.layout(), test.dtype, options);
  const DType parameter = norm.parameter_dtype();
  const Layout parameters({{kC, norm.num_parameters()}});
  std::vector<double> gamma(static_cast<size_t>(norm.num_parameters()), 1.5),
      beta(gamma.size(), .5);
  for (size_t i = 0; i < gamma.size(); ++i) gamma[i] += static_cast<double>(i) / 8;
  const Tensor g = MakeTensor(parameters, parameter, gamma),
               b = MakeTensor(parameters, parameter, beta);
  const auto n = static_cast<size_t>(norm.num_statistics());
  Arrays out{Tensor(x.layout(), test.dtype),
             Tensor(x.layout(), test.dtype),
             g.Clone(),
             b.Clone(),
             std::vector<double>(n, -7),
             std::vector<double>(n, -7),
             std::vector<double>(n, -7)};
  std::memset(out.y.data(), 0xff, out.y.bytes());
  std::memset(out.dx.data(), 0xff, out.dx.bytes());
  norm.ForwardTraining({.x = x.data(),
                        .gamma = g.data(),
                        .beta = b.data(),
                        .y = out.y.data(),
                        .saved = {out.mean.data(), out.rstd.data(), out.variance.data()},
                        .lengths = lengths});
  norm.Backward({.x = x.data(),
                 .dy = dy.data(),
                 .gamma = g.data(),
                 .beta = b.data(),
                 .mean = out.mean.data(),
                 .rstd = out.rstd.data(),
                 .dx = out.dx.data(),
                 .dgamma = out.dgamma.data(),
                 .dbeta = out.dbeta.data(),
                 .lengths = lengths});
  return out;
}

NormOptions WithGelu() { return {.epsilon = 0.01, .activation = Activation::kGelu}; }

bool SameBytes(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

class LengthsTest : public testing::TestWithParam<DType> {};

// Zeros behind every end, and what stands there changes no bit of anything.
void CheckPadding(const Case& test, const Arrays& arrays, const Arrays& others) {
  for (const Tensor* array : {&arrays.y, &arrays.dx}) {
    std::vector<double> values = ToDoubles(*array);
    for (int64_t b = 0; b < Observations(test.layout); ++b)
      ForElements(test.layout, b, [&](size_t at, size_t) {
        EXPECT_TRUE(std::isfinite(values[at]));
        values[at] = 0;
      });
    EXPECT_TRUE(std::ranges::all_of(values, [](double v) { return v == 0; }));
  }
  EXPECT_TRUE(SameBytes(arrays.y, others.y) && SameBytes(arrays.dx, others.dx) &&
              SameBytes(arrays.dgamma, others.dgamma) && SameBytes(arrays.dbeta, others.dbeta) &&
              arrays.mean == others.mean && arrays.rstd == others.rstd &&
              arrays.variance == others.variance);
}

// Each observation, cut out and by itself: to the bit. Gradients of parameters are their sums.
void CheckAlone(const Case& test, const Tensor& x, const Tensor& dy, const Arrays& all) {
  const auto y = ToDoubles(all.y), dx = ToDoubles(all.dx), xs = ToDoubles(x), dys = ToDoubles(dy);
  std::vector<double> dgamma(static_cast<size_t>(all.dgamma.layout().size())), dbeta = dgamma;
  for (int64_t b = 0; b < Observations(test.layout); ++b) {
    const Layout own = Cut(test.layout, kLengths[b]);
    std::vector<double> own_x(static_cast<size_t>(own.size())), own_dy = own_x;
    ForElements(test.layout, b,
                [&](size_t at, size_t to) { own_x[to] = xs[at], own_dy[to] = dys[at]; });
    const Arrays alone = BothPasses(test, MakeTensor(own, test.dtype, own_x),
                                    MakeTensor(own, test.dtype, own_dy), WithGelu(), nullptr);
    const auto own_y = ToDoubles(alone.y), own_dx = ToDoubles(alone.dx);
    bool same = true;
    ForElements(test.layout, b,
                [&](size_t at, size_t to) { same &= y[at] == own_y[to] && dx[at] == own_dx[to]; });
    EXPECT_TRUE(same) << "observation " << b;
    const auto g = ToDoubles(alone.dgamma), o = ToDoubles(alone.dbeta);
    for (size_t i = 0; i < g.size(); ++i) dgamma[i] += g[i], dbeta[i] += o[i];
  }
  const auto g = ToDoubles(all.dgamma), o = ToDoubles(all.dbeta);
  for (size_t i = 0; i < g.size(); ++i) {
    EXPECT_NEAR(g[i], dgamma[i], 1e-5 * (1 + std::abs(g[i])));
    EXPECT_NEAR(o[i], dbeta[i], 1e-5 * (1 + std::abs(o[i])));
  }
}

// Statistics over observations: those of all rows packed, [1,T,..,C].
void CheckPacked(const Case& test, const Tensor& x, const Tensor& dy, const Arrays& all) {
  const auto y = ToDoubles(all.y), dx = ToDoubles(all.dx), xs = ToDoubles(x), dys = ToDoubles(dy);
  const int64_t channels = test.layout.channels(),
                each = test.layout.size() / Observations(test.layout) / test.layout.SizeOf(kT);
  int64_t steps = 0;
  for (int64_t b = 0; b < Observations(test.layout); ++b) steps += kLengths[b];
  const Layout packed({{kB, 1}, {kT, steps * each / channels}, {kC, channels}});
  // The channel of an element, and its row among those of the channel.
  std::vector<size_t> place(xs.size());
  std::vector<int64_t> rows(static_cast<size_t>(channels));
  const Strides strides = DenseStrides(SizesOf(test.layout));
  size_t axis = 0;
  while (test.layout.axes()[axis].label != kC) ++axis;
  std::vector<double> px(static_cast<size_t>(packed.size())), pdy = px;
  for (int64_t b = 0; b < Observations(test.layout); ++b)
    ForElements(test.layout, b, [&](size_t at, size_t) {
      const auto c = static_cast<int64_t>(at) / strides[axis] % channels;
      place[at] = static_cast<size_t>(rows[static_cast<size_t>(c)]++ * channels + c);
      px[place[at]] = xs[at], pdy[place[at]] = dys[at];
    });
  const Arrays one = BothPasses(test, MakeTensor(packed, test.dtype, px),
                                MakeTensor(packed, test.dtype, pdy), WithGelu(), nullptr);
  const auto py = ToDoubles(one.y), pdx = ToDoubles(one.dx);
  const double tolerance = test.dtype == DType::kBF16  ? 0.03
                           : test.dtype == DType::kF16 ? 4e-3
                                                       : 1e-5;
  for (int64_t b = 0; b < Observations(test.layout); ++b)
    ForElements(test.layout, b, [&](size_t at, size_t) {
      EXPECT_NEAR(y[at], py[place[at]], tolerance * (1 + std::abs(y[at])));
      EXPECT_NEAR(dx[at], pdx[place[at]], tolerance * (1 + std::abs(dx[at])));
    });
}

TEST_P(LengthsTest, ObservationsAreWhatTheyAreAlone) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Case& test : AllCases(GetParam(), {.b = 3, .t = 5, .s = 4})) {
    if (!test.layout.Has(kT)) continue;
    SCOPED_TRACE(test.ToString());
    const auto values = Normals(test.layout.size(), 3, 1, 2),
               slopes = Normals(test.layout.size(), 4, 0, 1);
    const Tensor x = Padded(test.layout, test.dtype, values, nan),
                 dy = Padded(test.layout, test.dtype, slopes, nan);
    const Arrays all = BothPasses(test, x, dy, WithGelu(), kLengths);
    CheckPadding(test, all,
                 BothPasses(test, Padded(test.layout, test.dtype, values, 1e4),
                            Padded(test.layout, test.dtype, slopes, -7), WithGelu(), kLengths));
    if (test.spec.reduce & kB)
      CheckPacked(test, x, dy, all);
    else
      CheckAlone(test, x, dy, all);
  }
}

INSTANTIATE_TEST_SUITE_P(All, LengthsTest, testing::ValuesIn(kDTypes),
                         [](const auto& test) { return std::string(Name(test.param)); });

// x, y, dy and dx as every second element of larger arrays: the same.
TEST(Lengths, StridedArrays) {
  for (const Case& test : AllCases(DType::kF32, {.b = 3, .t = 5, .s = 4})) {
    if (!test.layout.Has(kT)) continue;
    SCOPED_TRACE(test.ToString());
    const Tensor x = Padded(test.layout, test.dtype, Normals(test.layout.size(), 3, 1, 2), NAN),
                 dy = Padded(test.layout, test.dtype, Normals(test.layout.size(), 4, 0, 1), NAN);
    const Arrays dense = BothPasses(test, x, dy, WithGelu(), kLengths);
    const auto wide = [&](const Tensor& of) {
      std::vector<float> values(2 * of.values<float>().size(), 99);
      for (size_t i = 0; i < of.values<float>().size(); ++i) values[2 * i] = of.values<float>()[i];
      return values;
    };
    NormOptions options = WithGelu();
    Strides strides = DenseStrides(SizesOf(test.layout));
    for (int64_t& stride : strides) stride *= 2;
    options.strides = {.x = strides, .y = strides, .dy = strides, .dx = strides};
    const Normalization norm(test.spec, test.layout, test.dtype, options);
    std::vector<float> gamma(static_cast<size_t>(norm.num_parameters())), beta(gamma.size(), .5f);
    for (size_t i = 0; i < gamma.size(); ++i) gamma[i] = 1.5f + static_cast<float>(i) / 8;
    const std::vector<float> wide_x = wide(x), wide_dy = wide(dy);
    std::vector<float> y(wide_x.size(), 99), dx = y;
    std::vector<double> mean(dense.mean.size()), rstd = mean;
    norm.ForwardTraining({.x = wide_x.data(),
                          .gamma = gamma.data(),
                          .beta = beta.data(),
                          .y = y.data(),
                          .saved = {mean.data(), rstd.data()},
                          .lengths = kLengths});
    norm.Backward({.x = wide_x.data(),
                   .dy = wide_dy.data(),
                   .gamma = gamma.data(),
                   .beta = beta.data(),
                   .mean = mean.data(),
                   .rstd = rstd.data(),
                   .dx = dx.data(),
                   .lengths = kLengths});
    EXPECT_EQ(mean, dense.mean);
    EXPECT_EQ(y, wide(dense.y));
    EXPECT_EQ(dx, wide(dense.dx));
  }
}

// The bytes of all arrays of both passes, each with gaps of its own; dx is added to.
std::string ResultsWhere(const Problem& p, const Lie* lie) {
  LyingArrays arrays(p, lie);
  NormOptions options;
  ArrayStrides& strides = options.strides;
  const auto read = [&](const char* name, const Tensor& of, Strides* to) {
    return arrays.Add(name, of.data(), to);
  };
  Normalization::ForwardArgs args{.x = read("x", p.x_tensor, &strides.x), .lengths = kLengths};
  args.residual = read("residual", p.dy_tensor, &strides.residual);
  args.gate = read("gate", p.x_tensor, &strides.gate);
  args.addend = read("addend", p.dy_tensor, &strides.addend);
  args.sum = arrays.Add("sum", nullptr, &strides.sum);
  args.y = arrays.Add("y", nullptr, &strides.y);
  Normalization::BackwardArgs back{.x = args.x, .lengths = kLengths};
  back.dy = read("dy", p.dy_tensor, &strides.dy);
  back.dx = read("dx", p.x_tensor, &strides.dx);
  const Normalization norm(p.test.spec, p.test.layout, p.test.dtype, options);
  std::vector<double> mean(static_cast<size_t>(norm.num_statistics())), rstd = mean;
  args.saved = {mean.data(), rstd.data()};
  norm.ForwardTraining(args);
  back.mean = mean.data(), back.rstd = rstd.data(), back.accumulate = true;
  norm.Backward(back);
  return arrays.Results({"sum", "y", "dx"});
}

TEST(Lengths, EachArrayLiesInItsOwnWay) {
  for (const NormSpec& spec : {kLayerNorm, kInstanceNorm, kBatchNorm})
    for (const char* format : {"BTC", "BCT"}) {
      const Problem p({spec, MakeLayout(format, {.b = 3, .t = 5, .c = 4}), DType::kF32});
      const std::string dense = ResultsWhere(p, nullptr);
      for (const Lie& lie : kLies) EXPECT_EQ(ResultsWhere(p, &lie), dense) << lie.name;
      // Behind the ends dx stays what it was.
      std::vector<float> dx(p.x_tensor.values<float>().size()), others = dx;
      std::memcpy(dx.data(), dense.data() + dense.size() - BytesOf(dx).size(), BytesOf(dx).size());
      std::ranges::copy(p.x_tensor.values<float>(), others.begin());
      for (int64_t b = 0; b < 3; ++b)
        ForElements(p.test.layout, b, [&](size_t at, size_t) { dx[at] = others[at]; });
      EXPECT_EQ(dx, others) << p.test.ToString();
    }
}

// dy times what the gate multiplied, also where the second half of a pass goes through copies.
TEST(Lengths, GradientOfTheGate) {
  const int64_t lengths[] = {1, 1, 3};  // single steps of BCT are copied, two of them
  for (const NormSpec& spec : {kBatchNorm, kInstanceNorm, kLayerNorm})
    for (const char* format : {"BTC", "BCT"}) {
      const Problem p({spec, MakeLayout(format, {.b = 3, .t = 5, .c = 4}), DType::kF32});
      const Normalization norm(spec, p.test.layout, p.test.dtype,
                               {.activation = Activation::kSilu});
      std::vector<double> mean(static_cast<size_t>(norm.num_statistics())), rstd = mean;
      const std::span<const float> dy = p.dy_tensor.values<float>();
      std::vector<float> y(dy.size()), dx = y, daddend = y, dgate(dy.size(), -1);
      norm.ForwardTraining({.x = p.x_tensor.data(),
                            .y = y.data(),
                            .saved = {mean.data(), rstd.data()},
                            .addend = dy.data(),
                            .lengths = lengths});
      Normalization::BackwardArgs args{.x = p.x_tensor.data(), .dy = dy.data()};
      args.mean = mean.data(), args.rstd = rstd.data(), args.addend = dy.data();
      args.gate = p.x_tensor.data(), args.lengths = lengths;
      args.dx = dx.data(), args.daddend = daddend.data(), args.dgate = dgate.data();
      norm.Backward(args);
      for (size_t i = 0; i < dy.size(); ++i)
        EXPECT_EQ(dgate[i], dy[i] * y[i]) << p.test.ToString() << " at " << i;
    }
}

// y over x and dx over dy, which the first halves of both passes read and do not write.
TEST(Lengths, InPlace) {
  const int64_t lengths[] = {1, 1, 3};
  for (const NormSpec& spec : {kBatchNorm, kInstanceNorm, kLayerNorm})
    for (const char* format : {"BTC", "BCT", "CBT"}) {
      const Problem p({spec, MakeLayout(format, {.b = 3, .t = 5, .c = 4}), DType::kF32});
      const Normalization norm(spec, p.test.layout, p.test.dtype);
      std::vector<double> mean(static_cast<size_t>(norm.num_statistics())), rstd = mean;
      const auto copy = [](const Tensor& of) {
        return std::vector<float>(of.values<float>().begin(), of.values<float>().end());
      };
      const std::vector<float> x = copy(p.x_tensor), dy = copy(p.dy_tensor);
      std::vector<float> y(x.size()), dx = y, over_x = x, over_dy = dy;
      const auto forward = [&](const float* from, float* to) {
        norm.ForwardTraining(
            {.x = from, .y = to, .saved = {mean.data(), rstd.data()}, .lengths = lengths});
      };
      const auto backward = [&](const float* from, float* to) {
        Normalization::BackwardArgs args{.x = x.data(), .dy = from, .lengths = lengths};
        args.mean = mean.data(), args.rstd = rstd.data(), args.dx = to;
        norm.Backward(args);
      };
      forward(x.data(), y.data());
      backward(dy.data(), dx.data());
      forward(over_x.data(), over_x.data());
      backward(over_dy.data(), over_dy.data());
      EXPECT_EQ(over_x, y) << p.test.ToString();
      EXPECT_EQ(over_dy, dx) << p.test.ToString();
    }
}

TEST(Lengths, AnyNumberOfThreads) {
  const Layout layout = Layout::Make("BTC", std::vector<int64_t>{40, 30, 64});
  std::vector<int64_t> lengths(40);
  for (size_t i = 0; i < 40; ++i) lengths[i] = 1 + static_cast<int64_t>(i * 7 % 30);
  for (const NormSpec& spec : NormSpecs()) {
    if (IsGrouped(spec)) continue;
    const Case test{spec, layout, DType::kF32};
    auto values = Normals(layout.size(), 3, 1, 2), slopes = Normals(layout.size(), 4, 0, 1);
    const Tensor x = MakeTensor(layout, DType::kF32, values),
                 dy = MakeTensor(layout, DType::kF32, slopes);
    SetNumThreads(1);
    const Arrays one = BothPasses(test, x, dy, WithGelu(), lengths.data());
    for (const int threads : {2, 5}) {
      SetNumThreads(threads);
      const Arrays again = BothPasses(test, x, dy, WithGelu(), lengths.data());
      EXPECT_TRUE(SameBytes(one.y, again.y) && SameBytes(one.dx, again.dx) &&
                  SameBytes(one.dgamma, again.dgamma));
    }
    SetNumThreads(0);
  }
}

TEST(Lengths, SumOfAnInferencePass) {
  const std::vector<int64_t> shape{2, 3, 4};
  const Normalization norm(FindNormSpec("batch"), Layout::Make("BTC", shape));
  const std::vector<float> x(24, 1), residual(24, 2), mean(4, 0), variance(4, 1);
  std::vector<float> y(24, -1), sum(24, -1), expected(24, 3);
  std::fill_n(expected.end() - 8, 8, 0.0f);  // two steps of padding
  const int64_t lengths[] = {3, 1};
  norm.ForwardInference({.x = x.data(),
                         .y = y.data(),
                         .residual = residual.data(),
                         .sum = sum.data(),
                         .lengths = lengths},
                        mean.data(), variance.data());
  EXPECT_EQ(sum, expected);
  EXPECT_EQ(std::vector(y.end() - 8, y.end()), std::vector<float>(8, 0));
}

TEST(Lengths, WhatDoesNotFitIsNamed) {
  const std::vector<int64_t> shape{2, 4, 3};
  float x[24] = {}, y[24];
  const auto error = [&](const NormSpec& spec, const char* format, const NormOptions& options,
                         std::vector<int64_t> lengths) {
    return ErrorOf([&] {
      const Normalization norm(spec, Layout::Make(format, shape), DType::kF32, options);
      norm.ForwardTraining({.x = x, .y = y, .lengths = lengths.data()});
    });
  };
  EXPECT_EQ(error(kLayerNorm, "BTC", {.name = "n"}, {5, 1}),
            "n: lengths[0] is 5, expected 1 to 4 (steps of x, BTC [2,4,3])");
  EXPECT_EQ(error(kLayerNorm, "BTC", {.name = "n"}, {4, 0}),
            "n: lengths[1] is 0, expected 1 to 4 (steps of x, BTC [2,4,3])");
  EXPECT_EQ(error(kBatchNorm, "BTC", {.name = "n"}, {-1, 1}),
            "n: lengths[0] is -1, expected 1 to 4 (steps of x, BTC [2,4,3])");
  EXPECT_EQ(error(kLayerNorm, "BSC", {.name = "n"}, {1, 1}),
            "n: lengths of x BSC [2,4,3] given, expected a time axis, and one of observations at "
            "most");
  EXPECT_EQ(error(kLayerNorm, "BTC", {.parameter_axes = kB | kC, .name = "n"}, {1, 1}),
            "n: lengths with parameters of observations or steps, expected those of channels or "
            "space");
  EXPECT_EQ(error(kLayerNorm, "BTC", {.tree = true, .name = "n"}, {1, 1}),
            "n: lengths with a tree, expected none");
  EXPECT_EQ(error(kLayerNorm, "BTC", {.output = OutputType::kInt8, .name = "n"}, {1, 1}),
            "n: lengths with y in 8 bits, expected its dtype");
}

}  // namespace
}  // namespace normkit::cases
