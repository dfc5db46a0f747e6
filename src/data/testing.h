// What the tests of this folder share.
#pragma once

#include <vector>

#include "normkit/data/source.h"

namespace normkit {

inline std::vector<float> ReadOne(const DataSource& source, int64_t index) {
  std::vector<float> x(static_cast<size_t>(source.layout().size()));
  source.Read(index, x);
  return x;
}

}  // namespace normkit
