// What one Normalization object was made for.
#pragma once

#include <fmt/format.h>

#include <string>

#include "normkit/norm/normalization.h"
#include "src/norm/geometry.h"

namespace normkit {

// Everything about one normalization that does not change from call to call.
struct Problem {
  NormSpec spec;
  Layout layout;
  DType dtype;
  NormOptions options;
  Geometry geometry;

  // Who speaks, in messages.
  std::string Title() const {
    if (!options.name.empty()) return options.name;
    return fmt::format("{} normalization of {}", spec.name, layout.ToString());
  }
};

}  // namespace normkit
