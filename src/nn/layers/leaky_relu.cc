#include "src/nn/layers/leaky_relu.h"

#include "src/nn/properties.h"

namespace normkit {

LeakyReluLayer::LeakyReluLayer(const LeakyReluOptions& options)
    : ElementwiseLayer(options.name, {static_cast<float>(options.scale)}), options_(options) {
  CheckProperties(*this, options);
}

std::string LeakyReluLayer::Description() const { return fmt::format("scale {}", options_.scale); }

LayerPtr LeakyRelu(const LeakyReluOptions& options) {
  return std::make_shared<LeakyReluLayer>(options);
}

}  // namespace normkit
