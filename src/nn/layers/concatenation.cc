#include "src/nn/layers/concatenation.h"

#include "src/nn/layers/elementwise.h"
#include "src/nn/properties.h"

namespace normkit {
namespace {

class ConcatenationOp : public LayerOp {
 public:
  explicit ConcatenationOp(std::span<const Layout> inputs)
      : rows_(inputs[0].size() / inputs[0].channels()) {
    for (const Layout& x : inputs) {
      begin_.push_back(channels_);
      channels_ += x.channels();
    }
    begin_.push_back(channels_);
  }
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    ForRowPieces(rows_, channels_, [&](int64_t row) {
      for (size_t k = 0; k < context.inputs.size(); ++k) {
        const int64_t n = begin_[k + 1] - begin_[k];
        std::copy_n(context.inputs[k] + row * n, n, context.output + row * channels_ + begin_[k]);
      }
    });
  }

  void Backward(const BackwardContext& context) override {
    ForRowPieces(rows_, channels_, [&](int64_t row) {
      for (size_t k = 0; k < context.dinputs.size(); ++k) {
        if (!context.dinputs[k]) continue;
        const int64_t n = begin_[k + 1] - begin_[k];
        const float* dy = context.doutput + row * channels_ + begin_[k];
        Store(context.dinputs[k] + row * n, 0, n, context.add_to_dinput[k],
              [&](int64_t i) { return dy[i]; });
      }
    });
  }

 private:
  int64_t rows_, channels_ = 0;
  std::vector<int64_t> begin_;  // of each input among the channels, and the end of the last
};

}  // namespace

ConcatenationLayer::ConcatenationLayer(const ConcatenationOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

Layout ConcatenationLayer::OutputLayout(std::span<const Layout> inputs) const {
  CheckInputCount(*this, inputs, options_.num_inputs);
  std::vector<Axis> axes = inputs[0].axes();
  if (!inputs[0].Has(kC) || axes.back().label != kC)
    FailLayer(*this, "input is {}, expected channels last", inputs[0].ToString());
  axes.back().size = 0;
  for (const Layout& x : inputs) {
    std::vector<Axis> others = x.axes(), first = inputs[0].axes();
    others.back() = first.back();
    if (others != first || x.axes().back().label != kC)
      FailLayer(*this, "inputs are {} and {}, expected sizes that differ in the channels only",
                inputs[0].ToString(), x.ToString());
    axes.back().size += x.channels();
  }
  return Layout(std::move(axes));
}

std::unique_ptr<LayerOp> ConcatenationLayer::Prepare(std::span<const Layout> inputs, bool) const {
  return std::make_unique<ConcatenationOp>(inputs);
}

std::string ConcatenationLayer::Description() const {
  return fmt::format("{} inputs along channels", options_.num_inputs);
}

LayerPtr Concatenation(const ConcatenationOptions& options) {
  return std::make_shared<ConcatenationLayer>(options);
}

}  // namespace normkit
