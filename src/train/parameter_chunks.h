// Work on parameters in parts of a fixed size: the same bits for any number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "normkit/graph/parameters.h"
#include "normkit/train/optimizer.h"
#include "src/core/parallel.h"

namespace normkit {

inline constexpr int64_t kParameterChunk = 1 << 14;  // floats a task: 64 KB of each array

// All parameters that are trained, in order. lambda is l2_regularization times a parameter's
// factor.
std::vector<ParameterChunk> CutParameters(const Parameters& parameters, double l2_regularization);

// The sum of a[i] * b[i] in f64 over a fixed number of lanes, so that it vectorizes with the same
// bits everywhere.
double Dot(std::span<const float> a, std::span<const float> b);

// body(i, chunk, of), where of(values) is the chunk's part of an array.
template <class Body>
void ForEachChunk(std::span<const ParameterChunk> chunks, const Body& body) {
  // From here on (2 MB over the arrays of a step) threads are woken; for less that takes longer
  // than the step.
  constexpr int64_t kWorthThreads = 1 << 17;
  const auto count = static_cast<int64_t>(chunks.size());
  ParallelFor(count, count * kParameterChunk >= kWorthThreads, [&](int64_t i) {
    const ParameterChunk& chunk = chunks[static_cast<size_t>(i)];
    const auto of = [&](auto values) {
      return values.subspan(static_cast<size_t>(chunk.begin),
                            static_cast<size_t>(chunk.end - chunk.begin));
    };
    body(static_cast<size_t>(i), chunk, of);
  });
}

}  // namespace normkit
