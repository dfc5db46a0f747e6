// The base learning rate over time.
#pragma once

#include <cstdint>

#include "normkit/train/options.h"

namespace normkit {

// The learning rate of `iteration` in `epoch`, both from 1; `options` are resolved.
//   piecewise: initial * drop_factor ^ floor((epoch - 1) / drop_period)
//   cosine:    initial / 2 * (1 + cos(pi * (iteration - 1) / total_iterations))
//              (Loshchilov & Hutter 2017, one cycle)
double LearnRate(const TrainingOptions& options, int64_t epoch, int64_t iteration,
                 int64_t total_iterations);

}  // namespace normkit
