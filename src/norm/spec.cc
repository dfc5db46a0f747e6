#include "normkit/norm/spec.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/norm/names.h"

namespace normkit {
namespace {

constexpr std::array kSpecs = {
    kBatchNorm, kLayerNorm, kLayerNormChannelOnly, kLayerNormSpatialChannel, kInstanceNorm,
    kGroupNorm, kRmsNorm,   kGroupRmsNorm,         kL2Normalization,         kScaleNorm,
    kMeanOnly};

bool IsImage(const Layout& layout) {
  const auto is_space = [](const Axis& axis) { return axis.label == kS; };
  return !layout.Has(kT) && std::ranges::count_if(layout.axes(), is_space) >= 2;
}

}  // namespace

std::span<const NormSpec> NormSpecs() { return kSpecs; }

const NormSpec& FindNormSpec(std::string_view name) {
  std::vector<std::string> names;
  for (const NormSpec& spec : kSpecs) {
    if (spec.name == name || SameStem(name, spec.name)) return spec;
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

Dims ParseAxes(std::string_view letters) {
  if (letters.empty()) Fail("axes '': no letter, expected some of B, T, S and C");
  Dims result = 0;
  const Layout layout = Layout::Make(letters, std::vector<int64_t>(letters.size(), 1));
  for (const Axis& axis : layout.axes()) {
    if (result & axis.label) Fail("axes '{}': S stands twice, expected at most once", letters);
    result |= axis.label;
  }
  return result;
}

std::string_view Name(OperationDimension dimension) { return NameOf(dimension); }

OperationDimension ParseOperationDimension(std::string_view name) {
  return ParseNamed<OperationDimension>(name);
}

}  // namespace normkit
