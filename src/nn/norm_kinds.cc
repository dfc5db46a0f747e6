#include "src/nn/norm_kinds.h"

#include "src/core/suggest.h"

namespace normkit {
namespace {

constexpr NormKindRow kRows[] = {
    {NormKind::kBatch, &kBatchNorm, kBatchNorm.name, "batch normalization", "batchnorm",
     "batch_normalization", "BatchNormalization", true, ""},
    {NormKind::kLayer, &kLayerNorm, kLayerNorm.name, "layer normalization", "layernorm",
     "layer_normalization", "LayerNormalization", true,
     "more channels, space that it reduces, or batch normalization"},
    {NormKind::kInstance, &kInstanceNorm, kInstanceNorm.name, "instance normalization",
     "instancenorm", "instance_normalization", "InstanceNormalization", true,
     "images larger than 1x1, or batch or layer normalization"},
    {NormKind::kGroup, &kGroupNorm, kGroupNorm.name, "group normalization", "groupnorm",
     "group_normalization", "GroupNormalization", true,
     "fewer groups, images larger than 1x1, or batch normalization"},
    {NormKind::kRms, &kRmsNorm, kRmsNorm.name, "RMS normalization", "rmsnorm", "rms_normalization",
     "RMSNormalization", false, "more channels, or batch normalization"},
    {NormKind::kGroupRms, &kGroupRmsNorm, kGroupRmsNorm.name, "group RMS normalization",
     "grouprmsnorm", "group_rms_normalization", "", false,
     "fewer groups, images larger than 1x1, or batch normalization"}};

}  // namespace

std::span<const NormKindRow> NormKinds() { return kRows; }

const NormKindRow* FindNormKind(std::string_view name) {
  for (const NormKindRow& row : kRows)
    if (SameStem(name, row.name)) return &row;
  return nullptr;
}

}  // namespace normkit
