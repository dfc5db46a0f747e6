// Layers that no operator is: written as standard nodes, with the layer itself in the metadata as
// network files have it. They are read back by writing them again: the nodes have to be the same.
#pragma once

#include <string>
#include <vector>

#include "src/onnx/graph_reader.h"
#include "src/onnx/writer.h"

namespace normkit {

// True where the layer has such a form: its nodes are written then, and its properties are set.
bool WriteForm(LayerWriter& writer, const std::vector<std::string>& input_layers);

// Reads the layer that the next node begins, if the metadata have one of its name; false: it has
// none. Throws Error where the nodes are not those of the layer, or need a newer opset than the
// model's.
bool ReadForm(GraphReader& reader, int64_t opset);

}  // namespace normkit
