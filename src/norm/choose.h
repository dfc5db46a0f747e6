// From what a user names (a layer, groups, an operation dimension) to a spec and its layout.
#pragma once

#include <optional>
#include <string_view>

#include "normkit/norm/spec.h"

namespace normkit {

// Number of groups by name, as in the toolbox.
inline constexpr int64_t kAllChannels = -1;  // one group
inline constexpr int64_t kChannelWise = -2;  // a group a channel

struct ChosenNorm {
  NormSpec spec;
  Layout layout;  // with the channels split where there are groups
};

// `layer` is a name of NormSpecs(). `num_groups` (>= 1, kAllChannels or kChannelWise) belongs to
// group normalization, which needs it; `operation_dimension` to layer normalization. Throws Error
// on anything else.
ChosenNorm ChooseNorm(std::string_view layer, const Layout& layout,
                      std::optional<int64_t> num_groups = {},
                      std::optional<OperationDimension> operation_dimension = {});

}  // namespace normkit
