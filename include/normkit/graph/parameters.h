// All parameters of a graph in one array.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/tensor.h"
#include "normkit/graph/graph.h"

namespace normkit {

// One named array in the arena.
struct Parameter {
  std::string name;  // "LAYER.PARAMETER": "bn1.scale"
  Value value = 0;
  int layer = -1;  // whose; -1: none's
  std::vector<int64_t> shape;
  int64_t offset = 0;  // in floats; 64-byte aligned
  int64_t size = 0;
  bool trainable = true;
  double learn_rate_factor = 1;
  double l2_factor = 1;
};

// All parameters of a network in one aligned array; gradients and solver state have the same shape.
class NORMKIT_API Parameters {
 public:
  Parameters() = default;
  explicit Parameters(const Graph& graph);  // zeros
  void Initialize(const Graph& graph,
                  uint64_t seed);  // each parameter from its own stream of the seed

  const std::vector<Parameter>& list() const { return list_; }  // as Graph::parameters()
  std::span<float> values() {
    return values_.size() ? values_.values<float>() : std::span<float>();
  }
  std::span<const float> values() const {
    return values_.size() ? values_.values<float>() : std::span<const float>();
  }
  std::span<float> Get(const Parameter& p);
  std::span<const float> Get(const Parameter& p) const;
  const Parameter* Find(std::string_view name) const;  // null where there is none
  Parameters Clone() const;

 private:
  std::vector<Parameter> list_;
  std::map<std::string, size_t, std::less<>> index_;  // in list_, by name
  Tensor values_;
};

}  // namespace normkit
