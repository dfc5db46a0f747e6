// A reducer whose messages are under way while its rank computes.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "normkit/core/export.h"
#include "normkit/core/reducer.h"

namespace normkit {

// Numbers under way between ranks, begun by this one.
class NORMKIT_API Transfer {
 public:
  virtual ~Transfer() = default;
  virtual bool Done() = 0;  // asked now and then, it lets them get on while this rank computes
  virtual void Wait() = 0;
};

// With one of these, training adds up gradients by slices and while the backward pass goes on; with
// any other reducer by Gather.
class NORMKIT_API TransferReducer : public Reducer {
 public:
  // Begins to give each rank its piece. Those of `own`, in rank order, are equally long, and of
  // each the first `bytes` go; `all` gets those that each rank has for this one, in rank order.
  // Both stay where they are until it is done. All ranks begin scatters in the same order, and
  // gathers in the same order, but not both together: they may not wait for each other.
  virtual std::unique_ptr<Transfer> StartScatter(std::span<const std::byte> own, size_t bytes,
                                                 std::span<std::byte> all) = 0;
  // Begins what Gather does.
  virtual std::unique_ptr<Transfer> StartGather(std::span<const std::byte> own,
                                                std::span<std::byte> all) = 0;
};

}  // namespace normkit
