// Calls with arrays that a back-end does not take as they lie, slab by slab: copied into the cache,
// computed there, copied back, so that memory sees no copy.
#pragma once

#include <memory>
#include <string>

#include "src/norm/backend.h"
#include "src/norm/moved_args.h"

namespace normkit {

// A slab is a piece of the arrays along kept axes, with whole statistics: some rows, channels of a
// batch, pictures of one channel. The bits are those of the whole call.
class Slabs {
 public:
  // None where nothing is copied (`copied` is false) or there is no such axis. `made`: of the
  // whole.
  Slabs(const Problem& whole, const NormBackend& backend, const NormImplementation& made,
        bool copied);

  bool any() const { return count_ > 1; }
  // Whether a call can go by slabs. Gradients of parameters that they share are sums over all of
  // them, which added up slab by slab would have other bits, and in element form sums are cut by
  // how many rows there are.
  bool Take(const NormForwardArgs&) const { return any(); }
  bool Take(const NormBackwardArgs& args) const {
    return any() && cells_ && (own_parameters_ || !(args.dgamma || args.dbeta));
  }

  // Checked arguments that Take.
  void Forward(const NormForwardArgs& args) const;
  void Inference(const NormForwardArgs& args, const GivenStatistics& given) const;
  void Backward(const NormBackwardArgs& args) const;

  // ", by 64 slabs of [1,16,56,56]"; "" where there are none.
  std::string ToString(NormPass pass) const;

 private:
  // An axis that slabs cut: into `count`, which lie so far apart in each array.
  struct Cut {
    int64_t count;
    BytesOfArrays bytes;
    int64_t statistics, parameters;
  };
  struct Place {
    BytesOfArrays bytes = {};
    int64_t statistics = 0, parameters = 0;
  };

  Place At(int64_t slab) const;
  // f(place) for each, on threads.
  template <class F>
  void ForEach(const F& f) const;
  // f(arguments) with the copies of a slab.
  template <class Args, class F>
  void WithCopies(Args args, const Place& place, const F& f) const;

  const Problem& whole_;
  std::unique_ptr<Problem> one_;
  std::unique_ptr<const NormImplementation> made_;
  std::vector<Cut> cuts_;  // outermost first
  int64_t count_ = 1;
  bool own_parameters_ = false;  // each slab has its own
  bool cells_ = false;           // y and dx follow in cell form
};

// For tests: the most of x, in bytes, that a slab made from now on holds; what it was before.
int64_t WantSlabsOf(int64_t bytes);

}  // namespace normkit
