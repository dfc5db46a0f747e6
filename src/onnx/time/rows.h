// Layers over time as operators of ONNX: what reads the steps of sequences.
#pragma once

#include "src/onnx/writer.h"

namespace normkit {

// Each writes the layer if it is one of its kind; false: it is another.
bool WriteRecurrent(LayerWriter& writer);
bool WriteTimeConvolution(LayerWriter& writer);
bool WriteTimeWindowPooling(LayerWriter& writer);
bool WriteTimePooling(LayerWriter& writer);
bool WriteSelfAttention(LayerWriter& writer);
bool WriteEmbedding(LayerWriter& writer);
bool WritePositions(LayerWriter& writer);
bool WriteStepProduct(LayerWriter& writer);
bool WriteTimeNormalization(LayerWriter& writer);

// x [N,T,inputs] times the parameter weights [outputs, inputs], and plus the parameter `bias` where
// it is not "".
std::string WriteProduct(LayerWriter& writer, std::string_view part, const std::string& x,
                         std::string_view weights, int64_t outputs, int64_t inputs,
                         std::string_view bias);

// x where there are steps, else `otherwise`: whatever stands in padding.
std::string WriteMasked(LayerWriter& writer, std::string_view part, const std::string& x,
                        const std::string& otherwise);

// [N,T,C] to [N,C,T] and back.
std::string WriteTransposed(LayerWriter& writer, std::string_view part, const std::string& x,
                            std::vector<int64_t> perm = {0, 2, 1});

}  // namespace normkit
