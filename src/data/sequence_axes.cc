#include "src/data/sequence_axes.h"

#include <algorithm>
#include <utility>

namespace normkit {

bool IsSequenceFormat(const std::string& format, bool observations) {
  const auto count = [&](char letter) { return std::ranges::count(format, letter); };
  return count('B') <= (observations ? 1 : 0) && count('T') == 1 && count('C') <= 1 &&
         count('S') <= 3 && count('B') + count('T') + count('C') + count('S') == std::ssize(format);
}

Layout RowOfFormat(const std::string& format, const std::vector<int64_t>& shape) {
  std::vector<Axis> axes{{kT, 1}};
  for (size_t i = 0; i < format.size(); ++i)
    if (format[i] == 'S') axes.push_back({kS, shape[i]});
  const size_t channels = format.find('C');
  axes.push_back({kC, channels == format.npos ? 1 : shape[channels]});
  return Layout(std::move(axes));
}

std::vector<size_t> SequenceOrder(const std::string& format) {
  std::vector<size_t> order;
  for (const char letter : {'B', 'T', 'S', 'C'})
    for (size_t axis = 0; axis < format.size(); ++axis)
      if (format[axis] == letter) order.push_back(axis);
  return order;
}

}  // namespace normkit
