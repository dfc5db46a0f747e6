// What programs want of imported arrays.
#pragma once

#include <onnx.pb.h>

#include <string>
#include <vector>

#include "normkit/onnx/import.h"

namespace normkit {

// Axis i of the result is axis order[i] of an array as in the file, and back: from three axes on
// the second one, the channels, lies behind all others.
std::vector<int> ChannelsLastOrder(int rank);
std::vector<int> FileOrder(int rank);

// Whether an array of the file has its channels last already, as files do that TensorFlow's
// converter writes: whoever reads it, perhaps behind arithmetic, puts them in the second place.
bool HasChannelsLast(const onnx::GraphProto& graph, const std::string& name, int rank);

// "image [1,3,any,any], mask [5]", for messages.
std::string Shown(const std::vector<ImportedArray>& arrays);

}  // namespace normkit
