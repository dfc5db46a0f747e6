#include "src/ops/window.h"

#include <algorithm>
#include <utility>

#include "src/core/fail.h"

namespace normkit::ops {
namespace {

Space ForEach(const Space& given, size_t dims, std::string_view what) {
  if (given.size() == dims) return given;
  if (given.size() > 1)
    Fail("{} is {}, expected {} numbers, or one for all", what, fmt::join(given, "x"), dims);
  return Space(dims, given.empty() ? 1 : given[0]);
}

// Zeros before and after that make ceil(x / stride) windows.
void KeepSize(PlacedWindow& window, bool odd_before) {
  for (size_t i = 0; i < window.x.size(); ++i) {
    const int64_t outputs = (window.x[i] + window.stride[i] - 1) / window.stride[i];
    const int64_t covered =
        (outputs - 1) * window.stride[i] + (window.size[i] - 1) * window.dilation[i] + 1;
    const int64_t zeros = std::max<int64_t>(0, covered - window.x[i]);
    window.before[i] = odd_before ? zeros - zeros / 2 : zeros / 2;
    window.after[i] = zeros - window.before[i];
  }
}

// So that sums and products of them stay far from 64 bits.
void CheckNumbers(const PlacedWindow& window) {
  constexpr int64_t kMost = int64_t{1} << 26;
  const std::pair<const char*, const Space*> all[] = {{"the window", &window.size},
                                                      {"stride", &window.stride},
                                                      {"dilation", &window.dilation},
                                                      {"padding", &window.before},
                                                      {"padding", &window.after}};
  for (const auto& [what, numbers] : all)
    for (const int64_t number : *numbers)
      if (number > kMost) Fail("{} has {}, expected at most {}", what, number, kMost);
}

void CheckFits(const PlacedWindow& window, const Layout& x) {
  Space covers, padded;
  for (size_t i = 0; i < window.x.size(); ++i) {
    covers.push_back((window.size[i] - 1) * window.dilation[i] + 1);
    padded.push_back(window.x[i] + window.before[i] + window.after[i]);
  }
  for (size_t i = 0; i < covers.size(); ++i)
    if (covers[i] > padded[i])
      Fail("the window covers {}, expected at most the padded input, {} ({})",
           fmt::join(covers, "x"), fmt::join(padded, "x"), x.ToString());
}

}  // namespace

PlacedWindow PlaceAnywhere(const Window& window, const Layout& x) {
  const std::vector<int64_t> shape = x.shape();
  if (shape.size() < 3 || shape.size() > 5)
    Fail("input is {}, expected 1 to 3 dimensions of space between the batch and the channels",
         x.ToString());
  const size_t dims = shape.size() - 2;
  const auto& [same, top, bottom, left, right, front, back, causal] = window.padding;
  const Space before{front, top, left}, after{back, bottom, right};
  const auto last = static_cast<ptrdiff_t>(3 - dims);
  PlacedWindow placed{
      {shape.begin() + 1, shape.end() - 1},   ForEach(window.size, dims, "the window"),
      ForEach(window.stride, dims, "stride"), ForEach(window.dilation, dims, "dilation"),
      {before.begin() + last, before.end()},  {after.begin() + last, after.end()}};
  CheckNumbers(placed);
  if (same) KeepSize(placed, window.odd_before);
  return placed;
}

PlacedWindow Place(const Window& window, const Layout& x) {
  PlacedWindow placed = PlaceAnywhere(window, x);
  CheckFits(placed, x);
  return placed;
}

WindowReach ReachOf(const PlacedWindow& window, size_t axis, int64_t begin, int64_t count) {
  const int64_t covers = (window.size[axis] - 1) * window.dilation[axis] + 1,
                from = begin * window.stride[axis] - window.before[axis],
                to = from + (count - 1) * window.stride[axis] + covers,
                before = std::max<int64_t>(0, -from),
                after = std::max<int64_t>(0, to - window.x[axis]);
  return {from + before, to - after - (from + before), before, after};
}

Layout WithSpace(const Layout& x, const Space& space, int64_t channels) {
  std::vector<Axis> axes = x.axes();
  for (size_t i = 0; i < space.size(); ++i) axes[i + 1].size = space[i];
  axes.back().size = channels;
  return Layout(std::move(axes));
}

}  // namespace normkit::ops
