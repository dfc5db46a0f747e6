// From sums of cells to those of their statistics. Inlined, so that these are those of the target
// that calls.
#pragma once

#include <algorithm>

#include "src/norm/cpu/job.h"

namespace normkit::norm::cpu {

// Sums of dy * (x - hi) of cells [first, last) become those of dy * xhat.
template <class R>
[[gnu::always_inline]] inline void CellsToXhat(const BackwardJob& job, int64_t first,
                                               int64_t last) {
  const Geometry& g = *job.geometry;
  const double* dy = job.cells.dy;
  double* sums = job.cells.dy_x;
  for (int64_t cell = first, n; cell < last; cell += n) {
    const Loops::Pass stat = g.cell_stat.PassFrom(cell);
    n = std::min(last - cell, stat.stride <= 1 ? stat.size : 1);
    const double *mean = job.mean + stat.offset, *rstd = job.rstd + stat.offset;
    if (stat.stride == 1)
      XhatSums<R>(n, mean, rstd, dy + cell, sums + cell);
    else
      XhatSumsOfOne<R>(n, *mean, *rstd, dy + cell, sums + cell);
  }
  if (!job.statistics) return;
  for (int64_t cell = first; cell < last; ++cell)
    sums[cell] /= job.rstd[g.StatOf(cell)] * GammaOf(job, g.ParamOf(cell));
}

inline constexpr int64_t kPiece = 128;  // cells that are taken side by side

// WeighCells of n cells of one statistic.
[[gnu::always_inline]] inline void WeighOne(int64_t n, const float* __restrict gamma,
                                            const double* __restrict dy,
                                            const double* __restrict dy_x, double& w,
                                            double& w_xhat) {
  double all = w, all_xhat = w_xhat;
  for (int64_t i = 0; i < n; ++i) {
    const auto weight = static_cast<double>(gamma[i]);
    all += weight * dy[i];
    all_xhat += weight * dy_x[i];
  }
  w = all, w_xhat = all_xhat;
}
[[gnu::always_inline]] inline void WeighCellsOf(const BackwardJob& job, int64_t first,
                                                int64_t last) {
  const Geometry& g = *job.geometry;
  for (int64_t cell = first, n; cell < last; cell += n) {
    const Loops::Pass stat = g.cell_stat.PassFrom(cell);
    n = std::min({kPiece, last - cell, stat.size});
    float room[kPiece];
    const float* gamma = InARow(g.cell_param, cell, n, static_cast<const float*>(job.gamma), room);
    const double *dy = job.cells.dy + cell, *dy_x = job.cells.dy_x + cell;
    const XhatMeans means = job.means.From(stat.offset);
    double *w = means.w, *w_xhat = means.w_xhat;
    if (stat.stride == 1)
      WeighCells<float>(n, gamma, dy, dy_x, w, w_xhat);
    else
      WeighOne(n, gamma, dy, dy_x, *w, *w_xhat);
  }
}

}  // namespace normkit::norm::cpu
