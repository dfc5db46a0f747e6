// How statistics and gradients of several ranks are joined (synchronized batch normalization,
// data-parallel training).
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/moments.h"

namespace normkit {

// What a rank throws that waits for others in vain.
class NORMKIT_API LostRanksError : public Error {
 public:
  using Error::Error;
};

// All ranks call the same functions in the same order. Results have the same bits on every rank.
class NORMKIT_API Reducer {
 public:
  virtual ~Reducer() = default;
  virtual int ranks() const = 0;
  virtual int rank() const = 0;                        // of this one, in [0, ranks())
  virtual void Merge(std::span<Moments> moments) = 0;  // element-wise, in rank order
  virtual void Sum(std::span<double> values) = 0;      // element-wise, in rank order
  // What every rank gives, in rank order: `all` is ranks() times as long as `own`, whose length is
  // the same on every rank. All else can be made of it: who merges what in which order decides.
  virtual void Gather(std::span<const std::byte> own, std::span<std::byte> all) = 0;
  // Says of the next Gather that other values follow from what it gives (the statistics of batch
  // normalization), not gradients of parameters alone. Who runs ranks one after the other has to
  // know; nobody else does.
  virtual void Feeds() {}
};

// Calls body(reducer) for `ranks` ranks, each on a thread of its own, and returns when all have
// ended. Where one throws, those that wait for it throw too, and the first error is thrown here.
NORMKIT_API void RunRanks(int ranks, const std::function<void(Reducer&)>& body);

}  // namespace normkit
