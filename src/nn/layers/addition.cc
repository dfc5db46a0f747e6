#include "src/nn/layers/addition.h"

#include "src/nn/layers/elementwise.h"

namespace normkit {
namespace {

class AdditionOp : public LayerOp {
 public:
  explicit AdditionOp(const Layout& x) : size_(x.size()) {}
  bool needs_inputs() const override { return false; }

  void Forward(const ForwardContext& context) override {
    const auto& x = context.inputs;
    float* y = context.output;
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      Store(y, begin, end, false, [&](int64_t i) { return x[0][i] + x[1][i]; });
      for (size_t k = 2; k < x.size(); ++k)
        Store(y, begin, end, true, [&](int64_t i) { return x[k][i]; });
    });
  }

  void Backward(const BackwardContext& context) override {
    const float* dy = context.doutput;
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      for (size_t k = 0; k < context.dinputs.size(); ++k)
        if (context.dinputs[k])
          Store(context.dinputs[k], begin, end, context.add_to_dinput[k],
                [&](int64_t i) { return dy[i]; });
    });
  }

 private:
  int64_t size_;
};

}  // namespace

AdditionLayer::AdditionLayer(const AdditionOptions& options)
    : Layer(options.name), options_(options) {
  CheckRange(*this, "num_inputs", options.num_inputs, 2, kMaxInputs);
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
  return std::make_unique<AdditionOp>(inputs[0]);
}

std::string AdditionLayer::Description() const {
  return fmt::format("{} inputs", options_.num_inputs);
}

LayerPtr Addition(const AdditionOptions& options) {
  return std::make_shared<AdditionLayer>(options);
}

}  // namespace normkit
