// A layer as networks in JSON have it: the inverse of what network_json.cc reads.
#pragma once

#include <nlohmann/json.hpp>

#include "normkit/graph/layer.h"

namespace normkit {

// {"type":"lstm","num_hidden_units":100}: its type and the properties that are not the defaults,
// without name and inputs. For the layers that networks over time are made of; throws Error that
// names the layer for others.
nlohmann::json LayerToJson(const Layer& layer);

}  // namespace normkit
