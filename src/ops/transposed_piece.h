// Pieces of transposed convolutions.
#pragma once

#include "src/onednn/convolution_shape.h"
#include "src/ops/ops.h"

namespace normkit::ops {

// A box of what the transpose of a convolution gives, `shape` being that of the convolution (from
// our y to our x) for the whole picture: each of its stride x stride phases is a convolution by
// blocks.
OpPiece TransposedPiece(const ConvolutionShape& shape, std::span<const OpInput> inputs,
                        const Box& y);

}  // namespace normkit::ops
