#include "src/nn/layers/window.h"

namespace normkit {
namespace {

std::string Pair(const std::array<int64_t, 2>& values) {
  return values[0] == values[1] ? fmt::format("{}", values[0])
                                : fmt::format("{}x{}", values[0], values[1]);
}

}  // namespace

std::string DescribeWindow(const std::array<int64_t, 2>& size, const std::array<int64_t, 2>& stride,
                           const Padding& padding) {
  std::string text = fmt::format("{}x{}, stride {}", size[0], size[1], Pair(stride));
  if (padding.same) return text + ", padding same";
  const auto& [same, top, bottom, left, right] = padding;
  if (top == bottom && top == left && top == right) return text + fmt::format(", padding {}", top);
  return text + fmt::format(", padding {} {} {} {}", top, bottom, left, right);
}

}  // namespace normkit
