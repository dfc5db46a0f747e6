// Changes of a network of others, in its file.
#pragma once

#include <onnx.pb.h>

#include <string>
#include <vector>

#include "normkit/nn/network_changes.h"
#include "normkit/onnx/import.h"

namespace normkit {

// What the file calls a node: its name, or that of what it gives.
const std::string& NodeName(const onnx::NodeProto& node);

// Epsilons, the size of pictures and the last layer: what changes the file itself.
void EditModel(const std::string& file, const NetworkChanges& changes, onnx::ModelProto& model);

// Puts the values of a parameter into the array that it stands for, whose type stays. Throws Error
// where that cannot be.
void PutParameter(const std::string& file, const ImportedParameter& parameter,
                  std::span<const float> values, onnx::ModelProto& model);

}  // namespace normkit
