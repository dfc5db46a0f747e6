// From what a user names (a layer, groups, an operation dimension) to a spec and its layout.
#pragma once

#include <optional>
#include <string_view>

#include "normkit/norm/spec.h"

namespace normkit {

struct ChosenNorm {
  NormSpec spec;
  Layout layout;  // with the channels split where there are groups
};

// Whether a statistic is of the channels of one group.
bool IsGrouped(const NormSpec& spec);

// `layer` is a name of NormSpecs(). `num_groups` (>= 1, kAllChannels or kChannelWise) belongs to
// group normalization, which needs it; `operation_dimension` to layer normalization. Throws Error
// on anything else.
ChosenNorm ChooseNorm(std::string_view layer, const Layout& layout,
                      std::optional<int64_t> num_groups = {},
                      std::optional<OperationDimension> operation_dimension = {});

// `layout` with its channels split into `num_groups` (>= 1, kAllChannels or kChannelWise; 0: none
// given). Throws Error where the spec normalizes groups and neither says which they are, or does
// not and groups are given.
Layout WithGroups(const NormSpec& spec, const Layout& layout, int64_t num_groups);

}  // namespace normkit
