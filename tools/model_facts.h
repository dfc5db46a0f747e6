// What model files keep of their training, compared with what they are used on.
#pragma once

#include <string>

#include "normkit/data/source.h"
#include "normkit/nn/network.h"

namespace normkit::tools {

// Warns where values lie in another range than those that the network was trained on; silent where
// the model file does not say. `what` begins the line: "data 'x.npz'".
void WarnOfRange(const Network& network, const ValueRange& given, const std::string& what);

}  // namespace normkit::tools
