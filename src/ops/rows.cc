// Operations on rows: softmax, flattening, what an input layer does; and dropout.
#include <algorithm>
#include <cmath>
#include <vector>

#include "src/core/batch_tree.h"
#include "src/core/fail.h"
#include "src/ops/boxes.h"
#include "src/ops/ops.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

class SoftmaxKernel : public Kernel {
 public:
  explicit SoftmaxKernel(const Layout& x)
      : rows_(x.size() / x.axes().back().size), channels_(x.axes().back().size) {}
  bool needs_input(size_t) const override { return false; }
  bool needs_output(size_t) const override { return true; }

  void Forward(const ForwardContext& context) override {
    ForRowPieces(rows_, channels_, [&](int64_t row) {
      const float* x = context.x() + row * channels_;
      float* y = context.y() + row * channels_;
      const float largest = *std::max_element(x, x + channels_);
      double sum = 0;
      for (int64_t c = 0; c < channels_; ++c) sum += y[c] = std::exp(x[c] - largest);
      for (int64_t c = 0; c < channels_; ++c) y[c] = static_cast<float>(y[c] / sum);
    });
  }

  // dx = y * (dy - sum(dy * y))
  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    ForRowPieces(rows_, channels_, [&](int64_t row) {
      const float* y = context.y() + row * channels_;
      const float* dy = context.dy() + row * channels_;
      double sum = 0;
      for (int64_t c = 0; c < channels_; ++c) sum += static_cast<double>(dy[c]) * y[c];
      Store(context.dx() + row * channels_, 0, channels_, context.add[0],
            [&](int64_t c) { return static_cast<float>(y[c] * (dy[c] - sum)); });
    });
  }

 private:
  int64_t rows_, channels_;
};

class SoftmaxOp : public Op {
 public:
  std::string_view name() const override { return "softmax"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<SoftmaxKernel>(inputs[0].type.shape);
  }
};

class FlattenKernel : public Kernel {
 public:
  explicit FlattenKernel(const Layout& x) : x_(x) {}
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    ForRowPieces(x_.batch, x_.observation(), [&](int64_t b) {
      const float* x = context.x() + b * x_.observation();
      float* y = context.y() + b * x_.observation();
      for (int64_t c = 0; c < x_.channels; ++c)
        for (int64_t s = 0; s < x_.pixels; ++s) y[c * x_.pixels + s] = x[s * x_.channels + c];
    });
  }

  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    ForRowPieces(x_.batch, x_.observation(), [&](int64_t b) {
      const float* dy = context.dy() + b * x_.observation();
      float* dx = context.dx() + b * x_.observation();
      for (int64_t s = 0; s < x_.pixels; ++s)
        Store(dx + s * x_.channels, 0, x_.channels, context.add[0],
              [&](int64_t c) { return dy[c * x_.pixels + s]; });
    });
  }

 private:
  Pixels x_;
};

class FlattenOp : public Op {
 public:
  std::string_view name() const override { return "flatten"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    const Axis &batch = x.axes().front(), &channels = x.axes().back();
    return {{DType::kF32, Layout({batch, {channels.label, x.size() / batch.size}})}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<FlattenKernel>(inputs[0].type.shape);
  }
};

// Which elements stay is saved, a byte each. The seed, the iteration, the node and the element's
// place in the whole mini-batch decide.
class DropoutKernel : public Kernel {
 public:
  DropoutKernel(const Layout& x, const RowCut& cut, double probability)
      : size_(x.size()),
        row_(x.size() / x.axes()[0].size),
        cut_(cut),
        dropped_below_(static_cast<uint32_t>(std::lround(probability * 0x1p32))),
        scale_(static_cast<float>(1 / (1 - probability))) {}
  size_t saved_bytes() const override { return static_cast<size_t>(size_); }
  bool needs_input(size_t) const override { return false; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t) const override { return true; }

  void Forward(const ForwardContext& context) override {
    const float* x = context.x();
    auto* stays = reinterpret_cast<uint8_t*>(context.saved);
    if (!Active(context.run)) {
      if (x == context.y()) return;
      return ForPieces(size_, [&](int64_t begin, int64_t end) {
        std::copy(x + begin, x + end, context.y() + begin);
      });
    }
    const LeafCut cut = cut_.Get();
    const int64_t first = cut.part().begin() * cut.each() * row_;
    ForPieces(size_, [&, key = KeyOf(context)](int64_t begin, int64_t end) {
      Draw(key, first, begin, end, stays);
      Store(context.y(), begin, end, false,
            [&](int64_t i) { return stays[i] ? x[i] * scale_ : 0.f; });
    });
  }

  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    const float* dy = context.dy();
    const auto* stays = reinterpret_cast<const uint8_t*>(context.saved);
    const bool active = Active(context.run);
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      Store(context.dx(), begin, end, context.add[0], [&](int64_t i) {
        return !active ? dy[i] : stays[i] ? dy[i] * scale_ : 0.f;
      });
    });
  }

 private:
  static bool Active(const RunContext& run) { return run.training && run.dropout; }

  static uint64_t KeyOf(const ForwardContext& context) {
    Random iteration(context.run.seed, context.run.iteration);
    return iteration.Bits() ^ Random::Mix(static_cast<uint64_t>(context.stream));
  }

  // Two elements to each number of 64 bits; `first`: the place of element 0.
  void Draw(uint64_t key, int64_t first, int64_t begin, int64_t end, uint8_t* stays) const {
    for (int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<uint64_t>(first + i);
      const uint64_t bits = Random::BitsAt(key, at / 2);
      stays[i] = static_cast<uint32_t>(at % 2 ? bits >> 32 : bits) >= dropped_below_;
    }
  }

  int64_t size_, row_;
  RowCut cut_;
  uint32_t dropped_below_;
  float scale_;
};

class DropoutOp : public Op {
 public:
  explicit DropoutOp(double probability) : probability_(probability) {}
  std::string_view name() const override { return "dropout"; }
  bool folds() const override { return false; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    const Layout& x = inputs[0].type.shape;
    return std::make_unique<DropoutKernel>(x, RowCut(x, how.part, how.time), probability_);
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    return ElementPiece(inputs, y);
  }

 private:
  double probability_;
};

// y = (x - a) / d with arrays a, b of a value a channel: d is 1, b or b - a; then perhaps 2 y - 1.
class RescalingKernel : public Kernel {
 public:
  RescalingKernel(Rescale how, const Layout& x)
      : how_(how),
        size_(x.size()),
        channels_(x.channels()),
        length_(channels_ * std::max<int64_t>(1, kLongRow / channels_)),
        a_(static_cast<size_t>(length_)),
        b_(a_) {}
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    const float* a = Repeat(context.x(1), a_);
    const float* b = context.inputs.size() > 2 ? Repeat(context.x(2), b_) : nullptr;
    ForRowPieces((size_ + length_ - 1) / length_, length_, [&](int64_t row) {
      const int64_t begin = row * length_;
      RescaleRow(context.x() + begin, a, b, std::min(length_, size_ - begin), context.y() + begin);
    });
  }

 private:
  static constexpr int64_t kLongRow = 256;  // pixels of few channels are rescaled together

  // The numbers of the channels, for each pixel of a row.
  const float* Repeat(const float* numbers, std::vector<float>& row) const {
    for (auto to = row.begin(); to < row.end(); to += channels_)
      std::copy_n(numbers, channels_, to);
    return row.data();
  }

  void RescaleRow(const float* x, const float* a, const float* b, int64_t n, float* y) const {
    switch (how_) {
      case Rescale::kSubtract:
        for (int64_t c = 0; c < n; ++c) y[c] = x[c] - a[c];
        break;
      case Rescale::kStandardize:
        for (int64_t c = 0; c < n; ++c) y[c] = (x[c] - a[c]) / b[c];
        break;
      case Rescale::kZeroOne:
        for (int64_t c = 0; c < n; ++c) y[c] = (x[c] - a[c]) / (b[c] - a[c]);
        break;
      case Rescale::kSymmetric:
        for (int64_t c = 0; c < n; ++c) y[c] = 2 * ((x[c] - a[c]) / (b[c] - a[c])) - 1;
        break;
    }
  }

  Rescale how_;
  int64_t size_, channels_, length_;
  std::vector<float> a_, b_;
};

class RescalingOp : public Op {
 public:
  explicit RescalingOp(Rescale how) : how_(how) {}
  std::string_view name() const override { return "rescaling"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    if (inputs[1].type.shape.size() != x.channels())
      Fail("statistics are of {} channels, expected {} ({})", inputs[1].type.shape.size(),
           x.channels(), x.ToString());
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<RescalingKernel>(how_, inputs[0].type.shape);
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    return FirstPiece(inputs, y);
  }

 private:
  Rescale how_;
};

}  // namespace

OpPtr Softmax() { return std::make_shared<SoftmaxOp>(); }
OpPtr Flatten() { return std::make_shared<FlattenOp>(); }
OpPtr Dropout(double probability) { return std::make_shared<DropoutOp>(probability); }
OpPtr Rescaling(Rescale how) { return std::make_shared<RescalingOp>(how); }

}  // namespace normkit::ops
