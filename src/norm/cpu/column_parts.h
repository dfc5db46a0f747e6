// Very many columns of at most 256 rows, each with its own parameter: some at a time, with all that
// belongs to them.
#pragma once

#include <algorithm>

#include "src/core/ceil_divide.h"
#include "src/core/scratch.h"
#include "src/norm/cpu/from_y.h"
#include "src/norm/cpu/tasks.h"

namespace normkit::norm::cpu {

// Whether the cells are such, and the memory lies unit by unit.
bool AreColumnParts(const Geometry& g);
// The same where it is worth the time of a pass.
bool WorthColumnParts(const Geometry& g, bool backward, bool threads);
// Whether a job is one by parts: it has no table of all its cells.
inline bool ByColumnParts(const Job& job) {
  return job.geometry->cell_form && job.geometry->cell_vector && job.table.empty();
}

// The cells of all units, one behind the other: some columns of one unit, or all of some units.
class ColumnParts {
 public:
  explicit ColumnParts(const Geometry& g);

  int64_t size() const {
    return of_units_ ? CeilDivide(units_ * width_, each_) : units_ * parts_of_unit();
  }
  int64_t room() const { return each_; }  // cells of the largest
  // How many are summed before they are added up.
  int64_t together(bool threads) const {
    constexpr int64_t kCells = 1 << 18;
    const int64_t most = std::max<int64_t>(1, kCells / each_);
    return threads ? std::min<int64_t>(most, 4 * NumThreads()) : 1;
  }
  int64_t elements() const { return each_ * rows_; }
  int64_t first(int64_t part) const {
    if (of_units_) return part * each_;
    return part / parts_of_unit() * width_ + part % parts_of_unit() * each_;
  }
  int64_t last(int64_t part) const {
    const int64_t end = first(part) + each_;
    return std::min(end, of_units_ ? units_ * width_ : (first(part) / width_ + 1) * width_);
  }
  RunTask Runs(int64_t part) const {
    const int64_t unit = first(part) / width_, begin = first(part) % width_;
    const int64_t end = begin + last(part) - first(part);
    if (of_units_) return {unit * rows_, last(part) / width_ * rows_, 0, width_};
    return {unit * rows_, (unit + 1) * rows_, begin, end};
  }

 private:
  int64_t parts_of_unit() const { return CeilDivide(width_, each_); }

  int64_t rows_, width_, units_;
  bool of_units_;
  int64_t each_;
};

// f(task) for cells [first, last) of a part, all rows of each.
template <class F>
void ForColumns(const Nest& nest, int64_t first, int64_t last, const F& f) {
  for (int64_t width = nest.inner, n; first < last; first += n) {
    const int64_t unit = first / width, begin = first % width;
    n = std::min({last - first, width - begin, kMaxTaskColumns});
    f(ColumnTask{unit, 0, 0, nest.reduced.size(), begin, begin + n});
  }
}

struct ColumnPartTag;

// Calls f(job) with a table of the coefficients of cells [first, last).
template <class DirectedJob, class F>
void WithTable(const DirectedJob& job, const KernelTable& kernels, int64_t first, int64_t last,
               const F& f) {
  DirectedJob part = job;
  const int64_t n = last - first;
  const auto room = static_cast<size_t>(n * CoefficientTable::kBackwardArrays);
  part.table = {job.f64 ? static_cast<void*>(Scratch<ColumnPartTag, double>(room))
                        : Scratch<ColumnPartTag, float>(room),
                n, first};
  kernels.fill_table(part, first, last);
  f(part);
}

// Calls f(job, first, last, runs) for all parts, each with its table and its parameters.
template <class DirectedJob, class F>
void ForColumnParts(const DirectedJob& job, const KernelTable& kernels, bool threads, const F& f) {
  const ColumnParts parts(*job.geometry);
  const int64_t each = PerTask(parts.elements()), count = CeilDivide(parts.size(), each);
  const int64_t shares = job.from_end ? std::min<int64_t>(count, threads ? NumThreads() : 1) : 1;
  ParallelFor(count, threads, [&](int64_t i) {
    const int64_t begin = (job.from_end ? FromEnd(i, count, shares) : i) * each;
    for (int64_t k = begin; k < std::min(begin + each, parts.size()); ++k) {
      const int64_t first = parts.first(k), last = parts.last(k);
      WithParameters(job, first, [&](const DirectedJob& own) {
        WithCells(own, first, last, [&](const DirectedJob& of_cells) {
          WithTable(of_cells, kernels, first, last,
                    [&](const DirectedJob& part) { f(part, first, last, parts.Runs(k)); });
        });
      });
    }
  });
}

}  // namespace normkit::norm::cpu
