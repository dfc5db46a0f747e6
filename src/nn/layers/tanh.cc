#include "src/nn/layers/tanh.h"

namespace normkit {

LayerPtr Tanh(const std::string& name) { return std::make_shared<TanhLayer>(name); }

}  // namespace normkit
