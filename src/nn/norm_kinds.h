// The table of normalization layers: every name that one of them goes by, its row of NormSpecs().
#pragma once

#include <span>
#include <string_view>

#include "src/norm/choose.h"

namespace normkit {

enum class NormKind { kBatch, kLayer, kInstance, kGroup, kRms, kGroupRms };

struct NormKindRow {
  NormKind kind;
  const NormSpec* spec;         // of layer normalization the default (LayerNormSpec)
  std::string_view name;        // of its row of NormSpecs(), and of --norm
  std::string_view type;        // in tables and errors
  std::string_view short_name;  // of a layer without a name: "batchnorm_1"
  std::string_view json;        // type of a network file
  std::string_view onnx;        // operator; "": none, WriteNormalizationForm spells it out
  bool has_offset;
  std::string_view more_values;  // how its statistics get more than one value

  bool grouped() const { return IsGrouped(*spec); }
};

// In the order of NormKind.
std::span<const NormKindRow> NormKinds();

inline const NormKindRow& RowOf(NormKind kind) { return NormKinds()[static_cast<size_t>(kind)]; }

// The bit of PropertyFacts::of.
constexpr unsigned Bit(NormKind kind) { return 1u << static_cast<int>(kind); }

// The row that one of the names stands for, or null.
const NormKindRow* FindNormKind(std::string_view name);

}  // namespace normkit
