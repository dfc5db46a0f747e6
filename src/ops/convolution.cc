// Convolution 2-D (cross-correlation, as everywhere in the field).
#include "src/onednn/convolution.h"

#include "src/core/fail.h"
#include "src/ops/convolution_reference.h"
#include "src/ops/ways.h"
#include "src/ops/window.h"
#include "src/winograd/winograd.h"

namespace normkit::ops {
namespace {

// By normkit::Convolution, WinogradConvolution or ReferenceConvolution.
template <class Implementation>
class ConvolutionKernel : public Kernel {
 public:
  template <class... Args>
  explicit ConvolutionKernel(const Args&... args) : convolution_(args...) {}
  size_t forward_scratch_bytes() const override { return convolution_.forward_scratch_bytes(); }
  size_t backward_scratch_bytes() const override { return convolution_.backward_scratch_bytes(); }
  bool needs_input(size_t i) const override { return i < 2; }
  bool adds(size_t i) const override { return i == 0; }

  void Forward(const ForwardContext& context) override {
    convolution_.Forward(context.x(0), context.x(1),
                         context.inputs.size() > 2 ? context.x(2) : nullptr, context.y(),
                         context.scratch);
  }

  void Backward(const BackwardContext& context) override {
    if (context.dx(1))
      convolution_.BackwardWeights(context.x(0), context.dy(), context.dx(1),
                                   context.dinputs.size() > 2 ? context.dx(2) : nullptr,
                                   context.scratch);
    if (context.dx(0))
      convolution_.BackwardData(context.dy(), context.x(1), context.add[0], context.dx(0),
                                context.scratch);
  }

 private:
  Implementation convolution_;
};

template <class Implementation>
std::unique_ptr<Kernel> Make(const ConvolutionShape& shape, bool) {
  return std::make_unique<ConvolutionKernel<Implementation>>(shape);
}
std::unique_ptr<Kernel> MakeOneDnn(const ConvolutionShape& shape, bool training) {
  return std::make_unique<ConvolutionKernel<normkit::Convolution>>(shape, training);
}
std::string Always(const ConvolutionShape&) { return ""; }

constexpr Way<ConvolutionShape> kWays[] = {
    {"winograd", WhyNotWinograd, Make<WinogradConvolution>},
    {"onednn", Always, MakeOneDnn},
    {"reference", Always, Make<ReferenceConvolution>},
};

class ConvolutionOp : public Op {
 public:
  ConvolutionOp(const Window& window, int64_t groups) : window_(window), groups_(groups) {}
  std::string_view name() const override { return "convolution"; }

  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    const Layout& weights = inputs[1].type.shape;
    if (weights.axes()[1].size * groups_ != x.axes()[3].size)
      Fail("weights are {} for {} groups, expected the {} channels of x ({})", weights.ToString(),
           groups_, x.axes()[3].size, x.ToString());
    const ConvolutionShape shape = Shape(inputs);
    return {
        {DType::kF32, WindowOutput(x, shape.output_height(), shape.output_width(), shape.filters)}};
  }

  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs, bool training) const override {
    return MakeFirst<ConvolutionShape>(kWays, "NORMKIT_CONVOLUTION", Shape(inputs), training);
  }

 private:
  ConvolutionShape Shape(std::span<const OpInput> inputs) const {
    const Layout& x = inputs[0].type.shape;
    const auto& [top, bottom, left, right] = ResolvePadding(window_, x);
    const std::vector<Axis>& axes = x.axes();
    return {axes[0].size,
            axes[1].size,
            axes[2].size,
            axes[3].size,
            inputs[1].type.shape.axes()[0].size,
            groups_,
            window_.size,
            window_.stride,
            window_.dilation,
            top,
            bottom,
            left,
            right,
            inputs.size() > 2};
  }

  Window window_;
  int64_t groups_;
};

}  // namespace

OpPtr Convolution(const Window& window, int64_t groups) {
  return std::make_shared<ConvolutionOp>(window, groups);
}

}  // namespace normkit::ops
