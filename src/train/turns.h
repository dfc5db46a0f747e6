// Mini-batches of a pass that ranks share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "normkit/core/reducer.h"

namespace normkit {

// How a data set is gone through: in mini-batches of such a size, at which ranks take turns. One
// without a reducer has all of them.
struct DataPass {
  DataPass(int64_t size, Reducer* ranks = nullptr) : batch_size(size), reducer(ranks) {}  // NOLINT
  int64_t batch_size;
  Reducer* reducer;
};

// Calls measure(i, own) for those of `batches` mini-batches whose turn it is, `size` T each that
// are T{} before, and join(of_batch) for all of them, in order: the same on every rank.
template <class T, class Measure, class Join>
void ForTurns(Reducer* reducer, size_t batches, size_t size, const Measure& measure,
              const Join& join) {
  const size_t ranks = reducer ? static_cast<size_t>(reducer->ranks()) : 1,
               rank = reducer ? static_cast<size_t>(reducer->rank()) : 0;
  std::vector<T> own(size), all(ranks * size);
  for (size_t first = 0; first < batches; first += ranks) {
    std::ranges::fill(own, T{});
    if (first + rank < batches) measure(first + rank, std::span(own));
    if (ranks > 1)
      reducer->Gather(std::as_bytes(std::span(own)), std::as_writable_bytes(std::span(all)));
    else
      all.swap(own);
    for (size_t r = 0; r < ranks && first + r < batches; ++r)
      join(std::span<const T>(all).subspan(r * size, size));
  }
}

}  // namespace normkit
