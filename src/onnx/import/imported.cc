#include "src/onnx/import/imported.h"

#include <algorithm>
#include <numeric>

#include "src/core/fail.h"

namespace normkit {

std::vector<int> ChannelsLastOrder(int rank) {
  std::vector<int> order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  if (rank >= 3) std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return order;
}

std::vector<int> FileOrder(int rank) {
  std::vector<int> order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  if (rank >= 3) std::rotate(order.begin() + 1, order.end() - 1, order.end());
  return order;
}

std::string Shown(const std::vector<ImportedArray>& arrays) {
  std::vector<std::string> texts;
  for (const ImportedArray& array : arrays) {
    std::vector<std::string> sizes;
    for (const int64_t size : array.shape) sizes.push_back(size < 0 ? "any" : std::to_string(size));
    texts.push_back(fmt::format("{} [{}]", array.name, fmt::join(sizes, ",")));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace normkit
