#include "src/norm/statistics.h"

#include <fmt/format.h>

namespace normkit {
namespace {

// Of an axis; channels that are split are the channels of one group where groups are kept.
std::string LabelOf(const NormSpec& spec, const Layout& layout, Dim label) {
  switch (label) {
    case kB:
      return "B";
    case kT:
      return "T";
    case kS:
      return "S";
    case kG:
      return layout.Has(kC) && (spec.reduce & kC) ? "C" : "G";
    case kNoLabel:
      return "*";
    case kC:
      break;
  }
  const bool of_group = layout.SizeOf(kG) > 1 && !(spec.reduce & kG);
  return of_group ? fmt::format("C/{}", layout.SizeOf(kG)) : "C";
}

}  // namespace

StatisticsCount StatisticsOf(const NormSpec& spec, const Layout& layout) {
  StatisticsCount result;
  Dims seen = 0;
  for (const Axis& axis : layout.axes()) {
    if (!(spec.reduce & axis.label) || (seen & axis.label)) continue;
    seen |= axis.label;
    const std::string label = LabelOf(spec, layout, axis.label);
    if (axis.label == kC && (seen & kG)) continue;  // both halves are one "C"
    result.over += (result.over.empty() ? "" : ",") + label;
  }
  result.number = layout.SizeOf(static_cast<Dims>(~spec.reduce));
  result.values = layout.SizeOf(spec.reduce);
  return result;
}

std::string ToString(const StatisticsCount& statistics) {
  return fmt::format("{} statistic{} over {} of {} value{}{}", statistics.number,
                     statistics.number == 1 ? "" : "s",
                     statistics.over.empty() ? "nothing" : statistics.over, statistics.values,
                     statistics.values == 1 ? "" : "s", statistics.number == 1 ? "" : " each");
}

}  // namespace normkit
