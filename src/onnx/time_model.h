// Models of networks over time: nodes that any runtime takes (time/), and in the metadata the
// network that they were written from, as networks in JSON are, which is what is read back.
#pragma once

#include <onnx.pb.h>

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "normkit/nn/network.h"

namespace normkit {

// Whether the first layer reads the steps of sequences.
bool IsOverTime(const Graph& graph);

// {"layers":[...]}; with "streams":true where states are inputs and outputs.
nlohmann::json TimeNetworkJson(const Graph& graph, bool streams);

// Throws Error where a layer looks at other steps than those before a state.
void CheckStreams(const Graph& graph);

// Gives the opset that the graph needs.
int WriteTimeGraph(const Network& network, bool streams, onnx::GraphProto* graph);

// Graph and parameters, bit for bit. Throws Error where the nodes are not what `network` is written
// as.
Network ReadTimeGraph(const onnx::ModelProto& model, const nlohmann::json& network,
                      const std::string& file);

}  // namespace normkit
