// U-Net, whose dimensions are those of the data.
#pragma once

#include "normkit/nn/networks.h"

namespace normkit {

Graph UnetNetwork(const NetworkPurpose& purpose);

}  // namespace normkit
