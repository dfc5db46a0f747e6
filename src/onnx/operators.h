// THE TABLE: which ONNX operator stands for which layer, in both directions. Support for another
// operator is another row; elementwise ones have theirs in ops/elementwise.cc.
#pragma once

#include <span>
#include <string_view>

#include "src/onnx/graph_reader.h"
#include "src/onnx/writer.h"

namespace normkit {

struct Operator {
  std::string_view type;  // ONNX operator, the first one where a layer needs several nodes
  int opset;              // the oldest in which all nodes of the row mean what is written here
  // Writes the layer if it is one that this row stands for; false: it is another. Null: never
  // written.
  bool (*write)(LayerWriter& writer, std::string_view type);
  // Reads the next node, and those behind it that belong to the same layer. Null: only stands
  // within layers of other rows.
  void (*read)(GraphReader& reader);
};

std::span<const Operator> Operators();
const Operator* FindOperator(std::string_view type);  // null where there is none

// Versions of the operator set that are read and written: the meaning of every row holds in all of
// them.
inline constexpr int kOldestOpset = 13, kNewestOpset = 23;

}  // namespace normkit
