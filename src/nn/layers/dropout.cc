#include "src/nn/layers/dropout.h"

#include <cmath>

#include "src/nn/layers/elementwise.h"
#include "src/nn/properties.h"

namespace normkit {
namespace {

// Which elements stay is saved, a byte each. Each piece of the tensor draws from its own stream,
// which the seed, the iteration, the node and the piece determine.
class DropoutOp : public LayerOp {
 public:
  DropoutOp(const Layout& x, double probability)
      : size_(x.size()),
        dropped_below_(static_cast<uint32_t>(std::lround(probability * 0x1p32))),
        scale_(static_cast<float>(1 / (1 - probability))) {}
  size_t saved_bytes() const override { return static_cast<size_t>(size_); }
  bool needs_input(size_t) const override { return false; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t) const override { return true; }

  void Forward(const ForwardContext& context) override {
    const float* x = context.inputs[0];
    auto* stays = reinterpret_cast<uint8_t*>(context.saved);
    if (!Active(context.mode)) {
      if (x == context.output) return;
      return ForPieces(size_, [&](int64_t begin, int64_t end) {
        std::copy(x + begin, x + end, context.output + begin);
      });
    }
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      Draw(context, begin, end, stays);
      Store(context.output, begin, end, false,
            [&](int64_t i) { return stays[i] ? x[i] * scale_ : 0.f; });
    });
  }

  void Backward(const BackwardContext& context) override {
    if (!context.dinputs[0]) return;
    const float* dy = context.doutput;
    const auto* stays = reinterpret_cast<const uint8_t*>(context.saved);
    const bool active = Active(context.mode);
    ForPieces(size_, [&](int64_t begin, int64_t end) {
      Store(context.dinputs[0], begin, end, context.add_to_dinput[0], [&](int64_t i) {
        return !active ? dy[i] : stays[i] ? dy[i] * scale_ : 0.f;
      });
    });
  }

 private:
  static bool Active(const RunMode& mode) { return mode.training && mode.dropout; }

  void Draw(const ForwardContext& context, int64_t begin, int64_t end, uint8_t* stays) const {
    Random iteration(context.mode.seed, context.mode.iteration);
    const uint64_t stream =
        static_cast<uint64_t>(context.node) << 40 | static_cast<uint64_t>(begin / kPieceElements);
    Random random(iteration.Bits(), stream);
    for (int64_t i = begin; i < end; i += 2) {
      const uint64_t bits = random.Bits();
      stays[i] = static_cast<uint32_t>(bits) >= dropped_below_;
      if (i + 1 < end) stays[i + 1] = static_cast<uint32_t>(bits >> 32) >= dropped_below_;
    }
  }

  int64_t size_;
  uint32_t dropped_below_;
  float scale_;
};

}  // namespace

DropoutLayer::DropoutLayer(const DropoutOptions& options) : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

Layout DropoutLayer::OutputLayout(std::span<const Layout> inputs) const {
  return OnlyInput(*this, inputs);
}

std::unique_ptr<LayerOp> DropoutLayer::Prepare(std::span<const Layout> inputs, bool) const {
  return std::make_unique<DropoutOp>(inputs[0], options_.probability);
}

std::string DropoutLayer::Description() const {
  return fmt::format("probability {}", options_.probability);
}

LayerPtr Dropout(const DropoutOptions& options) { return std::make_shared<DropoutLayer>(options); }

}  // namespace normkit
