#include "src/nn/layers/convolution.h"

#include "src/core/log.h"
#include "src/nn/layers/window.h"
#include "src/nn/properties.h"
#include "src/winograd/winograd.h"

namespace normkit {
namespace {

// One of the ways to compute it: Convolution, WinogradConvolution.
template <class Way>
class ConvolutionOp : public LayerOp {
 public:
  template <class... Args>
  explicit ConvolutionOp(const Args&... args) : convolution_(args...) {}
  size_t forward_scratch_bytes() const override { return convolution_.forward_scratch_bytes(); }
  size_t backward_scratch_bytes() const override { return convolution_.backward_scratch_bytes(); }

  void Forward(const ForwardContext& context) override {
    convolution_.Forward(context.inputs[0], context.parameters[0], Bias(context.parameters),
                         context.output, context.scratch);
  }

  void Backward(const BackwardContext& context) override {
    if (context.dparameters[0])
      convolution_.BackwardWeights(context.inputs[0], context.doutput, context.dparameters[0],
                                   Bias(context.dparameters), context.scratch);
    if (context.dinputs[0])
      convolution_.BackwardData(context.doutput, context.parameters[0], context.add_to_dinput[0],
                                context.dinputs[0], context.scratch);
  }

 private:
  static float* Bias(std::span<float* const> parameters) {
    return parameters.size() > 1 ? parameters[1] : nullptr;
  }

  Way convolution_;
};

}  // namespace

Convolution2dLayer::Convolution2dLayer(const Convolution2dOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
  if (options.num_filters % options.num_groups != 0)
    FailLayer(*this, "num_groups is {}, expected a divisor of num_filters {}", options.num_groups,
              options.num_filters);
}

ConvolutionShape Convolution2dLayer::Shape(const Layout& x) const {
  const ImageShape image(x);
  const WindowPadding padding = ResolvePadding(options_.padding, image, options_.filter_size,
                                               options_.stride, options_.dilation);
  return {image.batch,          image.height,        image.width,          image.channels,
          options_.num_filters, options_.num_groups, options_.filter_size, options_.stride,
          options_.dilation,    padding.top,         padding.bottom,       padding.left,
          padding.right,        options_.bias};
}

Layout Convolution2dLayer::OutputLayout(std::span<const Layout> inputs) const {
  const Layout& x = OnlyImage(*this, inputs);
  if (x.channels() % options_.num_groups != 0)
    FailLayer(*this, "num_groups is {}, expected a divisor of the {} channels of x ({})",
              options_.num_groups, x.channels(), x.ToString());
  const ConvolutionShape shape = Shape(x);
  CheckWindowFits(*this, x, options_.filter_size, options_.dilation,
                  {shape.top, shape.bottom, shape.left, shape.right});
  return Layout({{kB, shape.batch},
                 {kS, shape.output_height()},
                 {kS, shape.output_width()},
                 {kC, shape.filters}});
}

std::vector<ParameterSpec> Convolution2dLayer::Parameters(std::span<const Layout> inputs) const {
  const auto [height, width] = options_.filter_size;
  const int64_t channels = inputs[0].channels() / options_.num_groups;
  const int64_t fan_in = height * width * channels;
  const int64_t fan_out = height * width * (options_.num_filters / options_.num_groups);
  std::vector<ParameterSpec> specs{{"weights",
                                    {options_.num_filters, channels, height, width},
                                    MakeInitializer(options_.weights_initializer, fan_in, fan_out),
                                    true,
                                    options_.weight_learn_rate_factor,
                                    options_.weight_l2_factor}};
  if (options_.bias)
    specs.push_back({"bias",
                     {options_.num_filters},
                     MakeInitializer(options_.bias_initializer, fan_in, fan_out),
                     true,
                     options_.bias_learn_rate_factor,
                     options_.bias_l2_factor});
  return specs;
}

std::unique_ptr<LayerOp> Convolution2dLayer::Prepare(std::span<const Layout> inputs,
                                                     bool training) const {
  const ConvolutionShape shape = Shape(inputs[0]);
  const bool winograd = IsForWinograd(shape);
  if (LogsDetails())
    LogDetail(fmt::format("{} of {}: {}", Title(*this), inputs[0].ToString(),
                          winograd ? "Winograd F(2x2, 3x3)" : "oneDNN"));
  if (winograd) return std::make_unique<ConvolutionOp<WinogradConvolution>>(shape);
  return std::make_unique<ConvolutionOp<Convolution>>(shape, training);
}

std::string Convolution2dLayer::Description() const {
  std::string text =
      fmt::format("{} filters {}", options_.num_filters,
                  DescribeWindow(options_.filter_size, options_.stride, options_.padding));
  if (options_.dilation != std::array<int64_t, 2>{1, 1})
    text += fmt::format(", dilation {}x{}", options_.dilation[0], options_.dilation[1]);
  if (options_.num_groups != 1) text += fmt::format(", {} groups", options_.num_groups);
  return options_.bias ? text : text + ", no bias";
}

LayerPtr Convolution2d(const Convolution2dOptions& options) {
  return std::make_shared<Convolution2dLayer>(options);
}

}  // namespace normkit
