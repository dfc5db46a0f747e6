#include "src/nn/layers/sigmoid.h"

namespace normkit {

LayerPtr Sigmoid(const std::string& name) { return std::make_shared<SigmoidLayer>(name); }

}  // namespace normkit
