#include "src/nn/layers/window.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

namespace normkit {

std::string DescribeSizes(std::span<const int64_t> sizes, bool joined) {
  const bool alike = std::ranges::adjacent_find(sizes, std::ranges::not_equal_to()) == sizes.end();
  return joined && alike ? fmt::format("{}", sizes[0]) : fmt::format("{}", fmt::join(sizes, "x"));
}

std::string DescribeWindow(std::span<const int64_t> size, std::span<const int64_t> stride,
                           const Padding& padding) {
  std::string text =
      fmt::format("{}, stride {}", DescribeSizes(size), DescribeSizes(stride, /*joined=*/true));
  if (padding.same) return text + ", padding same";
  const auto& [same, top, bottom, left, right, front, back] = padding;
  if (top == bottom && top == left && top == right) return text + fmt::format(", padding {}", top);
  return text + fmt::format(", padding {} {} {} {}", top, bottom, left, right);
}

}  // namespace normkit
