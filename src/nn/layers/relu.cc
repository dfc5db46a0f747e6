#include "src/nn/layers/relu.h"

namespace normkit {

LayerPtr Relu(const std::string& name) { return std::make_shared<ReluLayer>(name); }

}  // namespace normkit
