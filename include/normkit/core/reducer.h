// How statistics of several processes are joined (synchronized batch normalization).
#pragma once

#include <span>

#include "normkit/core/export.h"
#include "normkit/core/moments.h"

namespace normkit {

// All ranks call the same functions in the same order. Results have the same bits on every rank.
class NORMKIT_API Reducer {
 public:
  virtual ~Reducer() = default;
  virtual int ranks() const = 0;
  virtual int rank() const = 0;                        // of this process, in [0, ranks())
  virtual void Merge(std::span<Moments> moments) = 0;  // element-wise, in rank order
  virtual void Sum(std::span<double> values) = 0;      // element-wise, in rank order
};

}  // namespace normkit
