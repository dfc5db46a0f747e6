// The nodes and constants of a network's graph.
#pragma once

#include <onnx.pb.h>

#include <limits>
#include <vector>

#include "normkit/nn/network.h"
#include "src/onnx/metadata.h"
#include "src/onnx/model.h"
#include "src/onnx/writer.h"

namespace normkit {

struct WrittenGraph {
  std::vector<ParameterTensor> parameters;  // which constants hold which parameters
  int opset;  // the oldest version of the operator set in which the nodes mean what is written here
};

// Properties of layers that nodes cannot say go to `metadata`. Constants beyond `most_bytes` are an
// Error. `streams`: of a network over time, with states as inputs and outputs.
WrittenGraph WriteGraph(const Network& network, ImageSizes sizes, onnx::GraphProto* graph,
                        Metadata* metadata,
                        double most_bytes = std::numeric_limits<double>::infinity(),
                        bool streams = false);

// What the nodes written so far need, and what their layers have asked for.
int OpsetFor(const onnx::GraphProto& graph, const GraphWriter& writer);

}  // namespace normkit
