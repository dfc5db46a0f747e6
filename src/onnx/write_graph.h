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

// Properties of layers that nodes cannot say go to `metadata`. Gives which constants hold which
// parameters. Constants beyond `most_bytes` are an Error.
std::vector<ParameterTensor> WriteGraph(
    const Network& network, ImageSizes sizes, onnx::GraphProto* graph, Metadata* metadata,
    double most_bytes = std::numeric_limits<double>::infinity());

// The oldest version of the operator set in which the nodes mean what is written here.
int OpsetFor(const onnx::GraphProto& graph);

}  // namespace normkit
