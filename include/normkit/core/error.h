// The one exception type of normkit.
#pragma once

#include <stdexcept>
#include <string>

#include "normkit/core/export.h"

namespace normkit {

// What every public function throws on bad input or failed work. what() is one line that says what
// was being done, what was given, what was expected, and where (file and position, node or layer):
//   batch normalization 'bn1': scale has 32 values, expected 64 (channels of x, BCSS [8,64,28,28])
class NORMKIT_API Error : public std::runtime_error {
 public:
  explicit Error(const std::string& what) : std::runtime_error(what) {}
};

}  // namespace normkit
