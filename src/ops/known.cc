#include "src/ops/known.h"

#include <algorithm>

#include "src/core/fail.h"

namespace normkit::ops {

std::span<const int64_t> KnownVector(const OpInput& input, std::string_view what) {
  if (input.type.dtype != DType::kI64 || input.type.shape.rank() > 1)
    Fail("{} is {}, expected an i64 vector", what, input.type.ToString());
  if (!input.known) Fail("{} is not known before anything runs, expected a constant", what);
  return {static_cast<const int64_t*>(input.known), static_cast<size_t>(input.type.shape.size())};
}

std::span<const int64_t> KnownOfAxes(const OpInput& input, std::string_view what) {
  constexpr size_t kMost = 64;
  const std::span<const int64_t> numbers = KnownVector(input, what);
  if (numbers.size() > kMost)
    Fail("{} has {} numbers, expected at most {}", what, numbers.size(), kMost);
  return numbers;
}

int AxisOf(int64_t axis, int rank) {
  if (axis < -rank || axis >= rank)
    Fail("axis {} asked for, expected {} to {}", axis, -rank, rank - 1);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

Layout Broadcast(const Layout& a, const Layout& b) {
  const Layout& more = a.rank() >= b.rank() ? a : b;
  const Layout& less = a.rank() >= b.rank() ? b : a;
  std::vector<Axis> axes = more.axes();
  const size_t first = axes.size() - less.axes().size();
  for (size_t i = first; i < axes.size(); ++i) {
    const int64_t other = less.axes()[i - first].size;
    if (axes[i].size != other && axes[i].size != 1 && other != 1)
      Fail("inputs are {} and {}, expected sizes that are equal or 1", a.ToString(), b.ToString());
    if (axes[i].size == 1) axes[i].size = other;
  }
  return Layout(std::move(axes));
}

}  // namespace normkit::ops
