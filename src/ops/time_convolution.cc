// Convolution over packed time: no window reads over an end of its observation.
#include <cstring>
#include <vector>

#include "src/core/fail.h"
#include "src/onednn/inner_product.h"
#include "src/ops/pieces.h"
#include "src/ops/time_ops.h"
#include "src/ops/time_rows.h"
#include "src/products/row_product.h"

namespace normkit::ops {
namespace {

using products::Begin;
using products::PackedSize;
using products::RowProduct;
using products::WeightOrder;

struct TimeConvolutionShape {
  int64_t channels, filters, taps, groups, dilation, before;
  int64_t in() const { return channels / groups; }  // of a group
  int64_t out() const { return filters / groups; }
  // How many rows behind the row of y a tap reads x.
  int64_t Reach(int64_t tap) const { return tap * dilation - before; }
};

// A tap after the other is a product of the rows it reads, or of zeros behind an end, added to what
// is there: in one order for each row, wherever it stands.
class TimeConvolutionKernel : public Kernel {
 public:
  TimeConvolutionKernel(const TimeConvolutionShape& shape, const Layout& x, const TimeRows& time,
                        const Preparation& how)
      : shape_(shape),
        time_(time),
        product_({time.rows(), shape.channels, shape.filters}, RowCut(x, how.part, how.time)) {}

  size_t forward_scratch_bytes() const override {
    return Bytes(Packed(shape_.out(), shape_.in()) + shape_.in());
  }
  size_t backward_scratch_bytes() const override {
    const int64_t of_data = Packed(shape_.in(), shape_.out()) + shape_.out(),
                  of_weights = (time_.rows() + shape_.filters) * shape_.channels;
    return Bytes(std::max(of_data, of_weights));
  }
  bool needs_input(size_t i) const override { return i < 2; }
  bool adds(size_t i) const override { return i == 0; }

  void Forward(const ForwardContext& context) override {
    if (time_.Idle()) return (void)std::fill_n(context.y(), time_.rows() * shape_.filters, 0.f);
    auto* scratch = reinterpret_cast<float*>(context.scratch);
    const int64_t in = shape_.in(), out = shape_.out();
    Multiply({context.x(),
              in,
              context.y(),
              out,
              context.x(1),
              {out, in, in * shape_.taps, shape_.taps},
              context.inputs.size() > 2 ? context.x(2) : nullptr,
              false,
              1},
             scratch);
  }

  void Backward(const BackwardContext& context) override {
    auto* scratch = reinterpret_cast<float*>(context.scratch);
    if (context.dx(1)) WeightGradients(context, scratch);
    if (!context.dx(0)) return;
    if (time_.Idle())
      return Store(context.dx(0), 0, time_.rows() * shape_.channels, context.add[0],
                   [](int64_t) { return 0.f; });
    const int64_t in = shape_.in(), out = shape_.out();
    Multiply({context.dy(),
              out,
              context.dx(0),
              in,
              context.x(1),
              {in, out, shape_.taps, in * shape_.taps},
              nullptr,
              context.add[0],
              -1},
             scratch);
  }

 private:
  // One way or back: `from` and `to` hold so many channels of each group, a tap reads in the
  // direction `sign`.
  struct Pass {
    const float* from;
    int64_t from_width;
    float* to;
    int64_t to_width;
    const float* weights;
    WeightOrder order;
    const float* bias;
    bool add;
    int64_t sign;
  };
  static size_t Bytes(int64_t floats) { return static_cast<size_t>(floats) * sizeof(float); }
  int64_t Packed(int64_t out, int64_t in) const {
    return shape_.groups * shape_.taps * static_cast<int64_t>(PackedSize(out, in));
  }

  void Multiply(const Pass& pass, float* scratch) const {
    const auto each = static_cast<int64_t>(PackedSize(pass.to_width, pass.from_width));
    const int64_t all = shape_.groups * shape_.taps, weights = shape_.in() * shape_.out();
    float* zeros = scratch + all * each;
    std::fill_n(zeros, pass.from_width, 0.f);
    const bool threads = time_.rows() * all * weights >= kParallelElements * 4;
    ParallelFor(all, threads && weights >= kPieceElements, [&](int64_t i) {
      PackWeights(pass.weights + i / shape_.taps * weights * shape_.taps + i % shape_.taps,
                  pass.order, scratch + i * each);
    });
    ParallelFor((time_.rows() + kRows - 1) / kRows, threads, [&](int64_t piece) {
      const int64_t first = piece * kRows, last = std::min(time_.rows(), first + kRows);
      for (int64_t i = 0; i < all; ++i)
        MultiplyTap(pass, i / shape_.taps, i % shape_.taps, first, last, scratch + i * each, zeros);
    });
  }

  void MultiplyTap(const Pass& pass, int64_t group, int64_t tap, int64_t first, int64_t last,
                   const float* packed, const float* zeros) const {
    const float* x[kRows];
    float* y[kRows];
    const int64_t reach = pass.sign * shape_.Reach(tap);
    time_.ForRows(first, last, [&](int64_t row, int64_t begin, int64_t end) {
      const int64_t at = row + reach;
      const bool inside = at >= begin && at < end;
      x[row - first] = inside ? pass.from + (at * shape_.groups + group) * pass.from_width : zeros;
      y[row - first] = pass.to + (row * shape_.groups + group) * pass.to_width;
    });
    const bool begins = tap == 0 && !pass.add;
    RowProduct{packed, pass.to_width, pass.from_width,
               !begins     ? Begin::kThere
               : pass.bias ? Begin::kBias
                           : Begin::kZeros,
               pass.bias ? pass.bias + group * pass.to_width : nullptr}
        .Run(x, y, last - first);
  }

  // Tap by tap, that of a matrix product with the rows that it reads.
  void WeightGradients(const BackwardContext& context, float* scratch) {
    float *rows = scratch, *dw = scratch + time_.rows() * shape_.channels;
    const int64_t in = shape_.in(), out = shape_.out();
    float* dbias = context.dinputs.size() > 2 ? context.dx(2) : nullptr;
    for (int64_t tap = 0; tap < shape_.taps; ++tap) {
      Shift(context.x(0), shape_.Reach(tap), rows);
      product_.BackwardWeights(rows, context.dy(), context.run.reducer, dw,
                               tap == 0 ? dbias : nullptr);
      for (int64_t o = 0; o < shape_.filters; ++o)
        for (int64_t c = 0; c < in; ++c)
          context.dx(1)[(o * in + c) * shape_.taps + tap] =
              dw[o * shape_.channels + o / out * in + c];
    }
  }

  void Shift(const float* x, int64_t reach, float* to) const {
    const auto width = static_cast<size_t>(shape_.channels);
    if (time_.Idle()) return (void)std::fill_n(to, width, 0.f);
    ParallelFor((time_.rows() + kRows - 1) / kRows,
                time_.rows() * shape_.channels >= kParallelElements, [&](int64_t piece) {
                  const int64_t first = piece * kRows, last = std::min(time_.rows(), first + kRows);
                  time_.ForRows(first, last, [&](int64_t row, int64_t begin, int64_t end) {
                    float* own = to + row * shape_.channels;
                    const int64_t at = row + reach;
                    if (at >= begin && at < end)
                      std::copy_n(x + at * shape_.channels, width, own);
                    else
                      std::fill_n(own, width, 0.f);
                  });
                });
  }

  static constexpr int64_t kRows = 64;  // at a time, while they are in the cache

  TimeConvolutionShape shape_;
  TimeRows time_;
  InnerProduct product_;
};

class TimeConvolutionOp : public Op {
 public:
  TimeConvolutionOp(int64_t dilation, int64_t before, int64_t groups)
      : dilation_(dilation), before_(before), groups_(groups) {}
  std::string_view name() const override { return "time convolution"; }

  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const TimeConvolutionShape shape = Shape(inputs);
    std::vector<Axis> axes = inputs[0].type.shape.axes();
    axes[1].size = shape.filters;
    return {{DType::kF32, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    const Layout& x = inputs[0].type.shape;
    return std::make_unique<TimeConvolutionKernel>(
        Shape(inputs), x, TimeRows(x, inputs[0].observations, how.time), how);
  }

 private:
  TimeConvolutionShape Shape(std::span<const OpInput> inputs) const {
    const Layout& x = inputs[0].type.shape;
    const std::vector<int64_t> weights = inputs[1].type.shape.shape();
    if (x.format() != "TC" || weights.size() != 3 || weights[1] * groups_ != x.channels() ||
        weights[0] % groups_ != 0)
      Fail("weights are {} for {} groups of x {}, expected [filters,channels / groups,taps] and TC",
           inputs[1].type.shape.ToString(), groups_, x.ToString());
    return {x.channels(), weights[0], weights[2], groups_, dilation_, before_};
  }

  int64_t dilation_, before_, groups_;
};

}  // namespace

OpPtr TimeConvolution(int64_t dilation, int64_t before, int64_t groups) {
  return std::make_shared<TimeConvolutionOp>(dilation, before, groups);
}

}  // namespace normkit::ops
