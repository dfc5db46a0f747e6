// The part of NetworkChanges that needs no layers.
#pragma once

#include "normkit/nn/network_changes.h"

namespace normkit {

// Freezes parameters and resets normalizations: both are known by their nodes.
void FreezeAndReset(Network& network, const NetworkChanges& changes);

}  // namespace normkit
