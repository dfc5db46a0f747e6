#include "src/nn/layers/flatten.h"

#include "src/nn/layers/elementwise.h"

namespace normkit {
namespace {

class FlattenOp : public LayerOp {
 public:
  explicit FlattenOp(const Layout& x)
      : batch_(x.SizeOf(kB)), pixels_(x.SizeOf(kS)), channels_(x.channels()) {}
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    ForRowPieces(batch_, pixels_ * channels_, [&](int64_t b) {
      const float* x = context.inputs[0] + b * pixels_ * channels_;
      float* y = context.output + b * pixels_ * channels_;
      for (int64_t c = 0; c < channels_; ++c)
        for (int64_t s = 0; s < pixels_; ++s) y[c * pixels_ + s] = x[s * channels_ + c];
    });
  }

  void Backward(const BackwardContext& context) override {
    if (!context.dinputs[0]) return;
    ForRowPieces(batch_, pixels_ * channels_, [&](int64_t b) {
      const float* dy = context.doutput + b * pixels_ * channels_;
      float* dx = context.dinputs[0] + b * pixels_ * channels_;
      for (int64_t s = 0; s < pixels_; ++s)
        Store(dx + s * channels_, 0, channels_, context.add_to_dinput[0],
              [&](int64_t c) { return dy[c * pixels_ + s]; });
    });
  }

 private:
  int64_t batch_, pixels_, channels_;
};

}  // namespace

Layout FlattenLayer::OutputLayout(std::span<const Layout> inputs) const {
  const Layout& x = OnlyImage(*this, inputs);
  return FeatureLayout(x.SizeOf(kB), x.SizeOf(kS | kC));
}

std::unique_ptr<LayerOp> FlattenLayer::Prepare(std::span<const Layout> inputs, bool) const {
  return std::make_unique<FlattenOp>(inputs[0]);
}

LayerPtr Flatten(const std::string& name) { return std::make_shared<FlattenLayer>(name); }

}  // namespace normkit
