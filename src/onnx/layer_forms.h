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

}  // namespace normkit
