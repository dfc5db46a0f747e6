// The options that describe a normalization layer, for the commands that apply one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "normkit/norm/spec.h"
#include "tools/options.h"

namespace normkit::tools {

// "batch", "layer", ...: what --layer takes.
std::vector<std::string> LayerNames();

// --num-groups: a number, all-channels or channel-wise.
CLI::Option* AddGroupsOption(CLI::App& command, std::optional<int64_t>& groups);

// --operation-dimension.
CLI::Option* AddOperationDimensionOption(CLI::App& command,
                                         std::optional<OperationDimension>& dimension);

}  // namespace normkit::tools
