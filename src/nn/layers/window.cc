#include "src/nn/layers/window.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <functional>
#include <vector>

#include "src/nn/layers/common.h"

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

namespace {

// By the number of dimensions of space.
constexpr std::string_view kFormats[] = {"", "BSC", "BSSC", "BSSSC"};
constexpr std::string_view kSpaces[] = {"", "lines, BSC [batch,length,channels]",
                                        "images, BSSC [batch,height,width,channels]",
                                        "volumes, BSSSC [batch,depth,height,width,channels]"};

}  // namespace

void SpreadSizes(const Layer& layer, std::string_view property, size_t dims,
                 std::vector<int64_t>& sizes) {
  if (sizes.size() == 1) sizes.resize(dims, sizes[0]);
  if (sizes.size() != dims)
    FailLayer(layer, "{} has {} numbers, expected {} or one for all", property, sizes.size(), dims);
}

Padding FlatPadding(const Padding& padding) {
  if (padding.same || padding.causal) return padding;
  Padding flat{false, padding.top, padding.bottom, padding.left, padding.right};
  if (AreAlike(std::array{flat.top, flat.bottom, flat.left, flat.right}))
    flat = Padding::All(flat.top);
  return flat;
}

void CheckDims(const Layer& layer, std::string_view property, size_t dims, size_t expected) {
  if (dims != expected)
    FailLayer(layer, "{} has {} numbers, expected {} ({}height, width)", property, dims, expected,
              expected == 3 ? "depth, " : "");
}

const Layout& OnlySpace(const Layer& layer, const Graph& graph, std::span<const Value> inputs,
                        size_t dims, bool of_steps) {
  const Layout& x = OnlyInput(layer, graph, inputs);
  const std::string format = x.format();
  const bool steps = of_steps && x.packed() && format.substr(1) == kFormats[dims].substr(1);
  if (format != kFormats[dims] && !(dims == 1 && format == "BTC") && !steps)
    FailLayer(layer, "input is {}, expected {}", x.ToString(), kSpaces[dims]);
  return x;
}

}  // namespace normkit
