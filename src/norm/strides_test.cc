// Arrays whose axes have distances of their own: what is copied, what is refused, where they meet.
// Their bits: table_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "src/core/testing.h"
#include "src/norm/case_testing.h"
#include "src/norm/slabs.h"

namespace normkit {
namespace {

using cases::Case;
using cases::kLies;
using cases::Lie;
using cases::LyingArrays;
using cases::Problem;
using cases::Strides;

// What is taken as it lies, and what through copies.
TEST(Strides, DescribeNamesCopies) {
  const auto described = [](const NormSpec& spec, const char* format, std::vector<int64_t> shape,
                            Strides x) {
    const std::string text =
        Normalization(spec, Layout::Make(format, shape), DType::kF32, {.strides = {.x = x}})
            .Describe();
    return text.find("copied") == std::string::npos ? "" : text.substr(text.find("copied"));
  };
  const char* const copied = "copied for their strides: x";
  EXPECT_EQ(described(kLayerNorm, "BC", {9, 64}, {3 * 64, 1}), "");  // a slice of three
  EXPECT_EQ(described(kLayerNorm, "BC", {9, 64}, {0, 1}), "");       // one row again and again
  // Heads of packed queries, keys and values [B,T,3,H,D], taken as [B,H,T,D].
  EXPECT_EQ(described(kRmsNorm, "BSSC", {2, 4, 9, 64}, {9 * 768, 64, 768, 1}), "");
  EXPECT_EQ(described(kBatchNorm, "BCSS", {2, 4, 5, 5}, {200, 25, 5, 1}), "");  // of 8 channels
  EXPECT_EQ(described(kBatchNorm, "BSSC", {2, 5, 5, 4}, {200, 40, 8, 1}), "");
  EXPECT_EQ(described(kBatchNorm, "BCSS", {2, 4, 5, 5}, {256, 64, 8, 1}), copied);  // cut out
  EXPECT_EQ(described(kLayerNorm, "BC", {9, 64}, {1, 9}), copied);                  // transposed
  EXPECT_EQ(described(kLayerNorm, "BC", {9, 64}, {64, 1}), "");                     // dense
}

TEST(Strides, MessagesName) {
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{3, 8});
  const auto with = [&](const ArrayStrides& strides) {
    return ErrorOf([&] { Normalization(kLayerNorm, layout, DType::kF32, {.strides = strides}); });
  };
  const std::string title = "layer normalization of BC [3,8]: ";
  EXPECT_EQ(with({.x = {1}}), title + "1 strides of x given, expected 2");
  EXPECT_EQ(with({.x = {8, -1}}),
            title + "a stride of x is -1, expected 0 or more: backwards is not supported");
  EXPECT_EQ(with({.y = {7, 1}}),
            title + "strides 7,1 of y, which is written, expected elements apart");
  EXPECT_EQ(with({.dx = {0, 1}}),
            title + "strides 0,1 of dx, which is written, expected elements apart");
  EXPECT_EQ(with({.x = {7, 1}, .dy = {0, 0}}), "no error");  // which are read
  EXPECT_EQ(with({.x = {int64_t{1} << 62, 1}}),
            title + "a stride of x is 4611686018427387904, beyond what memory can be");
  EXPECT_EQ(
      ErrorOf([&] {
        Normalization(kLayerNorm, layout, DType::kF32, {.tree = true, .strides = {.x = {16, 1}}});
      }),
      title + "strides and a tree, expected one of them");
}

// Groups are an axis that strides need not know.
TEST(Strides, OfChannelsInGroups) {
  const Layout layout = Layout::Make("BCS", std::vector<int64_t>{2, 8, 5});
  const auto strides = [&](const Strides& x) {
    return ErrorOf([&] {
      Normalization(kGroupNorm, layout, DType::kF32, {.num_groups = 2, .strides = {.x = x}});
    });
  };
  EXPECT_EQ(strides({80, 5, 1}), "no error");
  EXPECT_EQ(strides({80, 20, 5, 1}), "no error");
  EXPECT_EQ(strides({80, 5}),
            "group normalization of BCS [2,8,5]: 2 strides of x given, expected 3");
}

TEST(Strides, GroupsLieWhereTheirChannelsDo) {
  const Layout layout = Layout::Make("BCS", std::vector<int64_t>{2, 8, 5});
  const auto x = cases::Normals(layout.size(), 3, 0, 1);
  std::vector<float> dense(x.begin(), x.end()), apart(2 * dense.size());
  for (size_t i = 0; i < dense.size(); ++i) apart[2 * i] = dense[i];
  std::vector<float> y(dense.size()), expected(dense.size());
  const Normalization norm(kGroupNorm, layout, DType::kF32, {.num_groups = 2});
  norm.ForwardTraining({.x = dense.data(), .y = expected.data()});
  const Normalization strided(kGroupNorm, layout, DType::kF32,
                              {.num_groups = 2, .strides = {.x = {80, 10, 2}}});
  strided.ForwardTraining({.x = apart.data(), .y = y.data()});
  EXPECT_EQ(y, expected);
}

// Slices of one array: apart, though one begins where another has not ended; or over each other.
TEST(Strides, SlicesOfOneArrayLieApart) {
  constexpr int64_t kRows = 3, kWidth = 8;
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{kRows, kWidth});
  std::vector<float> packed(kRows * 3 * kWidth, 1.5f), dense(kRows * kWidth);
  const Strides slice{3 * kWidth, 1};
  const Normalization norm(kLayerNorm, layout, DType::kF32, {.strides = {.x = slice, .y = slice}});
  const auto into = [&](int64_t first) {
    return ErrorOf(
        [&] { norm.ForwardTraining({.x = packed.data() + kWidth, .y = packed.data() + first}); });
  };
  EXPECT_EQ(into(0), "no error");
  EXPECT_EQ(into(kWidth), "no error");  // in place
  EXPECT_EQ(into(2 * kWidth), "no error");
  const std::string overlap =
      "layer normalization of BC [3,8]: x and y overlap, expected the same array or apart";
  EXPECT_EQ(into(kWidth - 1), overlap);
  EXPECT_EQ(into(2 * kWidth - 1), overlap);
  // The same first element, but other rows.
  const Normalization from_slice(kLayerNorm, layout, DType::kF32, {.strides = {.x = slice}});
  EXPECT_EQ(ErrorOf([&] { from_slice.ForwardTraining({.x = packed.data(), .y = packed.data()}); }),
            overlap);
  EXPECT_EQ(ErrorOf([&] { from_slice.ForwardTraining({.x = packed.data(), .y = dense.data()}); }),
            "no error");
}

// One row read again and again.
TEST(Strides, OfZeroRepeat) {
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{3, 4});
  const std::vector<float> row{1, 2, 3, 6};
  std::vector<float> y(12), expected(4);
  const Normalization one(kLayerNorm, Layout::Make("BC", std::vector<int64_t>{1, 4}));
  one.ForwardTraining({.x = row.data(), .y = expected.data()});
  const Normalization norm(kLayerNorm, layout, DType::kF32, {.strides = {.x = {0, 1}}});
  norm.ForwardTraining({.x = row.data(), .y = y.data()});
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], expected[i % 4]) << i;
}

// Copies beyond what a thread keeps.
TEST(Strides, OfLargeArrays) {
  const Layout layout = Layout::Make("BC", std::vector<int64_t>{1 << 12, 1 << 12});
  std::vector<float> x(size_t{1} << 24), y(x.size());
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 1013);
  const Normalization norm(kLayerNorm, layout, DType::kF32,
                           {.strides = {.x = {1, 1 << 12}, .y = {1, 1 << 12}}});
  norm.ForwardTraining({.x = x.data(), .y = y.data()});
  double sum = 0, squares = 0;
  for (size_t i = 0; i < y.size(); i += 1 << 12) sum += y[i], squares += y[i] * y[i];
  EXPECT_NEAR(sum, 0, 1e-2);
  EXPECT_NEAR(squares, 1 << 12, 1);
}

// Each channel by its own mean and variance.
TEST(Strides, SlabsOfGivenStatistics) {
  const Case test{kBatchNorm, Layout::Make("BCS", std::vector<int64_t>{3, 8, 50}), DType::kF32};
  const Problem p(test);
  std::vector<float> mean(8), variance(8);
  for (size_t c = 0; c < mean.size(); ++c)
    mean[c] = static_cast<float>(c), variance[c] = 1 + static_cast<float>(c);
  const auto inferred = [&](const Lie* lie) {
    LyingArrays arrays(p, lie);
    NormOptions options;
    Normalization::ForwardArgs args{.x = arrays.Add("x", p.x_tensor.data(), &options.strides.x)};
    args.y = arrays.Add("y", nullptr, &options.strides.y);
    const Normalization norm(test.spec, test.layout, test.dtype, options);
    norm.ForwardInference(args, mean.data(), variance.data());
    return arrays.Results({"y"});
  };
  const int64_t before = WantSlabsOf(0);
  for (const Lie& lie : kLies) EXPECT_EQ(inferred(&lie), inferred(nullptr)) << lie.name;
  WantSlabsOf(before);
}

// The second half of a pass reads what the first one wrote.
// Whatever else is copied between the halves, which share memory with it.
TEST(Strides, HalvesOfCopiedArrays) {
  const Case test{kBatchNorm, Layout::Make("BSC", std::vector<int64_t>{4, 5, 6}), DType::kF32};
  const Problem one(test);
  Problem other(test);
  other.AddToDy(3);
  const auto halves = [](const Problem& p, const Lie* lie, const auto& between) {
    LyingArrays arrays(p, lie);
    NormOptions options;
    ArrayStrides& strides = options.strides;
    Normalization::ForwardArgs args{.x = arrays.Add("x", p.x_tensor.data(), &strides.x)};
    args.residual = arrays.Add("residual", p.dy_tensor.data(), &strides.residual);
    args.sum = arrays.Add("sum", nullptr, &strides.sum);
    args.y = arrays.Add("y", nullptr, &strides.y);
    Normalization::BackwardArgs back{.x = args.x};
    back.dy = arrays.Add("dy", p.dy_tensor.data(), &strides.dy);
    back.dx = arrays.Add("dx", nullptr, &strides.dx);
    back.daddend = arrays.Add("daddend", nullptr, &strides.daddend);
    const Normalization norm(p.test.spec, p.test.layout, p.test.dtype, options);
    const auto n = static_cast<size_t>(norm.num_statistics());
    std::vector<double> mean(n), rstd(n), sums(static_cast<size_t>(norm.num_sums()));
    std::vector<Moments> moments(n);
    args.saved = {mean.data(), rstd.data()};
    norm.Gather(norm.whole(), args, moments);
    norm.Finish(moments, args.saved);
    norm.Apply(norm.whole(), args);
    back.mean = mean.data(), back.rstd = rstd.data();
    norm.GatherGradient(norm.whole(), back, sums);
    between();
    norm.ApplyGradient(norm.whole(), back, sums);
    return arrays.Results({"y", "sum", "dx", "daddend"});
  };
  const auto nothing = [] {};
  for (const Lie& lie : kLies)
    EXPECT_EQ(halves(one, &lie, [&] { halves(other, &lie, nothing); }),
              halves(one, nullptr, nothing))
        << lie.name;
}

// Beyond what is kept in the caches, at any place of a line: what stands between the elements
// stays.
template <class T>
void ExpectBitsOfDense(const NormSpec& spec, const Layout& layout, DType dtype,
                       const Strides& strides, int64_t extent) {
  const Problem p({spec, layout, dtype}, cases::Normals(layout.size(), 3, 1, 2));
  const auto* x = static_cast<const T*>(p.x_tensor.data());
  std::vector<T> dense(static_cast<size_t>(layout.size()));
  Normalization(spec, layout, dtype).ForwardTraining({.x = x, .y = dense.data()});
  const T fill = x[1];
  for (const int64_t begin : {0, 3}) {
    std::vector<T> source(static_cast<size_t>(begin + extent), fill), y = source, expected = source;
    for (int64_t i = 0; i < layout.size(); ++i) {
      int64_t at = begin, left = i;
      for (size_t k = strides.size(); k-- > 0; left /= layout.axes()[k].size)
        at += left % layout.axes()[k].size * strides[k];
      source[static_cast<size_t>(at)] = x[i];
      expected[static_cast<size_t>(at)] = dense[static_cast<size_t>(i)];
    }
    Normalization(spec, layout, dtype, {.strides = {.x = strides, .y = strides}})
        .ForwardTraining({.x = source.data() + begin, .y = y.data() + begin});
    EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * sizeof(T)), 0) << spec.name;
  }
}

TEST(Strides, OfArraysBeyondTheCaches) {
  const auto expect = [](const NormSpec& spec, const Layout& layout, const Strides& strides,
                         int64_t extent) {
    ExpectBitsOfDense<float>(spec, layout, DType::kF32, strides, extent);
    ExpectBitsOfDense<double>(spec, layout, DType::kF64, strides, extent);
    ExpectBitsOfDense<BFloat16>(spec, layout, DType::kBF16, strides, extent);
  };
  expect(kLayerNorm, Layout::Make("BC", std::vector<int64_t>{3000, 530}), {1, 3001}, 3001 * 530);
  expect(kInstanceNorm, Layout::Make("BCSS", std::vector<int64_t>{6, 4, 210, 205}),
         {4 * 220 * 211, 220 * 211, 211, 1}, 6 * 4 * 220 * 211);
}

// y over x and dx over dy, of which each element is the first of two, and so copied: the first half
// leaves them alone.
TEST(Strides, HalvesInPlace) {
  const Strides strides{40, 10, 2};
  const Layout layout = Layout::Make("BCS", std::vector<int64_t>{3, 4, 5});
  for (const NormSpec& spec : {kBatchNorm, kInstanceNorm, kLayerNorm}) {
    const Problem p({spec, layout, DType::kF32});
    const auto spread = [](const Tensor& of) {
      std::vector<float> values(120, 7);
      for (size_t i = 0; i < 60; ++i) values[2 * i] = of.values<float>()[i];
      return values;
    };
    const Normalization norm(
        spec, layout, DType::kF32,
        {.strides = {.x = strides, .y = strides, .dy = strides, .dx = strides}});
    const BatchPart all = norm.whole();
    const auto n = static_cast<size_t>(norm.num_statistics());
    std::vector<double> mean(n), rstd(n);
    const auto results = [&](bool in_place) {
      const std::vector<float> kept = spread(p.x_tensor);
      std::vector<float> x = kept, dy = spread(p.dy_tensor), other(120, 7), other_dx = other;
      std::vector<float>&y = in_place ? x : other, &dx = in_place ? dy : other_dx;
      Normalization::ForwardArgs args{
          .x = x.data(), .y = y.data(), .saved = {mean.data(), rstd.data()}};
      std::vector<Moments> moments(n);
      norm.Gather(all, args, moments);
      norm.Join(moments);
      norm.Finish(moments, args.saved);
      norm.Apply(all, args);
      Normalization::BackwardArgs back{.x = kept.data(), .dy = dy.data()};
      back.mean = mean.data(), back.rstd = rstd.data(), back.dx = dx.data();
      std::vector<double> sums(static_cast<size_t>(norm.num_leaves(all) * norm.num_sums()));
      norm.GatherGradient(all, back, sums);
      norm.Join(sums);
      norm.ApplyGradient(all, back, sums);
      return std::pair(y, dx);
    };
    EXPECT_EQ(results(true), results(false)) << spec.name;
  }
}

TEST(Strides, ZerosOfOneValueLieApart) {
  const Problem p({kInstanceNorm, Layout::Make("BSC", std::vector<int64_t>{3, 1, 4}), DType::kF32});
  for (const Lie& lie : kLies) {
    LyingArrays arrays(p, &lie);
    NormOptions options;
    Normalization::BackwardArgs args{.x = p.x_tensor.data(), .dy = p.dy_tensor.data()};
    args.dx = arrays.Add("dx", p.x_tensor.data(), &options.strides.dx);
    const std::vector<double> mean(12), rstd(12, 1);
    args.mean = mean.data(), args.rstd = rstd.data();
    Normalization(p.test.spec, p.test.layout, p.test.dtype, options).Backward(args);
    EXPECT_EQ(arrays.Results({"dx"}), std::string(48, 0)) << lie.name;
  }
}

}  // namespace
}  // namespace normkit
