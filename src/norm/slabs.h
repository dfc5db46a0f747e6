// Calls slab by slab: with arrays that a back-end does not take as they lie, which are copied into
// the cache, computed there and copied back, so that memory sees no copy; and with so many
// statistics, cells or parameters that what is kept of each would be as much as x and more.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/norm/backend.h"
#include "src/norm/moved_args.h"
#include "src/norm/strides.h"

namespace normkit {

// A slab is a piece of the arrays along kept axes, with whole statistics: some rows, channels of a
// batch, pictures of one channel. The bits are those of the whole call.
class Slabs {
 public:
  // None where nothing is copied (`copied` is false) and little is kept, or where there is no such
  // axis. `made`: of the whole, which lives longer.
  Slabs(const Problem& whole, const NormBackend& backend, const NormImplementation& made,
        bool copied);

  bool any() const { return count_ > 1; }
  // Whether a call goes by slabs. In element form sums are cut by how many rows there are.
  template <class Args>
  bool Take(NormPass pass, const Args& args) const {
    const bool backward = pass == NormPass::kBackward;
    return any() && (cells_ || !backward) &&
           Gains(pass, !args.gamma || !args.beta, backward && !args.x);
  }

  // Checked arguments that Take.
  void Forward(const NormForwardArgs& args) const;
  void Inference(const NormForwardArgs& args, const GivenStatistics& given) const;
  void Backward(const NormBackwardArgs& args) const;

  // ", by 64 slabs of [1,16,56,56]"; "" where there are none.
  std::string ToString(NormPass pass) const;

 private:
  // What computes slabs.
  struct Maker {
    std::unique_ptr<Problem> problem;
    std::unique_ptr<const NormImplementation> made;
  };
  // An axis that slabs cut: into `count`, which lie so far apart in each array.
  struct Cut {
    int64_t count;
    BytesOfArrays bytes;
    int64_t statistics, parameters, cells;
  };
  // A kept axis, and what one of its neighbours holds.
  struct Kept {
    size_t axis = 0;
    int64_t size = 0, elements, cells, statistics, parameters;
    bool affine = false;
    bool apart = false;   // slabs of it do not lie in one piece
    bool turned = false;  // nor do their cells, nor parameters that only they have
  };
  struct Place {
    BytesOfArrays bytes = {};
    int64_t statistics = 0, parameters = 0, cells = 0;
    const Maker* maker = nullptr;
  };

  bool Gains(NormPass pass, bool ones, bool from_y = false) const {
    return copied_ || whole_made_.KeepsAll(pass, ones, from_y);
  }
  // Those that can be cut, outermost first: each but the last would hold too much singly.
  std::vector<Kept> KeptAxes() const;
  int64_t BytesOf(const Kept& one) const;
  // How many of them a slab has; 0 where no number suits.
  int64_t NeighboursAlong(const Kept& axis) const;
  // Cuts all axes singly but the last.
  void CutAlong(std::span<const Kept> kept, int64_t neighbours, const NormBackend& backend);
  Maker Make(const NormBackend& backend, const std::vector<Axis>& axes,
             const StridesOfArrays& strides) const;
  Place At(int64_t slab) const;
  // f(place) for slabs [first, last), on threads.
  template <class F>
  void ForEach(int64_t first, int64_t last, const F& f) const;
  // f(what computes, arguments) of a slab, with its copies.
  template <class Args, class F>
  void WithArrays(Args args, const Place& place, const F& f) const;
  // Parameters of a slab that lie apart, in one piece, of so many bytes each; and back.
  template <class Tag>
  void* Together(const void* values, const Place& place, size_t bytes) const;
  void Apart(const void* together, const Place& place, size_t bytes, void* values) const;
  // Backward of slabs with their own ones, which lie apart.
  void BackwardApart(const NormImplementation& made, NormBackwardArgs args,
                     const Place& place) const;
  // f(what computes, arguments, place) of a slab, and of slabs [first, last).
  template <class F>
  void BackwardOf(NormBackwardArgs args, const Place& place, const F& f) const;
  template <class F>
  void BackwardSome(const NormBackwardArgs& args, int64_t first, int64_t last, const F& f) const;
  // With gradients of parameters that slabs share: sums over all of them, cell by cell in order.
  void BackwardShared(const NormBackwardArgs& args) const;
  // The same of parameters that some slabs share, `shares_` of them: a thread takes all of those.
  void BackwardGroups(const NormBackwardArgs& args) const;
  bool GroupsGain() const;
  // Which slab comes `turn`-th of those of a group.
  int64_t SlabOf(int64_t group, int64_t turn) const;

  const Problem& whole_;
  const NormImplementation& whole_made_;
  const bool copied_;
  bool copies_;            // slabs are
  Maker one_, last_;       // the last along the innermost cut, where it is smaller
  std::vector<Cut> cuts_;  // outermost first
  int64_t count_ = 1;
  int64_t shares_ = 1;  // slabs that share parameters
  // Where those of a slab lie apart, cut along the innermost axis: so many pieces, so far apart.
  struct Pieces {
    int64_t count = 1, pitch = 0;
  };
  Pieces pieces_;
  bool cells_ = false;  // y and dx follow in cell form
};

// For tests: the most of x, in bytes, that a slab made from now on holds; what it was before.
int64_t WantSlabsOf(int64_t bytes);

}  // namespace normkit
