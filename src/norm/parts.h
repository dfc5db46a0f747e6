// Parts of an array: the two halves of each pass leaf by leaf, and what joins them.
#pragma once

#include <array>
#include <memory>

#include "src/core/batch_tree.h"
#include "src/norm/backend.h"

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
  int64_t num_sums() const {
    return 2 * problem_.plan.num_param + (joins_ ? 2 * problem_.plan.num_stat : 0);
  }

  void Gather(const BatchPart& part, const NormForwardArgs& args, Moments* moments) const;
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

  // Calls f(k, begin, implementation) for the k-th leaf of the part, which begins at that row of
  // the part's arrays; the implementation of a leaf without rows is null.
  template <class F>
  void ForLeaves(const BatchPart& part, const F& f) const;
  template <class T, class Combine>
  void JoinRows(T* rows, int64_t size, const Combine& combine) const;
  NormForwardArgs From(const NormForwardArgs& args, int64_t row) const;
  NormBackwardArgs From(const NormBackwardArgs& args, int64_t row) const;
  GradientSums SumsAt(double* sums) const;

  const Problem& problem_;
  const NormImplementation& made_;
  BatchPart whole_;
  bool joins_ = true;
  int64_t row_bytes_ = 0, row_statistics_ = 0;
  std::array<std::unique_ptr<Made>, 2> leaves_;  // of the two lengths that there are
};

}  // namespace normkit
