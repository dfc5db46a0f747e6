// Operations that join several values.
#include <cstring>

#include "src/core/fail.h"
#include "src/ops/boxes.h"
#include "src/ops/elementwise.h"
#include "src/ops/known.h"
#include "src/ops/ops.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

class AdditionKernel : public Kernel {
 public:
  AdditionKernel(int64_t size, bool relu) : size_(size), relu_(relu) {}
  bool needs_input(size_t) const override { return false; }
  bool needs_output(size_t) const override { return relu_; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t) const override { return true; }

  void Forward(const ForwardContext& context) override {
    const size_t count = context.inputs.size();
    float* y = context.y();
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      const float *a = context.x(0), *b = context.x(1);
      if (relu_ && count == 2)
        return Store(y, begin, end, false, [=](int64_t i) { return Relu::Map(a[i] + b[i]); });
      Store(y, begin, end, false, [=](int64_t i) { return a[i] + b[i]; });
      for (size_t k = 2; k < count; ++k)
        Store(y, begin, end, true, [more = context.x(k)](int64_t i) { return more[i]; });
      if (relu_) Store(y, begin, end, false, [=](int64_t i) { return Relu::Map(y[i]); });
    });
  }

  void Backward(const BackwardContext& context) override {
    const float *dy = context.dy(), *y = context.y();
    float* over = nullptr;  // the gradients that lie over dy
    for (float* dx : context.dinputs)
      if (dx == dy) over = dx;
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      const auto passed = [=](int64_t i) { return Relu::Gradient(dy[i], y[i]); };
      if (relu_ && over) Store(over, begin, end, false, passed);
      for (size_t k = 0; k < context.dinputs.size(); ++k) {
        float* dx = context.dx(k);
        if (!dx || dx == over) continue;
        if (relu_ && !over)
          Store(dx, begin, end, context.add[k], passed);
        else
          Store(dx, begin, end, context.add[k], [=](int64_t i) { return dy[i]; });
      }
    });
  }

 private:
  int64_t size_;
  bool relu_;
};

class AdditionOp : public Op {
 public:
  explicit AdditionOp(bool relu) : relu_(relu) {}
  std::string_view name() const override { return relu_ ? "addition with ReLU" : "addition"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    for (const OpInput& x : inputs)
      if (!(x.type == inputs[0].type))
        Fail("inputs are {} and {}, expected equal sizes", inputs[0].type.shape.ToString(),
             x.type.shape.ToString());
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<AdditionKernel>(inputs[0].type.shape.size(), relu_);
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    return ElementPiece(inputs, y);
  }

 private:
  bool relu_;
};

// Rows are what lies before the axis; of each row every input has a run of elements.
class ConcatenationKernel : public Kernel {
 public:
  ConcatenationKernel(std::span<const OpInput> inputs, size_t axis)
      : bytes_(static_cast<int64_t>(SizeOf(inputs[0].type.dtype))) {
    const std::vector<int64_t> shape = inputs[0].type.shape.shape();
    rows_ = 1;
    for (size_t i = 0; i < axis; ++i) rows_ *= shape[i];
    for (const OpInput& x : inputs) {
      begin_.push_back(row_);
      row_ += rows_ > 0 ? x.type.shape.size() / rows_ : 0;
    }
    begin_.push_back(row_);
  }
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    if (row_ == 0) return;
    ForRowPieces(rows_, row_, [&](int64_t row) {
      for (size_t k = 0; k < context.inputs.size(); ++k) {
        const int64_t n = (begin_[k + 1] - begin_[k]) * bytes_;
        const char* from = context.x<char>(k) + row * n;
        char* to = context.y<char>() + (row * row_ + begin_[k]) * bytes_;
        if (n == sizeof(float))  // a call would take longer than the copy
          std::memcpy(to, from, sizeof(float));
        else
          std::memcpy(to, from, static_cast<size_t>(n));
      }
    });
  }

  void Backward(const BackwardContext& context) override {
    ForRowPieces(rows_, row_, [&](int64_t row) {
      for (size_t k = 0; k < context.dinputs.size(); ++k) {
        if (!context.dx(k)) continue;
        const int64_t n = begin_[k + 1] - begin_[k];
        const float* dy = context.dy() + row * row_ + begin_[k];
        Store(context.dx(k) + row * n, 0, n, context.add[k], [&](int64_t i) { return dy[i]; });
      }
    });
  }

 private:
  int64_t bytes_;  // of an element
  int64_t rows_ = 0, row_ = 0;
  std::vector<int64_t> begin_;  // of each input in a row, and the end of the last
};

class ConcatenationOp : public Op {
 public:
  explicit ConcatenationOp(int64_t axis) : axis_(axis) {}
  std::string_view name() const override { return "concatenation"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const ArrayType& first = inputs[0].type;
    const size_t axis = Place(inputs);
    std::vector<Axis> axes = first.shape.axes();
    axes[axis].size = 0;
    for (const OpInput& x : inputs) {
      std::vector<int64_t> others = x.type.shape.shape(), wanted = first.shape.shape();
      if (others.size() == wanted.size()) others[axis] = wanted[axis];
      if (others != wanted || x.type.dtype != first.dtype)
        Fail("inputs are {} and {}, expected sizes that differ in {} only", Shown(first),
             Shown(x.type), axis_ == -1 ? "the channels" : fmt::format("axis {}", axis));
      axes[axis].size += x.type.shape.axes()[axis].size;
    }
    return {{first.dtype, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<ConcatenationKernel>(inputs, Place(inputs));
  }
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    const size_t axis = Place(inputs);
    int64_t joined = 0;
    for (const OpInput& x : inputs) joined += x.type.shape.axes()[axis].size;
    if (y.size[axis] != joined) return std::nullopt;
    OpPiece piece{nullptr, y, {}};
    for (size_t k = 0; k < inputs.size(); ++k) {
      piece.inputs.push_back({k, y});
      piece.inputs[k].box.size[axis] = inputs[k].type.shape.axes()[axis].size;
    }
    return piece;
  }

 private:
  size_t Place(std::span<const OpInput> inputs) const {
    return static_cast<size_t>(AxisOf(axis_, inputs[0].type.shape.rank()));
  }
  static std::string Shown(const ArrayType& x) {
    return x.dtype == DType::kF32 ? x.shape.ToString() : x.ToString();
  }

  int64_t axis_;
};

}  // namespace

OpPtr Addition(bool relu) { return std::make_shared<AdditionOp>(relu); }

OpPtr Concatenation(int64_t axis) { return std::make_shared<ConcatenationOp>(axis); }

}  // namespace normkit::ops
