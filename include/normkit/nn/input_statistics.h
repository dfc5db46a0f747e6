// What an input layer has to know about the training data.
#pragma once

#include <span>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/moments.h"
#include "normkit/graph/graph.h"
#include "normkit/nn/network.h"

namespace normkit {

// Gathers mean, standard deviation, minimum and maximum of each channel over the training data, and
// writes those the graph's input layer asks for into its parameters ("mean", "std", "min", "max").
// A channel that never varies gets std 1, or max = min + 1.
class NORMKIT_API InputStatistics {
 public:
  explicit InputStatistics(const Graph& graph);
  bool needed() const { return needed_; }         // false: the input layer changes nothing
  void Add(std::span<const float> observations);  // one or several, in the input's layout
  void WriteTo(Parameters& parameters) const;     // throws Error where nothing was added

 private:
  const Graph* graph_;
  bool needed_ = false;
  int64_t channels_ = 0, observation_size_ = 0;
  std::vector<Moments> moments_;
  std::vector<float> min_, max_;
};

}  // namespace normkit
