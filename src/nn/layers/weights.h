// What layers of weighted sums share: their parameters.
#pragma once

#include <utility>
#include <vector>

#include "normkit/graph/graph.h"
#include "src/nn/layers/common.h"

namespace normkit {

// What such a layer's node reads: x, new weights of `shape` and, where there are, `outputs` biases.
template <class Options>
std::vector<Value> WithWeights(Graph& graph, Value x, const Options& o, std::vector<int64_t> shape,
                               int64_t outputs, int64_t fan_in, int64_t fan_out) {
  std::vector<Value> reads{x};
  reads.push_back(graph.AddParameter({"weights", std::move(shape),
                                      MakeInitializer(o.weights_initializer, fan_in, fan_out), true,
                                      o.weight_learn_rate_factor, o.weight_l2_factor}));
  if (o.bias)
    reads.push_back(graph.AddParameter({"bias",
                                        {outputs},
                                        MakeInitializer(o.bias_initializer, fan_in, fan_out),
                                        true,
                                        o.bias_learn_rate_factor,
                                        o.bias_l2_factor}));
  return reads;
}

}  // namespace normkit
