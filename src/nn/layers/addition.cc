#include "src/nn/layers/addition.h"

#include "src/nn/layers/relu.h"
#include "src/nn/properties.h"

namespace normkit {
namespace {

// The sum, or what a ReLU makes of it.
class AdditionOp : public LayerOp {
 public:
  AdditionOp(const Layout& x, bool relu) : size_(x.size()), relu_(relu) {}
  bool needs_input(size_t) const override { return false; }
  bool needs_output() const override { return relu_; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t) const override { return true; }

  void Forward(const ForwardContext& context) override {
    const auto& x = context.inputs;
    float* y = context.output;
    const ReluFunction relu;
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      const float *a = x[0], *b = x[1];
      if (relu_ && x.size() == 2)
        return Store(y, begin, end, false, [=](int64_t i) { return relu.Map(a[i] + b[i]); });
      Store(y, begin, end, false, [=](int64_t i) { return a[i] + b[i]; });
      for (size_t k = 2; k < x.size(); ++k)
        Store(y, begin, end, true, [more = x[k]](int64_t i) { return more[i]; });
      if (relu_) Store(y, begin, end, false, [=](int64_t i) { return relu.Map(y[i]); });
    });
  }

  void Backward(const BackwardContext& context) override {
    const float *dy = context.doutput, *y = context.output;
    float* over = nullptr;  // the gradients that lie over dy
    for (float* dx : context.dinputs)
      if (dx == dy) over = dx;
    const ReluFunction relu;
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      const auto passed = [=](int64_t i) { return relu.Gradient(dy[i], y[i]); };
      if (relu_ && over) Store(over, begin, end, false, passed);
      for (size_t k = 0; k < context.dinputs.size(); ++k) {
        float* dx = context.dinputs[k];
        if (!dx || dx == over) continue;
        if (relu_ && !over)
          Store(dx, begin, end, context.add_to_dinput[k], passed);
        else
          Store(dx, begin, end, context.add_to_dinput[k], [=](int64_t i) { return dy[i]; });
      }
    });
  }

 private:
  int64_t size_;
  bool relu_;
};

}  // namespace

AdditionLayer::AdditionLayer(const AdditionOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

Layout AdditionLayer::OutputLayout(std::span<const Layout> inputs) const {
  CheckInputCount(*this, inputs, options_.num_inputs);
  for (const Layout& x : inputs)
    if (!(x == inputs[0]))
      FailLayer(*this, "inputs are {} and {}, expected equal sizes", inputs[0].ToString(),
                x.ToString());
  return inputs[0];
}

std::unique_ptr<LayerOp> AdditionLayer::Prepare(std::span<const Layout> inputs, bool) const {
  return std::make_unique<AdditionOp>(inputs[0], false);
}

std::unique_ptr<LayerOp> AdditionLayer::PrepareWithRelu(const Layout& x) const {
  return std::make_unique<AdditionOp>(x, true);
}

std::string AdditionLayer::Description() const {
  return fmt::format("{} inputs", options_.num_inputs);
}

LayerPtr Addition(const AdditionOptions& options) {
  return std::make_shared<AdditionLayer>(options);
}

}  // namespace normkit
