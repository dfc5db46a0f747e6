// Layers that map each element by itself.
#pragma once

#include <algorithm>

#include "src/core/parallel.h"
#include "src/nn/layers/common.h"

namespace normkit {

// Calls body(begin, end) on pieces of [0, size) that are cut by the size alone.
template <class Body>
void ForPieces(int64_t size, const Body& body) {
  const int64_t pieces = (size + kPieceElements - 1) / kPieceElements;
  ParallelFor(pieces, size >= kParallelElements, [&](int64_t piece) {
    body(piece * kPieceElements, std::min(size, (piece + 1) * kPieceElements));
  });
}

// Calls body(row) for each row of a [rows, row_size] array, in pieces cut by shape alone.
template <class Body>
void ForRowPieces(int64_t rows, int64_t row_size, const Body& body) {
  const int64_t in_piece = std::max<int64_t>(1, kPieceElements / row_size);
  ParallelFor((rows + in_piece - 1) / in_piece, rows * row_size >= kParallelElements,
              [&](int64_t piece) {
                const int64_t end = std::min(rows, (piece + 1) * in_piece);
                for (int64_t row = piece * in_piece; row < end; ++row) body(row);
              });
}

// to[i] = value(i), or += value(i), which may read to[i]: "simd" says to compilers that nothing is
// read which another i writes, as __restrict would, and leaves that open.
template <class Function>
void Store(float* to, int64_t begin, int64_t end, bool add, const Function& value) {
  if (add) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) to[i] += value(i);
  } else {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) to[i] = value(i);
  }
}

// y = f.Map(x), dx = f.Gradient(dy, x or y), which of the two is F::kGradientReadsOutput.
template <class F>
class ElementwiseOp : public LayerOp {
 public:
  ElementwiseOp(const Layout& x, F f) : size_(x.size()), f_(f) {}
  bool needs_input(size_t) const override { return !F::kGradientReadsOutput; }
  bool needs_output() const override { return F::kGradientReadsOutput; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t) const override { return true; }

  void Forward(const ForwardContext& context) override {
    const float* x = context.inputs[0];
    ForPieces(size_, [&, f = f_](int64_t begin, int64_t end) {
      Store(context.output, begin, end, false, [=](int64_t i) { return f.Map(x[i]); });
    });
  }

  void Backward(const BackwardContext& context) override {
    if (!context.dinputs[0]) return;
    const float* at = F::kGradientReadsOutput ? context.output : context.inputs[0];
    const float* dy = context.doutput;
    ForPieces(size_, [&, f = f_](int64_t begin, int64_t end) {
      Store(context.dinputs[0], begin, end, context.add_to_dinput[0],
            [=](int64_t i) { return f.Gradient(dy[i], at[i]); });
    });
  }

 private:
  int64_t size_;
  F f_;
};

// A layer without shape or parameters of its own.
template <class F>
class ElementwiseLayer : public Layer {
 public:
  ElementwiseLayer(std::string name, F f) : Layer(std::move(name)), f_(f) {}
  std::string_view type() const override { return F::kType; }
  std::string_view short_name() const override { return F::kShortName; }
  Layout OutputLayout(std::span<const Layout> inputs) const override {
    return OnlyInput(*this, inputs);
  }
  std::unique_ptr<LayerOp> Prepare(std::span<const Layout> inputs, bool) const override {
    return std::make_unique<ElementwiseOp<F>>(inputs[0], f_);
  }

 protected:
  F f_;
};

}  // namespace normkit
