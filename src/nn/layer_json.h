// A layer as networks in JSON have it: the inverse of what network_json.cc reads.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "normkit/nn/layers.h"

namespace normkit {

// {"type":"lstm","num_hidden_units":100}: its type and the properties that are not the defaults,
// without name and inputs. Throws Error that names the layer where it has no form in JSON.
nlohmann::json LayerToJson(const Layer& layer);

// What every such object may have beside them.
inline constexpr const char* kLayerWords[] = {"type", "name", "inputs"};

// Whether a layer of this library has the type.
bool IsLayerType(const std::string& type);

// The layer that such an object is, called `name`, of so many inputs. Errors begin with "WHERE: ".
LayerPtr LayerFromJson(const nlohmann::json& object, const std::string& name, size_t inputs,
                       const std::string& where);

}  // namespace normkit
