#include "src/nn/layers/global_average_pooling.h"

#include "src/nn/layers/elementwise.h"

namespace normkit {
namespace {

constexpr int64_t kLanes = 64;  // channels summed at once

class GlobalAverageOp : public LayerOp {
 public:
  explicit GlobalAverageOp(const Layout& x)
      : batch_(x.SizeOf(kB)), pixels_(x.SizeOf(kS)), channels_(x.channels()) {}
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    ForRowPieces(batch_, pixels_ * channels_, [&](int64_t b) {
      const float* x = context.inputs[0] + b * pixels_ * channels_;
      for (int64_t first = 0; first < channels_; first += kLanes) {
        const int64_t lanes = std::min(kLanes, channels_ - first);
        double sums[kLanes] = {};
        for (int64_t s = 0; s < pixels_; ++s)
          for (int64_t c = 0; c < lanes; ++c) sums[c] += x[s * channels_ + first + c];
        for (int64_t c = 0; c < lanes; ++c)
          context.output[b * channels_ + first + c] =
              static_cast<float>(sums[c] / static_cast<double>(pixels_));
      }
    });
  }

  void Backward(const BackwardContext& context) override {
    if (!context.dinputs[0]) return;
    const float scale = 1 / static_cast<float>(pixels_);
    ForRowPieces(batch_, pixels_ * channels_, [&](int64_t b) {
      const float* dy = context.doutput + b * channels_;
      float* dx = context.dinputs[0] + b * pixels_ * channels_;
      for (int64_t s = 0; s < pixels_; ++s)
        Store(dx + s * channels_, 0, channels_, context.add_to_dinput[0],
              [&](int64_t c) { return dy[c] * scale; });
    });
  }

 private:
  int64_t batch_, pixels_, channels_;
};

}  // namespace

Layout GlobalAveragePooling2dLayer::OutputLayout(std::span<const Layout> inputs) const {
  ImageShape shape(OnlyImage(*this, inputs));
  shape.height = shape.width = 1;
  return shape.layout();
}

std::unique_ptr<LayerOp> GlobalAveragePooling2dLayer::Prepare(std::span<const Layout> inputs,
                                                              bool) const {
  return std::make_unique<GlobalAverageOp>(inputs[0]);
}

LayerPtr GlobalAveragePooling2d(const std::string& name) {
  return std::make_shared<GlobalAveragePooling2dLayer>(name);
}

}  // namespace normkit
