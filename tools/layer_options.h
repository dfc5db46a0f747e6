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

// A layer as --layer, --num-groups and --operation-dimension say it.
struct LayerChoice {
  std::string name;
  std::optional<int64_t> num_groups;
  std::optional<OperationDimension> operation_dimension;
};

// "batch", "group:2", "layer:channel-only", ...: the name, and what stands behind its colon.
void ParseLayer(const std::string& text, LayerChoice& layer);

// --layer of one layer, with groups or a dimension behind it where wanted ("group:2"), as --norm of
// train has them; --num-groups and --operation-dimension for those who keep them apart.
void AddLayerOptions(const Command& command, LayerChoice& layer);

// --num-groups: a number, all-channels or channel-wise.
Option AddGroupsOption(const Command& command, std::optional<int64_t>& groups);

// --operation-dimension.
Option AddOperationDimensionOption(const Command& command,
                                   std::optional<OperationDimension>& dimension);

// --activation.
Option AddActivationOption(const Command& command, Activation& activation);

}  // namespace normkit::tools
