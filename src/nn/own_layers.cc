#include "src/nn/own_layers.h"

#include <algorithm>
#include <utility>

#include "src/core/fail.h"
#include "src/nn/layer_json.h"

namespace normkit {
namespace {

std::list<OwnLayer>& Registered() {
  static std::list<OwnLayer> layers;
  return layers;
}

bool IsTypeName(std::string_view text) {
  constexpr size_t kLongest = 64;
  return !text.empty() && text.size() <= kLongest && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

const std::list<OwnLayer>& OwnLayers() { return Registered(); }

const OwnLayer* FindOwnLayer(std::string_view type) {
  for (const OwnLayer& layer : Registered())
    if (layer.type == type) return &layer;
  return nullptr;
}

void RegisterLayer(OwnLayer layer) {
  if (!IsTypeName(layer.type))
    Fail("registering a layer: type '{}' is given, expected letters, digits and _", layer.type);
  if (!layer.read || !layer.write)
    Fail("registering layer '{}': expected a function that reads it and one that writes it",
         layer.type);
  if (FindOwnLayer(layer.type) || IsLayerType(layer.type))
    Fail("registering layer '{}': there is one of that type", layer.type);
  Registered().push_back(std::move(layer));
}

}  // namespace normkit
