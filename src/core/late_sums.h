// Gradients of parameters that are added up over ranks while the backward pass goes on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "normkit/core/transfers.h"
#include "src/core/batch_tree.h"

namespace normkit {

// A rank's reducer in the backward pass. What kernels give to SumLeavesTo for one of the gradients
// fills a bucket. A full one is handed out, a slice of its sums to each rank, which adds up what it
// gets by the tree and gives the result to all: the bits that each would make of all of it, for 2
// (R - 1) / R values that come for each one instead of R - 1.
class LateSums : public Reducer {
 public:
  LateSums() = default;
  ~LateSums() override { Abandon(); }
  LateSums(const LateSums&) = delete;
  LateSums& operator=(const LateSums&) = delete;

  // From here to Finish what is given for `gradients` comes late.
  void Begin(TransferReducer& reducer, std::span<const float> gradients);
  bool Takes(const float* to) const;
  template <class T>
  void Add(const LeafArrays<T>& nodes, const BatchPart& part, int64_t size, float* to);
  // Lets what is under way go on.
  void Progress();
  // Waits for all of it.
  void Finish();

  int ranks() const override { return reducer_->ranks(); }
  int rank() const override { return reducer_->rank(); }
  void Merge(std::span<Moments> moments) override { reducer_->Merge(moments); }
  void Sum(std::span<double> values) override { reducer_->Sum(values); }
  void Gather(std::span<const std::byte> own, std::span<std::byte> all) override {
    reducer_->Gather(own, all);
  }
  void Feeds() override { reducer_->Feeds(); }

 private:
  // A run of a parameter's gradient, cut into a slice for each rank.
  struct Run {
    float* to;
    int64_t size;
    size_t slice;       // values; the last ranks' are shorter, or empty
    size_t nodes;       // that a rank has at most: so many slices stand in each piece
    size_t at, sum_at;  // bytes before it in a piece, sums before it in a slice of the bucket
    BatchPart part;
    bool f64;
    size_t length(size_t rank) const {
      const auto all = static_cast<size_t>(size);
      return std::min(all, (rank + 1) * slice) - std::min(all, rank * slice);
    }
  };
  struct Bucket {
    std::vector<Run> runs;
    std::vector<std::byte> out, in;  // pieces for the ranks, and of them
    std::vector<float> sums, all;    // this rank's slice, and those of all
    size_t piece = 0, slice = 0;     // bytes of a piece, sums of a slice
    std::unique_ptr<Transfer> scatter, gather;
    void Clear();
  };

  template <class T>
  void AddRun(const LeafArrays<T>& nodes, const BatchPart& part, int64_t size, float* to);
  size_t num_ranks() const { return static_cast<size_t>(ranks()); }
  // Bytes that a piece has at most.
  size_t MostBytes() const;
  size_t MostNodes(const BatchPart& part) const;
  BatchPart PartOf(const BatchPart& part, size_t rank) const {
    return BatchPart::OfRank(part.whole, static_cast<int>(rank), ranks(), part.begins);
  }
  Bucket& BucketFor(size_t bytes);
  void Scatter();
  template <class T>
  void AddUpRun(const Run& run, Bucket& bucket) const;
  void Gather(Bucket& bucket);
  void Store(const Bucket& bucket) const;
  void Abandon();

  TransferReducer* reducer_ = nullptr;
  std::span<const float> gradients_;
  std::vector<Bucket> buckets_;          // kept from pass to pass
  size_t scattered_ = 0, gathered_ = 0;  // so many of them have begun to; the next one is filled
};

// The sum over the nodes of all ranks (those of this one are merged), or without a reducer over
// nodes[0] alone, into `to`: at once, or before the backward pass ends.
template <class T>
void SumNodesTo(const LeafArrays<T>& nodes, const BatchPart& part, Reducer* reducer, int64_t size,
                float* to) {
  const T* sum = nodes[0];
  if (reducer && reducer->ranks() > 1) {
    if (auto* late = dynamic_cast<LateSums*>(reducer); late && late->Takes(to))
      return late->Add(nodes, part, size, to);
    sum = JoinRanks(nodes, part, *reducer, size,
                    [&](T* into, const T* from) { AddUp()(into, from, size); });
  }
  if (static_cast<const void*>(sum) == to) return;
  std::transform(sum, sum + size, to, [](T value) { return static_cast<float>(value); });
}

// The same of leaves.
template <class T>
void SumLeavesTo(LeafArrays<T> leaves, const BatchPart& part, Reducer* reducer, int64_t size,
                 float* to) {
  SumPart(leaves, part, size);
  SumNodesTo(leaves, part, reducer, size, to);
}

}  // namespace normkit
