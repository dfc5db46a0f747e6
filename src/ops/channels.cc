// Maps of each element by numbers that its channel has, which are trained.
#include <array>
#include <cmath>

#include "src/core/batch_tree.h"
#include "src/core/fail.h"
#include "src/ops/boxes.h"
#include "src/ops/ops.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

// The rows: Map(x, p), and Gradient(dy, x, p, dp), which gives dx and the parts of this element in
// the gradients of p. The first kShared numbers are one for all channels.

struct ParametricReluRow {  // x where x > 0, p x elsewhere
  static constexpr std::string_view kName = "parametric relu";
  static constexpr size_t kNumbers = 1, kShared = 0;
  using Numbers = std::array<float, kNumbers>;
  static float Map(float x, const Numbers& p) { return x > 0 ? x : p[0] * x; }
  static float Gradient(float dy, float x, const Numbers& p, Numbers& dp) {
    dp[0] = x > 0 ? 0 : dy * x;
    return x > 0 ? dy : p[0] * dy;
  }
};

struct ChannelScaleRow {
  static constexpr std::string_view kName = "channel scale";
  static constexpr size_t kNumbers = 1, kShared = 0;
  using Numbers = std::array<float, kNumbers>;
  static float Map(float x, const Numbers& p) { return p[0] * x; }
  static float Gradient(float dy, float x, const Numbers& p, Numbers& dp) {
    dp[0] = dy * x;
    return p[0] * dy;
  }
};

struct DynamicTanhRow {  // scale tanh(alpha x) + offset
  static constexpr std::string_view kName = "dynamic tanh";
  static constexpr size_t kNumbers = 3, kShared = 1;
  using Numbers = std::array<float, kNumbers>;
  static float Map(float x, const Numbers& p) { return p[1] * std::tanh(p[0] * x) + p[2]; }
  static float Gradient(float dy, float x, const Numbers& p, Numbers& dp) {
    const float t = std::tanh(p[0] * x), inner = dy * p[1] * (1 - t * t);
    dp = {inner * x, dy * t, dy};
    return p[0] * inner;
  }
};

template <class F>
class ChannelKernel : public Kernel {
 public:
  ChannelKernel(const Layout& x, const RowCut& cut)
      : cut_(cut),
        channels_(x.channels()),
        inner_(x.size() / std::max<int64_t>(1, x.axes()[0].size * channels_)) {}
  size_t backward_scratch_bytes() const override {
    return static_cast<size_t>(BatchPart::kLeaves * kPieces * kSums * channels_) * sizeof(double);
  }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t i) const override { return i == 0; }
  bool adds(size_t i) const override { return i == 0; }

  void Forward(const ForwardContext& context) override {
    const int64_t rows = cut_.Get().rows() * inner_;
    ForRowPieces(rows, channels_, [&](int64_t row) {
      const float* x = context.x() + row * channels_;
      Store(context.y() + row * channels_, 0, channels_, false,
            [&](int64_t c) { return F::Map(x[c], NumbersOf(context, c)); });
    });
  }

  // Of each leaf a few runs of rows, summed in order.
  void Backward(const BackwardContext& context) override {
    const LeafCut cut = cut_.Get();
    auto* sums = reinterpret_cast<double*>(context.scratch);
    const int64_t size = kSums * channels_;
    std::fill_n(sums, cut.count() * kPieces * size, 0.0);
    ParallelFor(cut.count() * kPieces, cut.rows() * inner_ * channels_ >= kParallelElements,
                [&](int64_t task) {
                  const int64_t leaf = task / kPieces, piece = task % kPieces;
                  const int64_t rows = cut.length(leaf) * inner_, first = cut.begin(leaf) * inner_;
                  for (int64_t row = first + rows * piece / kPieces;
                       row < first + rows * (piece + 1) / kPieces; ++row)
                    BackwardRow(context, row * channels_, sums + task * size);
                });
    LeafArrays<double> arrays{};
    for (int64_t i = 0; i < cut.count(); ++i) {
      double* own = sums + i * kPieces * size;
      for (int64_t piece = 1; piece < kPieces; ++piece) AddUp()(own, own + piece * size, size);
      arrays[static_cast<size_t>(cut.leaf(i))] = own;
    }
    WriteSums(context, SumLeaves(arrays, cut.part(), context.run.reducer, size));
  }

 private:
  static constexpr int64_t kPieces = 4, kSums = static_cast<int64_t>(F::kNumbers);

  template <class Context>
  static typename F::Numbers NumbersOf(const Context& context, int64_t channel) {
    typename F::Numbers numbers;
    for (size_t i = 0; i < F::kNumbers; ++i)
      numbers[i] = context.x(i + 1)[i < F::kShared ? 0 : channel];
    return numbers;
  }

  void BackwardRow(const BackwardContext& context, int64_t at, double* sums) const {
    const float *x = context.x() + at, *dy = context.dy() + at;
    float* dx = context.dx() ? context.dx() + at : nullptr;
    for (int64_t c = 0; c < channels_; ++c) {
      typename F::Numbers parts;
      const float g = F::Gradient(dy[c], x[c], NumbersOf(context, c), parts);
      if (dx) dx[c] = context.add[0] ? dx[c] + g : g;
      for (size_t i = 0; i < F::kNumbers; ++i)
        sums[static_cast<int64_t>(i) * channels_ + c] += parts[i];
    }
  }

  void WriteSums(const BackwardContext& context, const double* sums) const {
    for (size_t i = 0; i < F::kNumbers; ++i) {
      float* to = context.dx(i + 1);
      if (!to) continue;
      const double* from = sums ? sums + static_cast<int64_t>(i) * channels_ : nullptr;
      double all = 0;
      for (int64_t c = 0; c < channels_; ++c) {
        const double one = from ? from[c] : 0;
        all += one;
        if (i >= F::kShared) to[c] = static_cast<float>(one);
      }
      if (i < F::kShared) to[0] = static_cast<float>(all);
    }
  }

  RowCut cut_;
  int64_t channels_, inner_;  // rows of channels in one of the first axis
};

template <class F>
class ChannelOp : public Op {
 public:
  std::string_view name() const override { return F::kName; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    if (!x.channels_last()) Fail("input is {}, expected channels last", x.ToString());
    for (size_t i = 0; i < F::kNumbers; ++i)
      if (const int64_t size = inputs[i + 1].type.shape.size(),
          expected = i < F::kShared ? 1 : x.channels();
          size != expected)
        Fail("parameter {} has {} values, expected {} ({})", i + 1, size, expected, x.ToString());
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    const Layout& x = inputs[0].type.shape;
    return std::make_unique<ChannelKernel<F>>(x, RowCut(x, how.part, how.time));
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    if (!IsWhole(y, inputs[0].type.shape, y.size.size() - 1)) return std::nullopt;
    return FirstPiece(inputs, y);
  }
};

}  // namespace

OpPtr ParametricRelu() { return std::make_shared<ChannelOp<ParametricReluRow>>(); }
OpPtr ChannelScale() { return std::make_shared<ChannelOp<ChannelScaleRow>>(); }
OpPtr DynamicTanh() { return std::make_shared<ChannelOp<DynamicTanhRow>>(); }

}  // namespace normkit::ops
