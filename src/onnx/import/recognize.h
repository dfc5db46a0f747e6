// Normalizations that a file spells out in means, differences, squares and roots.
#pragma once

#include <onnx.pb.h>

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "normkit/core/tensor.h"

namespace normkit {

// y = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon), or without the mean, over `axes`;
// perhaps scale y + offset. Also where means are taken of x reshaped, [1,C,1,-1].
struct SpelledNorm {
  std::vector<int> nodes;  // of the file, ascending; nobody else reads what they give
  std::string x, y;        // names; y is that of the last node
  bool center = true;
  std::vector<int64_t> reshaped;  // what x is reshaped to before means are taken; empty: it is not
  std::vector<int64_t> axes;      // that are reduced, of what it is reshaped to
  float epsilon = 0;
  std::string scale, offset;  // "": none
  int first() const { return nodes.front(); }
  int last() const { return nodes.back(); }
};

// Which of the file's constants a name is; null: it is none.
using ConstantByName = std::function<const Tensor*(const std::string& name)>;

// All of them, none of which has a node in common with another; `needed`: nodes that are read.
std::vector<SpelledNorm> FindSpelledNorms(const onnx::GraphProto& graph,
                                          std::span<const char> needed,
                                          const ConstantByName& constant);

}  // namespace normkit
