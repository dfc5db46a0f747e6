#include "src/nn/norm_kinds.h"

#include "normkit/norm/spec.h"
#include "src/core/suggest.h"

namespace normkit {
namespace {

constexpr NormKindRow kRows[] = {
    {NormKind::kBatch, kBatchNorm.name, "batch normalization", "batchnorm", "batch_normalization",
     "BatchNormalization", ""},
    {NormKind::kLayer, kLayerNorm.name, "layer normalization", "layernorm", "layer_normalization",
     "LayerNormalization", "more channels, space that it reduces, or batch normalization"},
    {NormKind::kInstance, kInstanceNorm.name, "instance normalization", "instancenorm",
     "instance_normalization", "InstanceNormalization",
     "images larger than 1x1, or batch or layer normalization"},
    {NormKind::kGroup, kGroupNorm.name, "group normalization", "groupnorm", "group_normalization",
     "GroupNormalization", "fewer groups, images larger than 1x1, or batch normalization"},
    {NormKind::kRms, kRmsNorm.name, "RMS normalization", "rmsnorm", "rms_normalization",
     "RMSNormalization", "more channels, or batch normalization"}};

}  // namespace

std::span<const NormKindRow> NormKinds() { return kRows; }

const NormKindRow* FindNormKind(std::string_view name) {
  for (const NormKindRow& row : kRows)
    if (SameStem(name, row.name)) return &row;
  return nullptr;
}

}  // namespace normkit
