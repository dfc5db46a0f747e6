// What an executor has made ready for inputs of certain shapes.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "normkit/graph/executor.h"
#include "src/graph/steps.h"
#include "src/graph/value_blocks.h"

namespace normkit {

// Whose rows are whose in a part of a mini-batch of sequences. PackedTime points into it.
class TimeCut {
 public:
  // offsets of all observations of the mini-batch, [part.whole + 1]; empty: one row each. Where no
  // array is packed time() has none of them.
  TimeCut(const BatchPart& part, std::span<const int64_t> offsets, bool packed = true);
  TimeCut(const TimeCut&) = delete;
  TimeCut& operator=(const TimeCut&) = delete;

  // The same for another mini-batch; allocates nothing where the part has as many observations.
  void Set(const BatchPart& part, std::span<const int64_t> offsets);
  const PackedTime& time() const { return time_; }

 private:
  bool packed_;
  std::array<int64_t, BatchPart::kLeaves + 1> begins_;
  std::vector<int64_t> offsets_;
  PackedTime time_;
};

class ExecutionPlan {
 public:
  // `offsets` as TimeCut has them; where no shape is packed they are not looked at. Throws as
  // Executor::SetShapes.
  ExecutionPlan(const Graph& graph, std::span<const Layout> shapes, const BatchPart& part,
                std::span<const int64_t> offsets, const ExecutorOptions& options);

  std::span<const Layout> shapes() const { return shapes_; }
  const BatchPart& part() const { return part_; }
  void SetTime(std::span<const int64_t> offsets) { time_cut_.Set(part_, offsets); }
  const PackedTime& time() const { return time_cut_.time(); }
  double bytes() const { return bytes_; }  // of the arena
  const ArrayType& type(Value value) const { return types_.types[static_cast<size_t>(value)]; }
  const Steps& steps() const { return steps_; }
  std::vector<Step>& list() { return steps_.list; }

  // Points all arrays of the steps into an arena of at least bytes().
  void Connect(std::byte* arena);
  bool IsConnected(const std::byte* arena) const { return arena_ == arena; }

  template <class T>
  T* At(int block) const {
    if (block == kMissing) return nullptr;
    return reinterpret_cast<T*>(arena_ + blocks_[static_cast<size_t>(block)].offset);
  }
  void* value(Value value) const;  // null: not in the arena, and not known
  float* gradient(Value value) const { return At<float>(of_.gradient[static_cast<size_t>(value)]); }
  bool kept(Value value) const {
    return of_.kept[static_cast<size_t>(value)] || types_.known[static_cast<size_t>(value)];
  }
  size_t bytes(Value value) const { return type(value).bytes(); }

 private:
  void MakeBlocks(const Graph& graph, const ExecutorOptions& options, std::span<const char> wanted);
  void MakeBlocksOfStep(int s, const Times& times, bool training);
  int AddBlock(size_t bytes, int first, int last);

  std::vector<Layout> shapes_;
  BatchPart part_;
  TimeCut time_cut_;
  Graph::Types types_;
  Steps steps_;
  std::vector<Block> blocks_;
  ValueBlocks of_;
  std::vector<int> last_reader_;  // of each value: a step
  double bytes_ = 0;
  std::byte* arena_ = nullptr;
};

}  // namespace normkit
