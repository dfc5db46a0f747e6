#include "src/nn/layers/window.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace normkit {

namespace {

bool AreAlike(std::span<const int64_t> sizes) {
  return std::ranges::adjacent_find(sizes, std::ranges::not_equal_to()) == sizes.end();
}

}  // namespace

std::string DescribeSizes(std::span<const int64_t> sizes, bool joined) {
  return joined && AreAlike(sizes) ? fmt::format("{}", sizes[0])
                                   : fmt::format("{}", fmt::join(sizes, "x"));
}

std::string DescribeWindow(std::span<const int64_t> size, std::span<const int64_t> stride,
                           const Padding& padding) {
  std::string text =
      fmt::format("{}, stride {}", DescribeSizes(size), DescribeSizes(stride, /*joined=*/true));
  if (padding.same) return text + ", padding same";
  if (padding.causal) return text + ", padding causal";
  const auto& [same, top, bottom, left, right, front, back, causal] = padding;
  std::vector<int64_t> sides{front, back, top, bottom, left, right};
  sides.erase(sides.begin(), sides.end() - static_cast<ptrdiff_t>(2 * size.size()));
  return text + fmt::format(", padding {}", AreAlike(sides)
                                                ? fmt::format("{}", sides[0])
                                                : fmt::format("{}", fmt::join(sides, " ")));
}

}  // namespace normkit
