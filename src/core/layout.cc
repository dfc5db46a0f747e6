#include "normkit/core/layout.h"

#include <limits>

#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/core/text.h"

namespace normkit {
namespace {

// What formats are most often meant, for suggestions.
const std::vector<std::string> kUsual{"BC",  "BCS", "BSC", "BCSS", "BSSC", "BCSSS", "BSSSC",
                                      "BTC", "BCT", "TBC", "BTCS", "BTSC", "CSS",   "SSC"};

bool IsChannel(Dim label) { return label == kG || label == kC; }

Dim ParseLabel(char letter, std::string_view format) {
  switch (letter) {
    case 'B':
      return kB;
    case 'T':
      return kT;
    case 'S':
      return kS;
    case 'C':
      return kC;
    default:
      Fail("format {}: letter '{}' is unknown, expected B, T, S and C{}", Quoted(format), letter,
           DidYouMean(format, kUsual));
  }
}

char Letter(Dim label) {
  switch (label) {
    case kB:
      return 'B';
    case kT:
      return 'T';
    case kS:
      return 'S';
    case kNoLabel:
      return '*';
    default:
      return 'C';
  }
}

}  // namespace

Layout::Layout(std::vector<Axis> axes) : axes_(std::move(axes)) {
  int64_t product = 1;
  for (const Axis& axis : axes_) {
    if (axis.size < 0)
      Fail("layout: axis {} has size {}, expected >= 0", Letter(axis.label), axis.size);
    // Empty axes do not excuse the others from fitting in memory.
    const int64_t factor = axis.size == 0 ? 1 : axis.size;
    if (product > std::numeric_limits<int64_t>::max() / 16 / factor)
      Fail("layout {}: more elements than memory can hold", ToString());
    product *= factor;
  }
}

Layout Layout::MakeView(std::string_view format, std::span<const int64_t> shape) {
  if (format.size() != shape.size())
    Fail("format '{}' has {} letters, but the array has {} dimensions [{}]", format, format.size(),
         shape.size(), fmt::join(shape, ","));
  std::vector<Axis> axes;
  for (size_t i = 0; i < format.size(); ++i)
    axes.push_back({ParseLabel(format[i], format), shape[i]});
  return Layout(std::move(axes));
}

Layout Layout::Make(std::string_view format, std::span<const int64_t> shape) {
  Layout layout = MakeView(format, shape);
  Dims seen = 0;
  for (size_t i = 0; i < format.size(); ++i) {
    const Dim label = layout.axes()[i].label;
    if (label != kS && (seen & label))
      Fail("format '{}': {} stands twice, expected at most once", format, format[i]);
    seen |= label;
  }
  return layout;
}

Layout Layout::Unlabelled(std::span<const int64_t> shape) {
  std::vector<Axis> axes;
  for (const int64_t size : shape) axes.push_back({kNoLabel, size});
  return Layout(std::move(axes));
}

int64_t Layout::size() const { return SizeOf(0xff); }

int64_t Layout::SizeOf(Dims labels) const {
  int64_t product = 1;
  for (const Axis& axis : axes_)
    if (axis.label & labels) product *= axis.size;
  return product;
}

bool Layout::Has(Dim label) const {
  for (const Axis& axis : axes_)
    if (axis.label == label) return true;
  return false;
}

bool Layout::channels_last() const {
  if (Has(kC) && channels() == 1) return true;
  for (auto axis = axes_.rbegin(); axis != axes_.rend(); ++axis)
    if (axis->size > 1) return IsChannel(axis->label);
  return true;
}

std::vector<int64_t> Layout::shape() const {
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < axes_.size(); ++i) {
    const bool merge = i > 0 && axes_[i - 1].label == kG && axes_[i].label == kC;
    if (merge)
      sizes.back() *= axes_[i].size;
    else
      sizes.push_back(axes_[i].size);
  }
  return sizes;
}

std::string Layout::format() const {
  std::string letters;
  for (size_t i = 0; i < axes_.size(); ++i) {
    const bool merge = i > 0 && axes_[i - 1].label == kG && axes_[i].label == kC;
    if (!merge) letters += Letter(axes_[i].label);
  }
  return letters;
}

std::string Layout::ToString() const {
  return fmt::format("{} [{}]", format(), fmt::join(shape(), ","));
}

Layout Layout::SplitChannels(int64_t groups) const {
  if (groups < 1 || channels() % groups != 0)
    Fail("group normalization: {} groups do not divide {} channels of {}", groups, channels(),
         ToString());
  std::vector<Axis> axes;
  for (const Axis& axis : axes_) {
    if (axis.label == kG) continue;
    if (axis.label == kC) {
      axes.push_back({kG, groups});
      axes.push_back({kC, channels() / groups});
    } else {
      axes.push_back(axis);
    }
  }
  return Layout(std::move(axes));
}

Layout Layout::WithBatch(int64_t observations, int64_t rows) const {
  std::vector<Axis> axes = axes_;
  for (Axis& axis : axes)
    if (axis.label == kB) axis.size = observations;
  if (packed()) axes[0].size = rows;
  return Layout(std::move(axes));
}

}  // namespace normkit
