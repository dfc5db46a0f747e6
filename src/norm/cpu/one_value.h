// The backward pass of statistics of one value each, which is its own mean: xhat and dx are 0.
#pragma once

#include "normkit/core/threads.h"
#include "src/norm/backend.h"
#include "src/simd/cache.h"

namespace normkit::norm::cpu {

void FillZeros(const Problem& problem, void* dx);

// Gradients of parameters that each value has to itself: dbeta = dy, and dgamma = dy * 0, which is
// NaN where x or dy is none or infinite. The parameters are f32, dgamma and dbeta may be null.
void StoreGradientsOfValues(const Problem& problem, const NormBackwardArgs& args);

// Whether gradients of so many parameters, in f32, go past the caches.
inline bool StreamsParameters(int64_t count) {
  constexpr int64_t kBytes = 2 * sizeof(float);
  return count * kBytes >= simd::StreamLimit(NumThreads());
}

}  // namespace normkit::norm::cpu
