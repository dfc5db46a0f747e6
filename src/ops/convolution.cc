// Convolution over lines, images and volumes (cross-correlation, as everywhere in the field).
#include "src/onednn/convolution.h"

#include "src/core/fail.h"
#include "src/onednn/strips.h"
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
      convolution_.BackwardWeights(context.x(0), context.dy(), context.run.reducer, context.dx(1),
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
std::unique_ptr<Kernel> Make(const ConvolutionShape& shape, const Preparation& how) {
  return std::make_unique<ConvolutionKernel<Implementation>>(shape, how.part);
}
std::unique_ptr<Kernel> MakeOneDnn(const ConvolutionShape& shape, const Preparation& how) {
  return std::make_unique<ConvolutionKernel<normkit::Convolution>>(shape, how.training, how.part);
}
std::string Always(const ConvolutionShape&) { return ""; }

constexpr Way<ConvolutionShape> kWays[] = {
    {"winograd", WhyNotWinograd, Make<WinogradConvolution>},
    {"onednn", Always, MakeOneDnn},
    {"reference", Always, Make<ReferenceConvolution>},
};

// Of large pictures one by one; gradients are those of whole observations.
constexpr Way<ConvolutionShape> kInferenceWays[] = {
    {"winograd", WhyNotWinograd, Make<WinogradConvolution>},
    {"strips", WhyNotStrips, Make<StripConvolution>},
    {"onednn", Always, MakeOneDnn},
    {"reference", Always, Make<ReferenceConvolution>},
};

class ConvolutionOp : public Op {
 public:
  ConvolutionOp(const Window& window, int64_t groups) : window_(window), groups_(groups) {}
  std::string_view name() const override { return "convolution"; }

  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    const ConvolutionShape shape = Shape(inputs);
    if (shape.filters % groups_ != 0)
      Fail("{} filters for {} groups, expected a multiple of them", shape.filters, groups_);
    if (shape.bias && inputs[2].type.shape.size() != shape.filters)
      Fail("bias has {} values, expected {} (filters)", inputs[2].type.shape.size(), shape.filters);
    return {{DType::kF32, WithSpace(x, shape.output_size(), shape.filters)}};
  }

  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    const std::span<const Way<ConvolutionShape>> ways =
        how.training ? std::span<const Way<ConvolutionShape>>(kWays) : kInferenceWays;
    return MakeFirst<ConvolutionShape>(ways, "NORMKIT_CONVOLUTION", Shape(inputs), how);
  }

 private:
  ConvolutionShape Shape(std::span<const OpInput> inputs) const {
    const Layout& x = inputs[0].type.shape;
    const std::vector<int64_t> weights = inputs[1].type.shape.shape();
    const int64_t channels = x.axes().back().size;
    if (weights.size() != x.axes().size() || weights[1] * groups_ != channels)
      Fail("weights are {} for {} groups, expected the {} channels of x ({})",
           inputs[1].type.shape.ToString(), groups_, channels, x.ToString());
    PlacedWindow w = Place(window_, x);
    return {x.axes()[0].size,
            std::move(w.x),
            channels,
            weights[0],
            groups_,
            std::move(w.size),
            std::move(w.stride),
            std::move(w.dilation),
            std::move(w.before),
            std::move(w.after),
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
