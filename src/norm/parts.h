// Parts of an array: the two halves of each pass leaf by leaf, and what joins them.
#pragma once

#include <memory>
#include <vector>

#include "src/core/batch_tree.h"
#include "src/norm/backend.h"
#include "src/norm/check.h"

namespace normkit {

// What Normalization says about Gather and its like, for checked arguments.
class Parts {
 public:
  // `made` computes the whole. Throws Error where there is a tree over an axis with parameters, or
  // a reducer beside it.
  Parts(const Problem& whole, const NormBackend& backend, const NormImplementation& made);

  const BatchPart& whole() const { return whole_; }
  int64_t num_leaves(const BatchPart& part) const {
    return problem_.options.tree ? part.last_leaf - part.first_leaf : 1;
  }
  bool joins() const { return joins_; }
  int64_t statistics(const BatchPart& part) const {
    return joins_ ? problem_.plan.num_stat : part.size() * row_statistics_;
  }
  // Of the arrays of a call.
  ArraySizes Sizes(const BatchPart& part) const {
    return {part.size() * row_elements_, statistics(part)};
  }
  int64_t num_sums() const {
    return 2 * problem_.plan.num_param + (joins_ ? 2 * problem_.plan.num_stat : 0);
  }

  void Gather(const BatchPart& part, const NormForwardArgs& args, Moments* moments) const;
  void GatherWeighted(const BatchPart& part, const NormForwardArgs& args, Moments* moments) const;
  void Join(Moments* moments) const;
  void Finish(std::span<const Moments> moments, const SavedStatistics& saved) const;
  void Apply(const BatchPart& part, const NormForwardArgs& args) const;
  void GatherGradient(const BatchPart& part, const NormBackwardArgs& args, double* sums) const;
  void Join(double* sums) const;
  void ApplyGradient(const BatchPart& part, const NormBackwardArgs& args, const double* sums) const;

  // All parts in one, with a tree.
  void Forward(const NormForwardArgs& args) const;
  void Backward(const NormBackwardArgs& args) const;

 private:
  // Leaves of one length.
  struct Made {
    Made(const Problem& whole, int64_t rows, const NormBackend& backend);
    Problem problem;
    std::unique_ptr<NormImplementation> implementation;
  };

  // A leaf, or one of those pieces of it that there are implementations for.
  struct Piece {
    int64_t leaf;                    // of the part: 0, 1, ...
    int64_t begin;                   // in rows of the part's arrays
    const NormImplementation* made;  // null: the leaf has no rows
    bool first;                      // of its leaf
  };
  void MakeLengths(const NormBackend& backend);
  // Calls f(piece); pieces of a leaf come in order, one after the other.
  template <class F>
  void ForPieces(const BatchPart& part, const F& f) const;
  template <class F>
  void ForPiecesOfLeaf(const BatchPart& part, int64_t leaf, const F& f) const;
  // Calls f(array) so that `to` has what it gives, over or, joined by combine(to, array, size), on
  // top of what is there.
  template <class T, class F, class Combine>
  void Collect(T* to, bool add, int64_t size, const F& f, const Combine& combine) const;
  // Whether so many tasks are what threads share, not what each has inside.
  bool Shares(const BatchPart& part, int64_t tasks) const;
  // In how many runs of leaves, nodes of the tree, those of a mini-batch are gathered, whose
  // results have so many bytes each. As many as keep threads busy, unless the results that wait in
  // all runs are more than a thread keeps: such leaves are large enough for threads inside.
  int64_t Runs(int64_t bytes) const;
  int64_t KeptOfRun(int64_t runs) const;  // how many results wait at once in one of them
  // Gathers the leaves of a run one after the other and merges by the tree what can be at once:
  // gives the run's node, one of `nodes`, or null where it has no rows.
  template <class T, class Args, class Combine>
  T* FoldRun(const BatchPart& run, const Args& args, int64_t size, T* nodes,
             const Combine& combine) const;
  // All leaves gathered and joined: the root, in an array of `Tag`.
  template <class Tag, class T, class Args, class Combine>
  T* Fold(const Args& args, int64_t size, const Combine& combine) const;
  template <class T, class Combine>
  void JoinRows(T* rows, int64_t size, const Combine& combine) const;
  NormForwardArgs From(const NormForwardArgs& args, int64_t row) const;
  NormBackwardArgs From(const NormBackwardArgs& args, int64_t row) const;
  GradientSums SumsAt(double* sums) const;
  void CheckFromX(const NormBackwardArgs& args) const;  // throws Error
  // What a piece gives.
  void GatherPiece(const Piece& piece, const NormForwardArgs& args, Moments* to, bool add) const;
  void GatherPiece(const Piece& piece, const NormBackwardArgs& args, double* to, bool add) const;

  const Problem& problem_;
  const NormImplementation& made_;
  BatchPart whole_;
  bool joins_ = true;
  int64_t row_elements_ = 1, row_bytes_ = 0, row_statistics_ = 0;
  // Of the two lengths of leaves that there are; of uneven ones of 1, 2, 4, ... rows: a leaf is cut
  // into pieces of those, the longest first, so that leaves of any lengths need nothing more.
  std::vector<std::unique_ptr<Made>> lengths_;
  // Whether y and dx of the whole need no leaves: all are of its form. A leaf of one row may take
  // the other, in which they round elsewhere.
  bool whole_applies_ = false;
};

}  // namespace normkit
