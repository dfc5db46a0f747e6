#include "src/data/place.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

namespace normkit {

std::string PlaceOf(const Layout& layout, size_t index) {
  std::vector<size_t> place;
  const std::vector<int64_t> shape = layout.shape();
  for (size_t axis = shape.size(); axis-- > 1;) {
    const auto size = static_cast<size_t>(shape[axis]);
    place.insert(place.begin(), index % size);
    index /= size;
  }
  if (layout.packed()) place.insert(place.begin(), index);
  return fmt::format("[{}]", fmt::join(place, ","));
}

}  // namespace normkit
