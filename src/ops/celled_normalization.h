// Normalizations over a picture whose statistics are gathered by cells: a picture that is cut into
// tiles of whole cells has the bits of one that is not.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "normkit/core/moments.h"
#include "src/ops/normalization.h"

namespace normkit::ops {

// A run of cells along one axis.
struct CellRange {
  int64_t first, last;  // left out
  int64_t count() const { return last - first; }
};

// The statistics of x [1,H,W,C] from the moments of cells of 16 x 16 pixels, merged row by row;
// what is left at the end of an axis belongs to its last cell. The grid follows from H and W alone.
class CellStatistics {
 public:
  static constexpr int64_t kSide = 16;
  static int64_t Count(int64_t size) { return std::max<int64_t>(1, size / kSide); }
  // Where a cell begins along an axis of `size`; cell Count(size) would begin behind its end.
  static int64_t Begin(int64_t cell, int64_t size) {
    return cell >= Count(size) ? size : cell * kSide;
  }

  CellStatistics(const NormSpec& spec, const Layout& x, const NormOptions& options);

  // Some rows of cells, from the first on: BeginRows, Gather of all their cells in any order,
  // EndRows. x: the first pixel of the cells, the next row `stride` floats behind.
  void BeginRows(CellRange rows);
  void Gather(const float* x, int64_t stride, CellRange rows, CellRange columns);
  void EndRows();
  FinishedStatistics Finish() const;  // after all rows
  void Reset();                       // for other values of x

 private:
  const Normalization& OfCell(int64_t height, int64_t width, int64_t stride);

  NormSpec spec_;
  NormOptions options_;
  int64_t height_, width_;
  Layout layout_;
  Normalization whole_;
  std::map<std::vector<int64_t>, Normalization> cells_;  // by height, width and stride
  CellRange rows_ = {0, 0};                              // at hand
  std::vector<Moments> moments_;                         // [rows][columns][statistics]
  std::vector<Moments> total_;
};

// By cells, or with the statistics of `settings` where it has some. x is that of the picture, or a
// piece of it.
std::unique_ptr<Kernel> MakeCelledNormalization(const NormalizationSettings& settings,
                                                const Layout& x);

// Whether the operation takes statistics of all pixels of x, one picture with the channels last.
bool HasPictureStatistics(const Op& op, const Layout& x);
// Of such an operation: the same by cells, the same for pieces of x whose statistics are known,
// and its statistics.
OpPtr ByCells(const Op& op);
OpPtr WithStatistics(const Op& op, std::shared_ptr<const FinishedStatistics> statistics);
CellStatistics StatisticsOf(const Op& op, const Layout& x);

}  // namespace normkit::ops
