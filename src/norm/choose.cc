#include "src/norm/choose.h"

#include "src/core/fail.h"

namespace normkit {
namespace {

int64_t Groups(int64_t num_groups, const Layout& layout) {
  if (num_groups == kAllChannels) return 1;
  if (num_groups == kChannelWise) return layout.channels();
  if (num_groups < 1)
    Fail(
        "group normalization of {}: num_groups is {}, expected 1 or more, kAllChannels (-1) or "
        "kChannelWise (-2)",
        layout.ToString(), num_groups);
  return num_groups;
}

}  // namespace

bool IsGrouped(const NormSpec& spec) { return (spec.reduce & kC) && !(spec.reduce & kG); }

ChosenNorm ChooseNorm(std::string_view layer, const Layout& layout,
                      std::optional<int64_t> num_groups,
                      std::optional<OperationDimension> operation_dimension) {
  const NormSpec& spec = FindNormSpec(layer);
  const bool grouped = IsGrouped(spec);
  if (grouped && !num_groups)
    Fail("{} normalization of {}: the number of groups is missing", spec.name, layout.ToString());
  if (!grouped && num_groups)
    Fail("{} normalization of {}: {} groups given, but only group normalization has groups",
         spec.name, layout.ToString(), *num_groups);
  if (operation_dimension && spec.name != kLayerNorm.name)
    Fail(
        "{} normalization of {}: operation dimension '{}' given, but only layer normalization "
        "has one",
        spec.name, layout.ToString(), Name(*operation_dimension));
  if (grouped) return {spec, WithGroups(spec, layout, *num_groups)};
  if (operation_dimension) return {LayerNormSpec(*operation_dimension, layout), layout};
  return {spec, layout};
}

Layout WithGroups(const NormSpec& spec, const Layout& layout, int64_t num_groups) {
  if (!layout.Has(kC)) return layout;  // which is refused elsewhere
  const std::string title = fmt::format("{} normalization of {}", spec.name, layout.ToString());
  if (!IsGrouped(spec) && num_groups != 0)
    Fail("{}: num_groups is {}, expected 0: only group normalization has groups", title,
         num_groups);
  if (!IsGrouped(spec)) return layout;
  if (num_groups == 0) {
    if (layout.Has(kG)) return layout;
    Fail(
        "{}: the channels are not split into groups, expected options.num_groups (1 or more, "
        "kAllChannels or kChannelWise) or a layout from Layout::SplitChannels",
        title);
  }
  if (layout.channels() == 0) return layout.SplitChannels(1);
  const int64_t groups = Groups(num_groups, layout);
  if (!layout.Has(kG)) return layout.SplitChannels(groups);
  if (layout.SizeOf(kG) != groups)
    Fail("{}: num_groups is {}, expected 0 or {}, the groups that the layout is split into", title,
         num_groups, layout.SizeOf(kG));
  return layout;
}

}  // namespace normkit
