// Arrays of observations of different lengths: what stands behind an end is padding.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "src/norm/array_copies.h"
#include "src/norm/backend.h"
#include "src/norm/moved_args.h"
#include "src/norm/parts.h"

namespace normkit {

// Calls with `lengths` ([B], steps of the time axis): each observation is a problem of its own,
// the array cut behind its last step, so that padding is not read, and has the bits that it has
// alone. Statistics over observations join moments, one observation after the other.
class Padded {
 public:
  Padded(const Problem& whole, const NormBackend& backend, const Parts& parts)
      : whole_(whole), backend_(backend), parts_(parts) {}

  // Checked arguments whose `lengths` is not null. Each throws Error where the layout has no time,
  // a length is not from 1 to all steps, or the options do not go with lengths.
  void Forward(const NormForwardArgs& args) const;
  void Inference(const NormForwardArgs& args, const GivenStatistics& given) const;
  void Backward(const NormBackwardArgs& args) const;

 private:
  // Observations of one length.
  struct Made {
    Made(const Problem& whole, const Layout& layout, const ArrayStrides& strides,
         const NormBackend& backend);
    // f(arguments) with dense copies of the arrays that are not taken as they lie.
    template <class Args, class F>
    void WithArrays(const Args& args, const F& f, Half half = Half::kBoth) const;
    Problem problem;
    std::unique_ptr<NormImplementation> implementation;
    BytesOfArrays next = {};  // from one to the next
  };
  using Observations = std::vector<std::shared_ptr<const Made>>;

  void CheckLengths(const int64_t* lengths) const;
  std::shared_ptr<const Made> Find(int64_t length) const;
  Observations FindAll(const int64_t* lengths) const;
  template <class F>
  void ForEach(const Observations& made, const F& f) const;
  bool joins() const { return whole_.spec.reduce & kB; }
  void ForwardJoined(const NormForwardArgs& args, const Observations& made) const;
  void BackwardJoined(const NormBackwardArgs& args, const Observations& made) const;
  void ZeroPadding(const NormForwardArgs& args) const;
  void ZeroPadding(const int64_t* lengths, NormArray array, void* data) const;

  // Statistics of an observation among those of all, which lie apart where time is kept and does
  // not lie innermost of what is.
  class Statistics;

  static constexpr size_t kMost = 512;  // lengths, a few KB each

  const Problem& whole_;
  const NormBackend& backend_;
  const Parts& parts_;
  mutable std::mutex mutex_;
  mutable std::map<int64_t, std::shared_ptr<const Made>> made_;
};

}  // namespace normkit
