// The options that describe a normalization layer, for the commands that apply one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "normkit/norm/normalization.h"
#include "tools/options.h"

namespace normkit::tools {

// "batch", "layer", ...: what --layer takes.
std::vector<std::string> LayerNames();

// --num-groups: a number, all-channels or channel-wise.
Option AddGroupsOption(const Command& command, std::optional<int64_t>& groups);

// --operation-dimension.
Option AddOperationDimensionOption(const Command& command,
                                   std::optional<OperationDimension>& dimension);

// --activation.
Option AddActivationOption(const Command& command, Activation& activation);

}  // namespace normkit::tools
