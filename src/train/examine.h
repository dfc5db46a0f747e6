// What the doctor measures: answers of networks, and what their normalizations read and give.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "normkit/train/doctor.h"
#include "src/nn/norm_sites.h"

namespace normkit {

inline constexpr double kOverflows = std::numeric_limits<double>::quiet_NaN();  // as a metric

// A copy with parameters of its own.
Network CopyOf(const Network& network);

// What a network says of some observations.
struct Answers {
  double metric = 0;         // NaN: numbers overflow
  std::vector<double> loss;  // of each answer: 1 where it is wrong; regression: squared errors
  int64_t first = -1;        // class that the first observation is taken for
  int64_t kinds = 0;         // of different answers; regression: 0
};
// batch_statistics: with those of each mini-batch in place of the trained ones.
Answers Ask(const Network& network, const DataPtr& data, int64_t mini_batch_size,
            bool batch_statistics = false);

// Whether `a` is better than `b` by more than chance would have it.
bool IsBetter(const Answers& a, const Answers& b, bool classification);

// The layers as `data`, in the network's form, find them.
std::vector<NormHealth> Examine(const Network& network, const DataPtr& data,
                                int64_t mini_batch_size);

}  // namespace normkit
