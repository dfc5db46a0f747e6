// Errors that name the layer.
#pragma once

#include <utility>

#include "normkit/graph/layer.h"
#include "src/core/fail.h"

namespace normkit {

// Throws Error "TYPE 'NAME': ...".
template <class... Args>
[[noreturn]] void FailLayer(const Layer& layer, fmt::format_string<Args...> format,
                            Args&&... args) {
  Fail("{}: {}", Title(layer), fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace normkit
