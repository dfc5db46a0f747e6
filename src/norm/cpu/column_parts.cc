#include "src/norm/cpu/column_parts.h"

#include "src/norm/cpu/backward.h"

namespace normkit::norm::cpu {
namespace {

constexpr int64_t kMany = 1 << 17, kPart = 1 << 13;  // cells
// Coefficients are computed once more for dx: one thread takes up to a tenth longer until what is
// kept of all cells is fresh memory in every call.
constexpr int64_t kManyAlone = 1 << 20;
constexpr int64_t kColumns = 64;  // rows of fewer are joined, or their sums would have other bits

}  // namespace

bool AreColumnParts(const Geometry& g) {
  const bool suits = g.cell_form && g.reduce.inner_kept && g.cells.inner_kept &&
                     (g.folds || g.num_cells == g.plan.num_stat) && g.units_contiguous &&
                     g.plan.size > 0 && g.num_cells == g.plan.num_param &&
                     g.cell_param.IsIdentity() && g.cells.reduced.size() <= kShiftRows;
  return suits && (WantedSlices() > 0 || g.num_cells > kMany);
}

bool WorthColumnParts(const Geometry& g, bool backward, bool threads) {
  const bool alone = backward && !threads && WantedSlices() == 0;
  return AreColumnParts(g) && !(alone && g.num_cells <= kManyAlone);
}

ColumnParts::ColumnParts(const Geometry& g)
    : rows_(g.cells.reduced.size()), width_(g.cells.inner), units_(g.cells.kept.size()) {
  const int64_t most = WantedSlices() > 0 ? std::max(WantedSlices(), kColumns) : kPart;
  of_units_ = width_ <= most;
  each_ = of_units_ ? most / width_ * width_ : most;
}

}  // namespace normkit::norm::cpu
