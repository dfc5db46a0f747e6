// The layers that programs have registered.
#pragma once

#include <list>
#include <string_view>

#include "normkit/nn/own_layer.h"

namespace normkit {

const std::list<OwnLayer>& OwnLayers();
const OwnLayer* FindOwnLayer(std::string_view type);  // null: none

}  // namespace normkit
