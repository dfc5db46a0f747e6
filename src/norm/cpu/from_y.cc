#include "src/norm/cpu/from_y.h"

#include <algorithm>

#include "src/core/fail.h"
#include "src/core/scratch.h"
#include "src/norm/cpu/tasks.h"

namespace normkit::norm::cpu {
namespace {

struct CoefficientTag;
struct ThroughTag;
struct BeforeTag;
struct MergedTag;

// What y moves with x.
double ScaleOf(const BackwardJob& job, int64_t cell) {
  return job.rstd[cell] * GammaOf(job, job.geometry->ParamOf(cell));
}

float Quotient(float y, double slope) { return static_cast<float>(y / slope); }
double Quotient(double y, double slope) { return y / slope; }
BFloat16 Quotient(BFloat16 y, double slope) { return ToBFloat16(Quotient(ToFloat(y), slope)); }
Float16 Quotient(Float16 y, double slope) { return ToFloat16(Quotient(ToFloat(y), slope)); }

bool IsNegative(float y) { return y < 0; }
bool IsNegative(double y) { return y < 0; }
template <class T>
bool IsNegative(T y) {
  return ToFloat(y) < 0;
}

// What a leaky ReLU was given where it gave y.
template <class T>
InputArray BeforeLeakyRelu(const Problem& problem, const InputArray& activated) {
  const int64_t size = problem.layout.size();
  const int64_t run = activated.pitch() ? activated.pitch()->run() : std::max<int64_t>(1, size);
  T* z = Scratch<BeforeTag, T>(static_cast<size_t>(size));
  const double slope = problem.options.negative_slope;
  ForTasks(size, kTaskElements, size >= 4 * kTaskElements, [&](int64_t first, int64_t last) {
    for (int64_t i = first, n; i < last; i += n) {
      n = std::min(last - i, run - i % run);
      const T* y = activated.At<T>(i);
      for (int64_t k = 0; k < n; ++k) z[i + k] = IsNegative(y[k]) ? Quotient(y[k], slope) : y[k];
    }
  });
  return InputArray(z);
}

InputArray BeforeActivation(const Problem& problem, const InputArray& y) {
  if (problem.options.activation == Activation::kNone) return y;
  switch (problem.dtype) {
    case DType::kF64:
      return BeforeLeakyRelu<double>(problem, y);
    case DType::kBF16:
      return BeforeLeakyRelu<BFloat16>(problem, y);
    case DType::kF16:
      return BeforeLeakyRelu<Float16>(problem, y);
    default:  // f32: a problem is of floating-point numbers
      break;
  }
  return BeforeLeakyRelu<float>(problem, y);
}

}  // namespace

Geometry StatisticACell(const Geometry& geometry) {
  Geometry result = geometry;
  result.plan.num_stat = geometry.num_cells;
  result.unit_stats = geometry.num_cells / std::max<int64_t>(1, geometry.num_units());
  result.cell_stat = {};
  result.cell_stat.Add(geometry.num_cells, 1);
  return result;
}

void CheckFromY(const Problem& problem, const Geometry& geometry) {
  if (geometry.cell_form) return;
  Fail(
      "{}: backward from y where neighbours differ in their scales (plan {}), expected x or "
      "statistics over more elements of a channel",
      problem.Title(), problem.plan.ToString());
}

void ReadFromY(const Problem& problem, const Geometry& geometry, const Geometry& a_cell,
               const InputArray& y, bool some_at_a_time, BackwardJob& job) {
  job.geometry = &a_cell;
  job.statistics = &geometry;
  job.x = BeforeActivation(problem, y);
  job.mean = nullptr;
  if (!some_at_a_time) job = OfCells(job, 0, a_cell.num_cells);
}

BackwardJob OfCells(const BackwardJob& job, int64_t first, int64_t last) {
  const Geometry& g = *job.statistics;
  const int64_t n = last - first;
  double* mean = Scratch<CoefficientTag, double>(static_cast<size_t>(2 * n));
  double* rstd = mean + n;
  for (int64_t i = 0; i < n; ++i) {
    mean[i] = BetaOf(job, g.ParamOf(first + i));
    rstd[i] = job.rstd[g.StatOf(first + i)];
  }
  BackwardJob result = job;
  result.mean = Before(mean, first);
  result.rstd = Before(rstd, first);
  return result;
}

BackwardJob ThroughCells(const BackwardJob& job, int64_t first, int64_t last) {
  BackwardJob result = job;
  const Geometry& g = *job.statistics;
  const int64_t n = last - first;
  double* w = Scratch<ThroughTag, double>(static_cast<size_t>(2 * n));
  result.means = {w, w + n, first};
  result.means.Clear(job.fixed ? n : 0);
  if (job.fixed) return result;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t stat = g.StatOf(first + i);
    w[i] = job.means.w[stat];
    w[n + i] = job.means.w_xhat[stat] / ScaleOf(job, first + i);
  }
  const auto count = static_cast<double>(g.plan.num_reduced);
  result.means.Divide(n, count, SquaresDivisor(job.divisor, count), job.center);
  return result;
}

void MergeCells(const BackwardJob& job, int64_t first, int64_t last) {
  const Geometry& g = *job.statistics;
  const int64_t cells = g.num_cells / g.plan.num_stat, first_stat = g.StatOf(first);
  const int64_t n = (last - first) / cells;
  double* w = Scratch<MergedTag, double>(static_cast<size_t>(2 * n));
  double* w_xhat = w + n;
  std::fill_n(w, 2 * n, 0.0);
  for (int64_t cell = first; cell < last; ++cell) {
    w[g.StatOf(cell) - first_stat] += job.means.w[cell];
    w_xhat[g.StatOf(cell) - first_stat] += job.means.w_xhat[cell];
  }
  for (int64_t cell = first; cell < last; ++cell) {
    job.means.w[cell] = w[g.StatOf(cell) - first_stat];
    job.means.w_xhat[cell] = w_xhat[g.StatOf(cell) - first_stat] / ScaleOf(job, cell);
  }
}

}  // namespace normkit::norm::cpu
