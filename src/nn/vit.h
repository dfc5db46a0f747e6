// A vision transformer, whose patches follow from the size of the pictures.
#pragma once

#include "normkit/nn/networks.h"

namespace normkit {

Graph VitTinyNetwork(const NetworkPurpose& purpose);

}  // namespace normkit
