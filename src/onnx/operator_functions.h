// The functions of the rows, by family: input.cc, elementwise.cc, windows.cc, ...
#pragma once

#include <string>
#include <string_view>

#include "src/onnx/graph_reader.h"
#include "src/onnx/writer.h"

namespace normkit {

// The input layer is no operator: it is the graph's input and the nodes that normalize it.
void WriteInput(LayerWriter& writer);
void ReadInput(GraphReader& reader);
std::string InputNormalizationOf(const Graph& graph);  // of its input layer: "zscore"

bool WriteAdd(LayerWriter& writer, std::string_view type);
bool WriteSum(LayerWriter& writer, std::string_view type);
void ReadAddition(GraphReader& reader);
bool WriteConcat(LayerWriter& writer, std::string_view type);
void ReadConcat(GraphReader& reader);
bool WriteDropout(LayerWriter& writer, std::string_view type);
void ReadDropout(GraphReader& reader);
bool WriteFlatten(LayerWriter& writer, std::string_view type);
void ReadFlatten(GraphReader& reader);
bool WriteSoftmax(LayerWriter& writer, std::string_view type);
void ReadSoftmax(GraphReader& reader);

// Rows of the table of elementwise operations (ops/elementwise.h).
bool WriteElementwise(LayerWriter& writer, std::string_view type);
void ReadElementwise(GraphReader& reader);
// Layers that have nothing but a name.
bool WriteNamed(LayerWriter& writer, std::string_view type);
void ReadGlobalAverage(GraphReader& reader);

bool WriteConv(LayerWriter& writer, std::string_view type);
void ReadConv(GraphReader& reader);
bool WritePad(LayerWriter& writer, std::string_view type);
void ReadPad(GraphReader& reader);
bool WriteResize(LayerWriter& writer, std::string_view type);
void ReadResize(GraphReader& reader);
bool WriteGemm(LayerWriter& writer, std::string_view type);
void ReadGemm(GraphReader& reader);
bool WriteMaxPool(LayerWriter& writer, std::string_view type);
void ReadMaxPool(GraphReader& reader);
bool WriteAveragePool(LayerWriter& writer, std::string_view type);
void ReadAveragePool(GraphReader& reader);

// All normalization layers; the operator says which. Those that normalize over channels alone stand
// between two Transpose on images.
bool WriteNormalization(LayerWriter& writer, std::string_view type);
void ReadNormalization(GraphReader& reader);
// Instance normalizations whose scale and offset come from elsewhere, seven nodes and more.
bool WriteAdaptive(LayerWriter& writer, std::string_view type);
void ReadWrappedNormalization(GraphReader& reader);

}  // namespace normkit
