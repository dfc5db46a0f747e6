#include "src/nn/layers/gelu.h"

namespace normkit {

LayerPtr Gelu(const std::string& name) { return std::make_shared<GeluLayer>(name); }

}  // namespace normkit
