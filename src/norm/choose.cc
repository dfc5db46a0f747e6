#include "src/norm/choose.h"

#include "src/core/fail.h"

namespace normkit {
namespace {

int64_t Groups(int64_t num_groups, const Layout& layout) {
  if (num_groups == kAllChannels) return 1;
  if (num_groups == kChannelWise) return layout.channels();
  if (num_groups < 1)
    Fail("group normalization of {}: {} groups given, expected 1 or more", layout.ToString(),
         num_groups);
  return num_groups;
}

}  // namespace

ChosenNorm ChooseNorm(std::string_view layer, const Layout& layout,
                      std::optional<int64_t> num_groups,
                      std::optional<OperationDimension> operation_dimension) {
  const NormSpec& spec = FindNormSpec(layer);
  const bool grouped = spec.name == kGroupNorm.name;
  if (grouped && !num_groups)
    Fail("group normalization of {}: the number of groups is missing", layout.ToString());
  if (!grouped && num_groups)
    Fail("{} normalization of {}: {} groups given, but only group normalization has groups",
         spec.name, layout.ToString(), *num_groups);
  if (operation_dimension && spec.name != kLayerNorm.name)
    Fail(
        "{} normalization of {}: operation dimension '{}' given, but only layer normalization "
        "has one",
        spec.name, layout.ToString(), Name(*operation_dimension));
  if (grouped && layout.channels() > 0)
    return {spec, layout.SplitChannels(Groups(*num_groups, layout))};
  if (operation_dimension) return {LayerNormSpec(*operation_dimension, layout), layout};
  return {spec, layout};
}

}  // namespace normkit
