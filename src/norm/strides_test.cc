// Arrays whose axes have distances of their own: the bits of dense arrays, and nothing written
// between their elements.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "normkit/core/threads.h"
#include "src/core/testing.h"
#include "src/norm/activation.h"
#include "src/norm/cases.h"
#include "src/simd/target.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;
using Strides = std::vector<int64_t>;

// Ways for the elements of an array to lie; `seed` makes those of one call differ.
struct Lie {
  std::string_view name;
  Strides (*strides)(const Layout& layout, int64_t seed);
};

// Strides where `gap(axis)` elements lie behind each element of that axis.
template <class Gap>
Strides WithGaps(const Layout& layout, const Gap& gap) {
  Strides strides(static_cast<size_t>(layout.rank()));
  int64_t stride = 1;
  for (int i = layout.rank() - 1; i >= 0; --i) {
    stride += gap(i) * (i == layout.rank() - 1 ? 1 : stride);
    strides[static_cast<size_t>(i)] = stride;
    stride *= std::max<int64_t>(1, layout.axes()[static_cast<size_t>(i)].size);
  }
  return strides;
}

constexpr Lie kLies[] = {
    {"rows apart",
     [](const Layout& layout, int64_t seed) {
       return WithGaps(layout, [&](int axis) { return axis == 0 ? seed : 0; });
     }},
    {"inner rows apart",
     [](const Layout& layout, int64_t seed) {
       return WithGaps(layout, [&](int axis) { return axis == layout.rank() - 2 ? seed : 0; });
     }},
    {"all but the innermost apart",
     [](const Layout& layout, int64_t seed) {
       return WithGaps(layout, [&](int axis) { return axis < layout.rank() - 1 ? seed : 0; });
     }},
    {"elements apart",
     [](const Layout& layout, int64_t seed) {
       return WithGaps(layout, [&](int axis) { return axis == layout.rank() - 1 ? seed : 0; });
     }},
    {"outermost innermost",
     [](const Layout& layout, int64_t) {
       Strides strides(static_cast<size_t>(layout.rank()));
       int64_t stride = 1;
       for (size_t i = 0; i < strides.size(); ++i) {
         strides[i] = stride;
         stride *= layout.axes()[i].size;
       }
       return strides;
     }},
    {"the first two exchanged",
     [](const Layout& layout, int64_t) {
       Strides strides = WithGaps(layout, [](int) { return 0; });
       strides[0] = strides[1];
       strides[1] *= layout.axes()[0].size;
       return strides;
     }},
};

// Element by element, wherever it lies.
template <class F>
void ForElements(const Layout& layout, const Strides& strides, const F& f) {
  for (int64_t at = 0; at < layout.size(); ++at) {
    int64_t offset = 0, index = at;
    for (size_t i = strides.size(); i-- > 0; index /= layout.axes()[i].size)
      offset += index % layout.axes()[i].size * strides[i];
    f(at, offset);
  }
}

// An array that lies by strides, amid others' elements.
class StridedMemory {
 public:
  StridedMemory(const Layout& layout, DType dtype, Strides strides, const void* dense)
      : layout_(layout), bytes_(SizeOf(dtype)), strides_(std::move(strides)) {
    int64_t last = 0;
    ForElements(layout, strides_, [&](int64_t, int64_t offset) { last = std::max(last, offset); });
    memory_.assign((static_cast<size_t>(last) + 1) * bytes_, kOthers);
    if (dense)
      ForElements(layout, strides_, [&](int64_t at, int64_t offset) {
        std::memcpy(Element(offset), static_cast<const char*>(dense) + at * Bytes(), bytes_);
      });
  }
  void* data() { return memory_.data(); }
  const Strides& strides() const { return strides_; }
  std::string Dense() {
    std::string dense(static_cast<size_t>(layout_.size()) * bytes_, 0);
    ForElements(layout_, strides_, [&](int64_t at, int64_t offset) {
      std::memcpy(dense.data() + at * Bytes(), Element(offset), bytes_);
    });
    return dense;
  }
  bool OthersAreLeftAlone() {
    std::vector<char> memory = memory_;
    ForElements(layout_, strides_, [&](int64_t, int64_t offset) {
      std::memset(memory.data() + offset * Bytes(), kOthers, bytes_);
    });
    return std::ranges::all_of(memory, [](char c) { return c == kOthers; });
  }

 private:
  static constexpr char kOthers = -1;  // of which NaN are made
  int64_t Bytes() const { return static_cast<int64_t>(bytes_); }
  char* Element(int64_t offset) { return memory_.data() + offset * Bytes(); }

  Layout layout_;
  size_t bytes_;
  Strides strides_;
  std::vector<char> memory_;
};

// All arrays of both passes, each lying as `lie` says with a seed of its own; null: dense.
class Arrays {
 public:
  Arrays(const Problem& p, const Lie* lie) : p_(p), lie_(lie) {}

  StridedMemory& operator[](const std::string& name) { return arrays_.at(name); }
  void* Add(const std::string& name, const void* dense, Strides* strides) {
    const Layout& layout = p_.test.layout;
    const auto seed = static_cast<int64_t>(arrays_.size()) % 3 + 1;
    const Strides lies =
        lie_ ? lie_->strides(layout, seed) : WithGaps(layout, [](int) { return 0; });
    *strides = lies;
    return arrays_.emplace(name, StridedMemory(layout, p_.test.dtype, lies, dense))
        .first->second.data();
  }
  std::string Results(std::initializer_list<const char*> names) {
    std::string all;
    for (const char* name : names) {
      EXPECT_TRUE(arrays_.at(name).OthersAreLeftAlone()) << name;
      all += arrays_.at(name).Dense();
    }
    return all;
  }

 private:
  const Problem& p_;
  const Lie* lie_;
  std::map<std::string, StridedMemory> arrays_;
};

template <class T>
std::string BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// The bytes of all results: forward with a residual, an array added and `activation`, then backward
// on top of what is there.
std::string Everything(const Problem& p, const Lie* lie, Activation activation) {
  Arrays arrays(p, lie);
  NormOptions options{.activation = activation};
  ArrayStrides& strides = options.strides;
  const Tensor* other = &p.dy_tensor;
  void* x = arrays.Add("x", p.x_tensor.data(), &strides.x);
  void* residual = arrays.Add("residual", other->data(), &strides.residual);
  void* addend = arrays.Add("addend", other->data(), &strides.addend);
  void* sum = arrays.Add("sum", nullptr, &strides.sum);
  void* y = arrays.Add("y", nullptr, &strides.y);
  void* dy = arrays.Add("dy", p.dy_tensor.data(), &strides.dy);
  void* dx = arrays.Add("dx", p.x_tensor.data(), &strides.dx);
  void* daddend = arrays.Add("daddend", nullptr, &strides.daddend);
  const Normalization norm(p.test.spec, p.test.layout, p.test.dtype, options);
  const auto n = static_cast<size_t>(norm.num_statistics());
  std::vector<double> mean(n), rstd(n), variance(n);
  norm.ForwardTraining({.x = x,
                        .gamma = p.gamma_tensor.data(),
                        .beta = p.beta_tensor.data(),
                        .y = y,
                        .saved = {mean.data(), rstd.data(), variance.data()},
                        .residual = residual,
                        .sum = sum,
                        .addend = addend});
  std::vector<double> ones(p.gamma.size(), 1);
  Tensor dgamma = cases::MakeTensor(p.gamma_tensor.layout(), p.gamma_tensor.dtype(), ones);
  Tensor dbeta = cases::MakeTensor(p.gamma_tensor.layout(), p.gamma_tensor.dtype(), ones);
  Normalization::BackwardArgs args{.x = x,
                                   .dy = dy,
                                   .gamma = p.gamma_tensor.data(),
                                   .beta = p.beta_tensor.data(),
                                   .mean = mean.data(),
                                   .rstd = rstd.data(),
                                   .dx = dx,
                                   .y = y,
                                   .fixed_statistics = true};
  Normalization::BackwardArgs all_args = args;
  all_args.dgamma = dgamma.data();
  all_args.dbeta = dbeta.data();
  all_args.addend = addend;
  all_args.daddend = daddend;
  all_args.accumulate = true;
  all_args.fixed_statistics = false;
  norm.Backward(all_args);
  std::string all = arrays.Results({"y", "sum", "dx", "daddend"}) + BytesOf(mean) + BytesOf(rstd) +
                    BytesOf(variance) + BytesOf(cases::ToDoubles(dgamma)) +
                    BytesOf(cases::ToDoubles(dbeta));
  // Plain, and with constant statistics.
  norm.ForwardTraining({.x = x, .gamma = p.gamma_tensor.data(), .y = y});
  all += arrays.Results({"y"});
  norm.Backward(args);
  return all + arrays.Results({"dx"});
}

std::vector<Case> CasesFor(DType dtype) {
  std::vector<Case> cases = cases::AllCases(dtype, {.b = 3, .t = 4, .s = 5, .c = 8});
  for (Case& test : cases::CustomCases(dtype)) cases.push_back(test);
  cases.push_back({kLayerNorm, Layout::Make("BC", std::vector<int64_t>{40, 700}), dtype});
  cases.push_back({kBatchNorm, Layout::Make("BSC", std::vector<int64_t>{20, 30, 40}), dtype});
  cases.push_back({kInstanceNorm, Layout::Make("BCS", std::vector<int64_t>{3, 4, 2500}), dtype});
  return cases;
}

class StridesTest : public testing::TestWithParam<DType> {
 protected:
  void TearDown() override {
    simd::ForceTarget(simd::AvailableTargets().front());
    SetNumThreads(0);
  }
};
INSTANTIATE_TEST_SUITE_P(Norm, StridesTest, testing::ValuesIn(cases::kDTypes),
                         [](const auto& dtype) { return std::string(Name(dtype.param)); });

TEST_P(StridesTest, BitsAreThoseOfDenseArrays) {
  for (const Case& test : CasesFor(GetParam())) {
    const Problem p(test);
    for (const Activation activation : {Activation::kNone, Activation::kLeakyRelu}) {
      SetNumThreads(1);
      const std::string expected = Everything(p, nullptr, activation);
      for (const Lie& lie : kLies) {
        SetNumThreads(3);
        ASSERT_EQ(Everything(p, &lie, activation), expected)
            << test.ToString() << ", " << lie.name << ", activation " << Name(activation);
      }
    }
  }
}

TEST_P(StridesTest, OnEveryTargetAndWithActivationsThatAreComputedAgain) {
  for (const Case& test : CasesFor(GetParam())) {
    if (test.layout.rank() > 3) continue;
    const Problem p(test);
    simd::ForceTarget(simd::AvailableTargets().front());
    const std::string expected = Everything(p, nullptr, Activation::kGelu);
    for (const char* target : {"AVX2", "SSE4", "SCALAR"}) {
      if (!std::ranges::count(simd::AvailableTargets(), target)) continue;
      simd::ForceTarget(target);
      for (const Lie& lie : {kLies[0], kLies[2]})
        ASSERT_EQ(Everything(p, &lie, Activation::kGelu), expected)
            << test.ToString() << ", " << lie.name << " on " << target;
    }
  }
}

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

// The second half of a pass reads what the first one wrote.
TEST(Strides, HalvesOfCopiedArrays) {
  const Problem p({kBatchNorm, Layout::Make("BSC", std::vector<int64_t>{4, 5, 6}), DType::kF32});
  const auto halves = [&](const Lie* lie) {
    Arrays arrays(p, lie);
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
    norm.ApplyGradient(norm.whole(), back, sums);
    return arrays.Results({"y", "sum", "dx", "daddend"});
  };
  for (const Lie& lie : kLies) EXPECT_EQ(halves(&lie), halves(nullptr)) << lie.name;
}

TEST(Strides, ZerosOfOneValueLieApart) {
  const Problem p({kInstanceNorm, Layout::Make("BSC", std::vector<int64_t>{3, 1, 4}), DType::kF32});
  for (const Lie& lie : kLies) {
    Arrays arrays(p, &lie);
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
