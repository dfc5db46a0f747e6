// Operations that join several values.
#include "src/core/fail.h"
#include "src/ops/elementwise.h"
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

 private:
  bool relu_;
};

class ConcatenationKernel : public Kernel {
 public:
  explicit ConcatenationKernel(std::span<const OpInput> inputs) {
    for (const OpInput& x : inputs) {
      begin_.push_back(channels_);
      channels_ += x.type.shape.axes().back().size;
    }
    begin_.push_back(channels_);
    rows_ = inputs[0].type.shape.size() / begin_[1];
  }
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    ForRowPieces(rows_, channels_, [&](int64_t row) {
      for (size_t k = 0; k < context.inputs.size(); ++k) {
        const int64_t n = begin_[k + 1] - begin_[k];
        std::copy_n(context.x(k) + row * n, n, context.y() + row * channels_ + begin_[k]);
      }
    });
  }

  void Backward(const BackwardContext& context) override {
    ForRowPieces(rows_, channels_, [&](int64_t row) {
      for (size_t k = 0; k < context.dinputs.size(); ++k) {
        if (!context.dx(k)) continue;
        const int64_t n = begin_[k + 1] - begin_[k];
        const float* dy = context.dy() + row * channels_ + begin_[k];
        Store(context.dx(k) + row * n, 0, n, context.add[k], [&](int64_t i) { return dy[i]; });
      }
    });
  }

 private:
  int64_t rows_ = 0, channels_ = 0;
  std::vector<int64_t> begin_;  // of each input among the channels, and the end of the last
};

class ConcatenationOp : public Op {
 public:
  std::string_view name() const override { return "concatenation"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& first = inputs[0].type.shape;
    std::vector<Axis> axes = first.axes();
    axes.back().size = 0;
    for (const OpInput& x : inputs) {
      std::vector<Axis> others = x.type.shape.axes();
      if (others.size() == axes.size()) others.back().size = first.axes().back().size;
      if (others != first.axes())
        Fail("inputs are {} and {}, expected sizes that differ in the channels only",
             first.ToString(), x.type.shape.ToString());
      axes.back().size += x.type.shape.axes().back().size;
    }
    return {{DType::kF32, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<ConcatenationKernel>(inputs);
  }
};

}  // namespace

OpPtr Addition(bool relu) { return std::make_shared<AdditionOp>(relu); }

OpPtr Concatenation() { return std::make_shared<ConcatenationOp>(); }

}  // namespace normkit::ops
