#include "src/nn/layers/fully_connected.h"

#include "src/nn/properties.h"
#include "src/onednn/inner_product.h"

namespace normkit {
namespace {

class FullyConnectedOp : public LayerOp {
 public:
  explicit FullyConnectedOp(const InnerProductShape& shape) : product_(shape) {}

  void Forward(const ForwardContext& context) override {
    product_.Forward(context.inputs[0], context.parameters[0], Bias(context.parameters),
                     context.output);
  }

  void Backward(const BackwardContext& context) override {
    if (context.dparameters[0])
      product_.BackwardWeights(context.inputs[0], context.doutput, context.dparameters[0],
                               Bias(context.dparameters));
    if (context.dinputs[0])
      product_.BackwardData(context.doutput, context.parameters[0], context.add_to_dinput[0],
                            context.dinputs[0]);
  }

 private:
  static float* Bias(std::span<float* const> parameters) {
    return parameters.size() > 1 ? parameters[1] : nullptr;
  }

  InnerProduct product_;
};

}  // namespace

FullyConnectedLayer::FullyConnectedLayer(const FullyConnectedOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

Layout FullyConnectedLayer::OutputLayout(std::span<const Layout> inputs) const {
  const Layout& x = OnlyInput(*this, inputs);
  if (x.format() != "BC")
    FailLayer(*this, "input is {}, expected features, BC [batch,channels]: flatten images first",
              x.ToString());
  return FeatureLayout(x.SizeOf(kB), options_.output_size);
}

std::vector<ParameterSpec> FullyConnectedLayer::Parameters(std::span<const Layout> inputs) const {
  const int64_t in = inputs[0].channels(), out = options_.output_size;
  std::vector<ParameterSpec> specs{{"weights",
                                    {out, in},
                                    MakeInitializer(options_.weights_initializer, in, out),
                                    true,
                                    options_.weight_learn_rate_factor,
                                    options_.weight_l2_factor}};
  if (options_.bias)
    specs.push_back({"bias",
                     {out},
                     MakeInitializer(options_.bias_initializer, in, out),
                     true,
                     options_.bias_learn_rate_factor,
                     options_.bias_l2_factor});
  return specs;
}

std::unique_ptr<LayerOp> FullyConnectedLayer::Prepare(std::span<const Layout> inputs, bool) const {
  return std::make_unique<FullyConnectedOp>(
      InnerProductShape{inputs[0].SizeOf(kB), inputs[0].channels(), options_.output_size});
}

std::string FullyConnectedLayer::Description() const {
  return fmt::format("{} outputs{}", options_.output_size, options_.bias ? "" : ", no bias");
}

LayerPtr FullyConnected(const FullyConnectedOptions& options) {
  return std::make_shared<FullyConnectedLayer>(options);
}

}  // namespace normkit
