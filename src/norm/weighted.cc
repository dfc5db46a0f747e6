#include "src/norm/weighted.h"

#include <algorithm>
#include <cfloat>
#include <cstring>
#include <vector>

#include "src/core/fail.h"
#include "src/core/parallel.h"
#include "src/core/scratch.h"
#include "src/core/strided_loops.h"
#include "src/norm/cpu/exact_sum.h"
#include "src/norm/cpu/weighted_blocks.h"
#include "src/norm/strides.h"
#include "src/simd/convert.h"

namespace normkit {
namespace {

using norm::cpu::kWeightedArrays;
using norm::cpu::WeightedBlock;

struct PartsTag;
struct OwnTag;
struct TileTag;
struct FloatsTag;

constexpr Dims kChannels = kG | kC;

// Axes of x that are alike, as one.
class MergedAxis {
 public:
  MergedAxis() = default;
  MergedAxis(int64_t size, int64_t stride_of_x, int64_t stride_of_weights)
      : size_(size), weights_(stride_of_weights), parts_{{size, stride_of_x}} {}

  int64_t size() const { return size_; }
  int64_t weights() const { return weights_; }  // from one to the next
  // Whether elements lie so far apart, all of them.
  bool LiesBy(int64_t stride) const {
    return parts_.empty() || (parts_.size() == 1 && parts_[0].stride == stride);
  }
  int64_t stride() const { return parts_.empty() ? 0 : parts_.back().stride; }
  bool regular() const { return parts_.size() <= 1; }

  void Append(const MergedAxis& inner) {
    size_ *= inner.size_, weights_ = inner.weights_;
    const Part& last = inner.parts_[0];
    if (parts_.back().stride == last.stride * last.size)
      parts_.back() = {parts_.back().size * last.size, last.stride};
    else
      parts_.push_back(last);
  }
  // Where element i lies in x.
  int64_t At(int64_t i) const {
    int64_t at = 0;
    for (size_t k = parts_.size(); k-- > 0; i /= parts_[k].size)
      at += i % parts_[k].size * parts_[k].stride;
    return at;
  }
  // The neighbours of i, itself among them, from there on that lie stride() apart.
  int64_t Left(int64_t i) const {
    return parts_.empty() ? 1 : parts_.back().size - i % parts_.back().size;
  }

 private:
  struct Part {
    int64_t size, stride;
  };
  int64_t size_ = 1, weights_ = 0;
  std::vector<Part> parts_;
};

struct Offsets {
  int64_t x = 0, weights = 0;
};

int64_t SizeOfAll(const std::vector<MergedAxis>& axes) {
  int64_t size = 1;
  for (const MergedAxis& axis : axes) size *= axis.size();
  return size;
}

Offsets OffsetsIn(const std::vector<MergedAxis>& axes, int64_t i) {
  Offsets at;
  for (auto axis = axes.rbegin(); axis != axes.rend(); i /= axis->size(), ++axis) {
    at.x += axis->At(i % axis->size());
    at.weights += i % axis->size() * axis->weights();
  }
  return at;
}

// Strides of an array that has only the axes whose labels are among these.
Strides StridesOver(const Layout& layout, Dims labels) {
  std::vector<int64_t> sizes;
  for (const Axis& axis : layout.axes()) sizes.push_back(axis.label & labels ? axis.size : 1);
  Strides strides = DenseStrides(sizes);
  for (size_t i = 0; i < sizes.size(); ++i)
    if (!(layout.axes()[i].label & labels)) strides[i] = 0;
  return strides;
}

void CheckWeights(const Problem& problem, int64_t n, const float* weights, int64_t first) {
  const auto is_weight = [](float w) { return bool((w >= 0) & (w <= FLT_MAX)); };
  bool all = true;  // looked at without a branch each
  for (int64_t i = 0; i < n; ++i) all &= is_weight(weights[i]);
  if (all) return;
  const int64_t i = std::find_if_not(weights, weights + n, is_weight) - weights;
  Fail("{}: Gather: weights[{}] is {}, expected 0 or more", problem.Title(), first + i, weights[i]);
}

// How x is cut, by the shape of a dense array alone: into units, each a statistic, or neighbouring
// ones in columns; units into blocks of what is reduced, and blocks in a row into pieces for
// threads.
class Weighted {
 public:
  Weighted(const Problem& problem, const Layout& layout, const void* x, const float* weights)
      : center_(problem.spec.center),
        dtype_(problem.dtype),
        element_(static_cast<int64_t>(SizeOf(problem.dtype))),
        x_(static_cast<const char*>(x)),
        weights_(weights) {
    using namespace norm::cpu;
    FindAxes(problem, layout);
    if (by_columns_) {
      parts_ = (run_.size() + kWeightedColumns - 1) / kWeightedColumns;
      runs_in_block_ = kWeightedRows;
    } else {
      parts_of_run_ = (run_.size() + kWeightedElements - 1) / kWeightedElements;
      runs_in_block_ = std::clamp<int64_t>(kWeightedElements / run_.size(), 1, kWeightedRuns);
    }
    units_ = SizeOfAll(kept_) * parts_;
    groups_ = (rows_.size() + runs_in_block_ - 1) / runs_in_block_;
    blocks_ = SizeOfAll(reduced_) * groups_ * parts_of_run_;
    const int64_t elements = SizeOfAll(reduced_) * rows_.size() * run_.size() / parts_;
    const int64_t most = std::max<int64_t>(1, kTasks / units_);
    pieces_ = std::clamp<int64_t>(elements / kWorthTask, 1, std::min(most, blocks_));
    units_in_task_ = std::max<int64_t>(1, kWorthTask / std::max<int64_t>(1, elements));
  }

  void Gather(Moments* moments) const {
    const int64_t tasks = (units_ + units_in_task_ - 1) / units_in_task_ * pieces_;
    double* parts = pieces_ == 1 ? nullptr : Scratch<PartsTag, double>(units_ * pieces_ * kRoom);
    ParallelFor(tasks, tasks > 1, [&](int64_t task) {
      const int64_t piece = task % pieces_, first = task / pieces_ * units_in_task_;
      for (int64_t unit = first; unit < std::min(units_, first + units_in_task_); ++unit) {
        double* own =
            parts ? parts + (unit * pieces_ + piece) * kRoom : Scratch<OwnTag, double>(kRoom);
        AddPiece(unit, piece, own);
        if (!parts) Finish(unit, own, moments);
      }
    });
    for (int64_t unit = 0; parts && unit < units_; ++unit) {
      double* own = parts + unit * pieces_ * kRoom;
      for (int64_t piece = 1; piece < pieces_; ++piece)
        norm::cpu::MergeWeighted(own + piece * kRoom, Width(unit), own);
      Finish(unit, own, moments);
    }
  }

 private:
  static constexpr int64_t kTasks = 64, kWorthTask = 1 << 15;
  static constexpr int64_t kRoom = kWeightedArrays * norm::cpu::kWeightedColumns;

  void FindAxes(const Problem& problem, const Layout& layout) {
    const auto& given = problem.options.strides.x;
    std::vector<int64_t> sizes;
    for (const Axis& axis : layout.axes()) sizes.push_back(axis.size);
    const Strides of_x = given.empty()
                             ? DenseStrides(sizes)
                             : StridesOfAxes(problem.Title(), Name(NormArray::kX), layout, given);
    const Strides of_weights = StridesOver(layout, Dims(~kChannels));
    bool was_kept = false, any = false;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] == 1) continue;
      const MergedAxis axis(sizes[i], of_x[i], of_weights[i]);
      const bool kept = !(layout.axes()[i].label & problem.spec.reduce);
      std::vector<MergedAxis>& axes = kept ? kept_ : reduced_;
      if (any && kept == was_kept && axes.back().weights() == axis.weights() * axis.size())
        axes.back().Append(axis);
      else
        axes.push_back(axis);
      was_kept = kept, any = true;
    }
    by_columns_ = any && was_kept;
    const auto take = [](std::vector<MergedAxis>& from, MergedAxis& to) {
      if (from.empty()) return;
      to = from.back();
      from.pop_back();
    };
    take(by_columns_ ? kept_ : reduced_, run_);
    take(reduced_, rows_);
  }

  int64_t FirstColumn(int64_t unit) const {
    return by_columns_ ? unit % parts_ * norm::cpu::kWeightedColumns : 0;
  }
  // Statistics of a unit.
  int64_t Width(int64_t unit) const {
    return by_columns_ ? std::min(norm::cpu::kWeightedColumns, run_.size() - FirstColumn(unit)) : 1;
  }

  void AddPiece(int64_t unit, int64_t piece, double* own) const {
    std::fill_n(own, kWeightedArrays * Width(unit), 0.0);
    const Offsets at = OffsetsIn(kept_, unit / parts_);
    for (int64_t block = blocks_ * piece / pieces_; block < blocks_ * (piece + 1) / pieces_;
         ++block)
      AddBlock(unit, at, block, own);
  }

  void AddBlock(int64_t unit, Offsets at, int64_t block, double* own) const {
    using namespace norm::cpu;
    const Offsets outer = OffsetsIn(reduced_, block / (groups_ * parts_of_run_));
    const int64_t row = block / parts_of_run_ % groups_ * runs_in_block_;
    const int64_t begin =
        by_columns_ ? FirstColumn(unit) : block % parts_of_run_ * kWeightedElements;
    const int64_t end =
        by_columns_ ? begin + Width(unit) : std::min(run_.size(), begin + kWeightedElements);
    WeightedBlock one{
        nullptr,
        rows_.stride(),
        weights_ + at.weights + outer.weights + row * rows_.weights() + begin * run_.weights(),
        rows_.weights(),
        run_.weights(),
        std::min(runs_in_block_, rows_.size() - row),
        end - begin};
    const char* x = x_ + (at.x + outer.x) * element_;
    const bool half = dtype_ == DType::kF16;  // by way of f32, for the size of the library
    if (rows_.regular() && run_.LiesBy(1) && !half)
      one.x = x + (rows_.At(row) + begin) * element_;
    else
      CopyTile(x, row, begin, one);
    if (half) ConvertTile(one);
    norm::cpu::AddWeighted(half ? DType::kF32 : dtype_, one, by_columns_, center_, own);
  }

  // Elements of a block one behind the other.
  void CopyTile(const char* x, int64_t row, int64_t begin, WeightedBlock& block) const {
    char* tile = Scratch<TileTag, char>(static_cast<size_t>(block.runs * block.length * element_));
    block.x = tile;
    block.x_pitch = block.length;
    for (int64_t r = 0; r < block.runs; ++r)
      for (int64_t i = 0, n; i < block.length; i += n) {
        n = std::min(block.length - i, run_.Left(begin + i));
        const char* from = x + (rows_.At(row + r) + run_.At(begin + i)) * element_;
        const bool dense = run_.stride() == 1;
        for (int64_t k = 0; k < (dense ? 1 : n); ++k)
          std::memcpy(tile + k * element_, from + k * run_.stride() * element_,
                      static_cast<size_t>(dense ? n * element_ : element_));
        tile += n * element_;
      }
  }
  static void ConvertTile(WeightedBlock& block) {
    const int64_t n = block.runs * block.length;
    auto* floats = Scratch<FloatsTag, float>(static_cast<size_t>(n));
    simd::ToFloats(block.x, DType::kF16, n, 0, floats);
    block.x = floats;
  }

  void Finish(int64_t unit, const double* own, Moments* moments) const {
    using norm::cpu::WithRest;
    const int64_t width = Width(unit);
    Moments* to = moments + unit / parts_ * (by_columns_ ? run_.size() : 1) + FirstColumn(unit);
    for (int64_t i = 0; i < width; ++i) {
      const auto sum = [&](int64_t k) {
        return WithRest(own[2 * k * width + i], own[(2 * k + 1) * width + i]);
      };
      to[i] = {sum(0), sum(1), sum(2)};
    }
  }

  const bool center_;
  const DType dtype_;
  const int64_t element_;  // bytes
  const char* x_;
  const float* weights_;
  bool by_columns_ = false;
  // What is kept and what is reduced around the runs of a block.
  std::vector<MergedAxis> kept_, reduced_;
  MergedAxis rows_, run_;
  int64_t parts_ = 1;         // of what is kept, into units
  int64_t parts_of_run_ = 1;  // of what is reduced, into blocks
  int64_t runs_in_block_, groups_, units_, blocks_, pieces_, units_in_task_;
};

}  // namespace

int64_t NumWeights(const Layout& layout) { return layout.SizeOf(Dims(~kChannels)); }

void GatherWeighted(const Problem& problem, const Layout& layout, const void* x,
                    const float* weights, int64_t first, Moments* moments) {
  weights += first;
  CheckWeights(problem, NumWeights(layout), weights, first);
  if (layout.size() == 0)
    std::fill_n(moments, layout.SizeOf(Dims(~problem.spec.reduce)), Moments{});
  else
    Weighted(problem, layout, x, weights).Gather(moments);
}

}  // namespace normkit
