// Convolution of rows by taps: each row of y is a sum of products with rows of x. What stands
// beside a row changes none of its bits: observations of packed time get what they get alone.
#pragma once

#include <algorithm>
#include <utility>

#include "normkit/ops/op.h"
#include "src/onednn/inner_product.h"
#include "src/ops/pieces.h"
#include "src/products/row_product.h"

namespace normkit::ops {

struct TapShape {
  int64_t channels, filters, taps, groups;
  int64_t in() const { return channels / groups; }  // of a group
  int64_t out() const { return filters / groups; }
};

// A tap after the other is a product of the rows it reads, or of zeros where there are none, added
// to what is there: in one order for each row, wherever it stands. Taps says which row that is:
//   int64_t x_rows(), y_rows();  // positions
//   bool Idle();                 // of a rank without observations
//   // Calls f(row, source) for rows [first, last) of y with those of x that a tap reads;
//   // `back`: for rows of x with those of y that it is read by; -1: none.
//   void ForSources(bool back, int64_t tap, int64_t first, int64_t last, const F& f);
template <class Taps>
class TapConvolutionKernel : public Kernel {
 public:
  TapConvolutionKernel(const TapShape& shape, Taps taps, const Preparation& how)
      : shape_(shape),
        taps_(std::move(taps)),
        product_({taps_.y_rows(), shape.channels, shape.filters},
                 RowCut(Layout({{kT, taps_.y_rows()}, {kC, 1}}), how.part, how.time)) {}

  size_t forward_scratch_bytes() const override {
    return Bytes(Packed(shape_.out(), shape_.in()) + shape_.in());
  }
  size_t backward_scratch_bytes() const override {
    const int64_t of_data = Packed(shape_.in(), shape_.out()) + shape_.out(),
                  of_weights = (taps_.y_rows() + shape_.filters) * shape_.channels;
    return Bytes(std::max(of_data, of_weights));
  }
  bool needs_input(size_t i) const override { return i < 2; }
  bool adds(size_t i) const override { return i == 0; }

  void Forward(const ForwardContext& context) override {
    if (taps_.Idle()) return (void)std::fill_n(context.y(), taps_.y_rows() * shape_.filters, 0.f);
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
              false},
             scratch);
  }

  void Backward(const BackwardContext& context) override {
    auto* scratch = reinterpret_cast<float*>(context.scratch);
    float* dbias = context.dinputs.size() > 2 ? context.dx(2) : nullptr;
    if (context.dx(1))
      WeightGradients(context, dbias, scratch);
    else
      product_.BackwardWeights(nullptr, context.dy(), context.run.reducer, nullptr, dbias);
    if (!context.dx(0)) return;
    if (taps_.Idle())
      return Store(context.dx(0), 0, taps_.x_rows() * shape_.channels, context.add[0],
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
              true},
             scratch);
  }

 private:
  // One way or back: `from` and `to` hold so many channels of each group.
  struct Pass {
    const float* from;
    int64_t from_width;
    float* to;
    int64_t to_width;
    const float* weights;
    products::WeightOrder order;
    const float* bias;
    bool add, back;
  };
  static size_t Bytes(int64_t floats) { return static_cast<size_t>(floats) * sizeof(float); }
  int64_t Packed(int64_t out, int64_t in) const {
    return shape_.groups * shape_.taps * static_cast<int64_t>(products::PackedSize(out, in));
  }

  void Multiply(const Pass& pass, float* scratch) const {
    const auto each = static_cast<int64_t>(products::PackedSize(pass.to_width, pass.from_width));
    const int64_t all = shape_.groups * shape_.taps, weights = shape_.in() * shape_.out();
    float* zeros = scratch + all * each;
    std::fill_n(zeros, pass.from_width, 0.f);
    const int64_t rows = pass.back ? taps_.x_rows() : taps_.y_rows();
    const bool threads = rows * all * weights >= kParallelElements * 4;
    ParallelFor(all, threads && weights >= kPieceElements, [&](int64_t i) {
      products::PackWeights(
          pass.weights + i / shape_.taps * weights * shape_.taps + i % shape_.taps, pass.order,
          scratch + i * each);
    });
    ParallelFor((rows + kRows - 1) / kRows, threads, [&](int64_t piece) {
      const int64_t first = piece * kRows, last = std::min(rows, first + kRows);
      for (int64_t i = 0; i < all; ++i)
        MultiplyTap(pass, i / shape_.taps, i % shape_.taps, first, last, scratch + i * each, zeros);
    });
  }

  void MultiplyTap(const Pass& pass, int64_t group, int64_t tap, int64_t first, int64_t last,
                   const float* packed, const float* zeros) const {
    const float* x[kRows];
    float* y[kRows];
    taps_.ForSources(pass.back, tap, first, last, [&](int64_t row, int64_t at) {
      x[row - first] = at < 0 ? zeros : pass.from + (at * shape_.groups + group) * pass.from_width;
      y[row - first] = pass.to + (row * shape_.groups + group) * pass.to_width;
    });
    const bool begins = tap == 0 && !pass.add;
    products::RowProduct{packed, pass.to_width, pass.from_width,
                         !begins     ? products::Begin::kThere
                         : pass.bias ? products::Begin::kBias
                                     : products::Begin::kZeros,
                         pass.bias ? pass.bias + group * pass.to_width : nullptr}
        .Run(x, y, last - first);
  }

  // Tap by tap, that of a matrix product with the rows that it reads.
  void WeightGradients(const BackwardContext& context, float* dbias, float* scratch) {
    float *rows = scratch, *dw = scratch + taps_.y_rows() * shape_.channels;
    const int64_t in = shape_.in(), out = shape_.out();
    for (int64_t tap = 0; tap < shape_.taps; ++tap) {
      Gather(context.x(0), tap, rows);
      product_.BackwardWeights(rows, context.dy(), context.run.reducer, dw,
                               tap == 0 ? dbias : nullptr);
      for (int64_t o = 0; o < shape_.filters; ++o)
        for (int64_t c = 0; c < in; ++c)
          context.dx(1)[(o * in + c) * shape_.taps + tap] =
              dw[o * shape_.channels + o / out * in + c];
    }
  }

  // The rows of x that a tap reads, one for each row of y.
  void Gather(const float* x, int64_t tap, float* to) const {
    const auto width = static_cast<size_t>(shape_.channels);
    const int64_t rows = taps_.y_rows();
    if (taps_.Idle()) return (void)std::fill_n(to, static_cast<size_t>(rows) * width, 0.f);
    ParallelFor((rows + kRows - 1) / kRows, rows * shape_.channels >= kParallelElements,
                [&](int64_t piece) {
                  const int64_t first = piece * kRows, last = std::min(rows, first + kRows);
                  taps_.ForSources(false, tap, first, last, [&](int64_t row, int64_t at) {
                    float* own = to + row * shape_.channels;
                    if (at >= 0)
                      std::copy_n(x + at * shape_.channels, width, own);
                    else
                      std::fill_n(own, width, 0.f);
                  });
                });
  }

  static constexpr int64_t kRows = 64;  // at a time, while they are in the cache

  TapShape shape_;
  Taps taps_;
  InnerProduct product_;
};

}  // namespace normkit::ops
