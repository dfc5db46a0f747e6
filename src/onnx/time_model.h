// Models of networks over time, until their layers are operators of ONNX itself: each layer is a
// node of the domain "normkit" that holds its properties and reads its parameters.
#pragma once

#include <onnx.pb.h>

#include <string>

#include "normkit/nn/network.h"

namespace normkit {

inline constexpr const char* kOwnDomain = "normkit";

// Whether the first layer reads the steps of sequences.
bool IsOverTime(const Graph& graph);

void WriteTimeGraph(const Network& network, onnx::ModelProto* model);

bool HasTimeGraph(const onnx::ModelProto& model);
// Graph and parameters, bit for bit. Throws Error where the file does not say them whole.
Network ReadTimeGraph(const onnx::ModelProto& model, const std::string& file);

}  // namespace normkit
