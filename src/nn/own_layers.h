// The layers that programs have registered.
#pragma once

#include <exception>
#include <list>
#include <string_view>

#include "normkit/nn/own_layer.h"
#include "src/core/fail.h"

namespace normkit {

const std::list<OwnLayer>& OwnLayers();
const OwnLayer* FindOwnLayer(std::string_view type);  // null: none

// What a program's function for that layer gives. What it throws is an Error, that of others names
// the layer.
template <class Call>
auto Called(const Layer& layer, const Call& call) {
  try {
    return call();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    Fail("{} '{}': {}", layer.type(), layer.name(), error.what());
  }
}

}  // namespace normkit
