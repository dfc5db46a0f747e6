// Convolution over the space of each step of a sequence.
#pragma once

#include <memory>

#include "src/onednn/convolution_shape.h"
#include "src/ops/time_rows.h"

namespace normkit::ops {

// x [rows, space, channels], `shape.batch` rows of packed time, weights and bias as
// ops::Convolution has them. Leaves of sequences have another number of rows each time, which a
// library's primitives are made for: these are products of rows.
std::unique_ptr<Kernel> MakeStepConvolution(const ConvolutionShape& shape, const TimeRows& time,
                                            const Preparation& how);

}  // namespace normkit::ops
