#include "normkit/norm/spec.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/core/text.h"

namespace normkit {
namespace {

constexpr std::array kSpecs = {
    kBatchNorm, kLayerNorm, kLayerNormChannelOnly, kLayerNormSpatialChannel, kInstanceNorm,
    kGroupNorm, kRmsNorm};

constexpr std::array<std::string_view, 4> kOperationDimensions = {
    "batch-excluded", "auto", "channel-only", "spatial-channel"};

bool IsImage(const Layout& layout) {
  const auto is_space = [](const Axis& axis) { return axis.label == kS; };
  return !layout.Has(kT) && std::ranges::count_if(layout.axes(), is_space) >= 2;
}

}  // namespace

std::span<const NormSpec> NormSpecs() { return kSpecs; }

const NormSpec& FindNormSpec(std::string_view name) {
  std::vector<std::string> names;
  for (const NormSpec& spec : kSpecs) {
    if (spec.name == name) return spec;
    names.emplace_back(spec.name);
  }
  Fail("normalization '{}' is unknown{}; expected one of {}", name, DidYouMean(name, names),
       fmt::join(names, ", "));
}

const NormSpec& LayerNormSpec(OperationDimension dimension, const Layout& layout) {
  switch (dimension) {
    case OperationDimension::kBatchExcluded:
      return kLayerNorm;
    case OperationDimension::kAuto:
      return IsImage(layout) ? kLayerNormSpatialChannel : kLayerNormChannelOnly;
    case OperationDimension::kChannelOnly:
      return kLayerNormChannelOnly;
    case OperationDimension::kSpatialChannel:
      return kLayerNormSpatialChannel;
  }
  return kLayerNorm;
}

std::string_view Name(OperationDimension dimension) {
  return kOperationDimensions[static_cast<size_t>(dimension)];
}

OperationDimension ParseOperationDimension(std::string_view name) {
  for (size_t i = 0; i < kOperationDimensions.size(); ++i)
    if (kOperationDimensions[i] == name) return static_cast<OperationDimension>(i);
  Fail("operation dimension {} is unknown{}; expected one of {}", Quoted(name),
       DidYouMean(name, {kOperationDimensions.begin(), kOperationDimensions.end()}),
       fmt::join(kOperationDimensions, ", "));
}

}  // namespace normkit
