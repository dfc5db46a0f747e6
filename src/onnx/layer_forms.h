// The forms, by family: each writes its layer and is false for others.
#pragma once

#include "src/onnx/writer.h"

namespace normkit {

bool WriteConvolutionForm(LayerWriter& writer);  // but over images
bool WriteTransposedForm(LayerWriter& writer);
bool WritePoolingForm(LayerWriter& writer);
bool WriteResizeForm(LayerWriter& writer);

bool WriteElementwiseForm(LayerWriter& writer);
bool WritePreluForm(LayerWriter& writer);
bool WriteLayerScaleForm(LayerWriter& writer);
bool WriteDynamicTanhForm(LayerWriter& writer);
bool WriteCrossChannelForm(LayerWriter& writer);
bool WriteMultiplicationForm(LayerWriter& writer);
bool WriteNormalizationForm(LayerWriter& writer);  // without an operator of its own

bool WriteAttentionForm(LayerWriter& writer);
bool WritePositionsForm(LayerWriter& writer);

// `value` in other axes, 0 being as many as it has.
std::string WriteReshaped(LayerWriter& writer, std::string_view part, const std::string& value,
                          const std::vector<int64_t>& shape);
// [0,channels,D,H,W], space as the file has that of x.
std::vector<int64_t> AxesInFile(const Layout& x, int64_t channels);

}  // namespace normkit
