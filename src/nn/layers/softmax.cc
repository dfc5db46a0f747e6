#include "src/nn/layers/softmax.h"

#include <algorithm>
#include <cmath>

#include "src/core/parallel.h"
#include "src/nn/layers/elementwise.h"

namespace normkit {
namespace {

class SoftmaxOp : public LayerOp {
 public:
  explicit SoftmaxOp(const Layout& x) : rows_(x.size() / x.channels()), channels_(x.channels()) {}
  bool needs_input(size_t) const override { return false; }
  bool needs_output() const override { return true; }

  void Forward(const ForwardContext& context) override {
    ForRowPieces(rows_, channels_, [&](int64_t row) {
      const float* x = context.inputs[0] + row * channels_;
      float* y = context.output + row * channels_;
      const float largest = *std::max_element(x, x + channels_);
      double sum = 0;
      for (int64_t c = 0; c < channels_; ++c) sum += y[c] = std::exp(x[c] - largest);
      for (int64_t c = 0; c < channels_; ++c) y[c] = static_cast<float>(y[c] / sum);
    });
  }

  // dx = y * (dy - sum(dy * y))
  void Backward(const BackwardContext& context) override {
    if (!context.dinputs[0]) return;
    ForRowPieces(rows_, channels_, [&](int64_t row) {
      const float* y = context.output + row * channels_;
      const float* dy = context.doutput + row * channels_;
      double sum = 0;
      for (int64_t c = 0; c < channels_; ++c) sum += static_cast<double>(dy[c]) * y[c];
      Store(context.dinputs[0] + row * channels_, 0, channels_, context.add_to_dinput[0],
            [&](int64_t c) { return static_cast<float>(y[c] * (dy[c] - sum)); });
    });
  }

 private:
  int64_t rows_, channels_;
};

}  // namespace

Layout SoftmaxLayer::OutputLayout(std::span<const Layout> inputs) const {
  const Layout& x = OnlyInput(*this, inputs);
  if (!x.channels_last()) FailLayer(*this, "input is {}, expected channels last", x.ToString());
  if (x.channels() < 2)
    FailLayer(*this,
              "input is {}, expected at least 2 channels (classes): of one value it is 1, whatever "
              "the input",
              x.ToString());
  return x;
}

std::unique_ptr<LayerOp> SoftmaxLayer::Prepare(std::span<const Layout> inputs, bool) const {
  return std::make_unique<SoftmaxOp>(inputs[0]);
}

LayerPtr Softmax(const std::string& name) { return std::make_shared<SoftmaxLayer>(name); }

}  // namespace normkit
