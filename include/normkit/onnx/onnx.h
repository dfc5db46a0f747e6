// Model files.
#pragma once

#include <string>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/nn/network.h"

namespace normkit {

// Writes an ONNX model: inputs and outputs [N,C,H,W] or [N,C] with a dynamic N, class names, input
// normalization and training facts in metadata_props. The file at `path` is the old one or the new
// one, never a part.
NORMKIT_API void SaveOnnx(const Network& network, const std::string& path);

// Writes a model of images of any size: H and W are dynamic too. The facts become entries of
// metadata_props under their own names ("Image.NominalPixelRange"). ImportOnnx reads it.
NORMKIT_API void SaveOnnxOfAnySize(const Network& network, const std::string& path);

// Writes a network of sequences to be run some steps at a time: what each LSTM and GRU remembers is
// an input, "lstm1.h" and "lstm1.c" [N,hidden], zeros in front of the first step, and an output,
// "lstm1.h_next", which the next call takes. Throws Error that names a layer that looks at other
// steps. LoadOnnx reads it as the network that it was.
NORMKIT_API void SaveOnnxForStreaming(const Network& network, const std::string& path);

// Reads what SaveOnnx wrote, bit for bit. Throws Error naming file, node, given and expected.
NORMKIT_API Network LoadOnnx(const std::string& path);

}  // namespace normkit
