#include "src/norm/statistics.h"

#include <fmt/format.h>

namespace normkit {
namespace {

// Of an axis that is one of `some`; split channels are "C" where both halves are.
std::string LabelOf(const Layout& layout, Dims some, Dim label) {
  switch (label) {
    case kB:
      return "B";
    case kT:
      return "T";
    case kS:
      return "S";
    case kG:
      return layout.Has(kC) && (some & kC) ? "C" : "G";
    case kNoLabel:
      return "*";
    case kC:
      break;
  }
  const bool of_group = layout.SizeOf(kG) > 1 && !(some & kG);
  return of_group ? fmt::format("C/{}", layout.SizeOf(kG)) : "C";
}

std::string LabelsOf(const Layout& layout, Dims some) {
  std::string labels;
  Dims seen = 0;
  for (const auto& [label, size] : layout.axes()) {
    if (!(some & label) || (seen & label)) continue;
    seen |= label;
    if (label == kC && (seen & kG)) continue;  // both halves are one "C"
    if (!labels.empty()) labels += ',';
    labels += LabelOf(layout, some, label);
  }
  return labels;
}

}  // namespace

StatisticsCount StatisticsOf(const NormSpec& spec, const Layout& layout) {
  const auto kept = static_cast<Dims>(~spec.reduce);
  return {.over = LabelsOf(layout, spec.reduce),
          .per = LabelsOf(layout, kept),
          .number = layout.SizeOf(kept),
          .values = layout.SizeOf(spec.reduce)};
}

std::string ToString(const StatisticsCount& statistics) {
  return fmt::format("{} statistic{} over {} of {} value{}{}", statistics.number,
                     statistics.number == 1 ? "" : "s",
                     statistics.over.empty() ? "nothing" : statistics.over, statistics.values,
                     statistics.values == 1 ? "" : "s", statistics.number == 1 ? "" : " each");
}

}  // namespace normkit
