// The backward pass of layouts in element form.
#include <algorithm>

#include "src/core/scratch.h"
#include "src/norm/cpu/backward.h"
#include "src/norm/cpu/forward.h"
#include "src/norm/cpu/gradient_means.h"
#include "src/norm/cpu/kernels/row_blocks.h"
#include "src/norm/cpu/spans.h"

namespace normkit {
namespace {

struct PartialTag;
struct ParameterTag;

constexpr int64_t kMaxSpans = 64;  // whose sums of the parameters are merged

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Sums of the parameters, of each span of work an array of its own; added up in order.
class SpanSums {
 public:
  SpanSums(int64_t num_param, int64_t spans)
      : n_(num_param),
        spans_(spans),
        sums_(Scratch<ParameterTag, double>(static_cast<size_t>(2 * n_ * spans))) {
    std::fill_n(sums_, 2 * n_ * spans, 0.0);
  }
  double* dgamma(int64_t span) const { return sums_ + 2 * n_ * span; }
  double* dbeta(int64_t span) const { return dgamma(span) + n_; }
  void AddTo(const ParameterSums& parameters, bool threads) const {
    ForSpans(n_, PerTask(spans_), threads, [&](int64_t first, int64_t last) {
      for (int64_t span = 0; span < spans_; ++span) {
        for (int64_t p = first; p < last; ++p) parameters.dgamma[p] += dgamma(span)[p];
        for (int64_t p = first; p < last; ++p) parameters.dbeta[p] += dbeta(span)[p];
      }
    });
  }

 private:
  int64_t n_, spans_;
  double* sums_;
};

// Whether dx, or that of other ranks, needs what passes through the statistics.
bool NeedsMeans(const Job& job, const Reducer* reducer) {
  return !job.fixed && (job.dx || reducer);
}

// w and w * (x - hi) as sums of w and w * xhat.
void FinishSums(const Job& job, Reducer* reducer) {
  for (int64_t s = 0; s < job.geometry->plan.num_stat; ++s)
    job.mean_w_xhat[s] = XhatSum(job, s, job.mean_w[s], job.mean_w_xhat[s]);
  ShareGradientSums(job, reducer);
}

void SumRuns(const Job& job, const KernelTable& kernels, bool threads) {
  const Geometry& g = *job.geometry;
  const int64_t chunks = RowBlocks(g.elements).num_chunks(), n = g.plan.num_stat;
  double* partial = Scratch<PartialTag, double>(static_cast<size_t>(2 * n * chunks));
  ForSpans(n * chunks, PerTask(g.plan.num_reduced / chunks), threads,
           [&](int64_t first, int64_t last) {
             for (int64_t i = first; i < last; ++i)
               kernels.reduce_element_runs(job, i / chunks, i % chunks, partial + 2 * i);
           });
  for (int64_t i = 0; i < n * chunks; ++i) {
    job.mean_w[i / chunks] += partial[2 * i];
    job.mean_w_xhat[i / chunks] += partial[2 * i + 1];
  }
}

void BackwardRuns(const Job& job, const KernelTable& kernels, const Schedule& schedule,
                  Reducer* reducer, const ParameterSums& parameters) {
  const Geometry& g = *job.geometry;
  const int64_t per_unit = g.elements.reduced.size();
  const bool gather = NeedsMeans(job, reducer) && schedule.path == Path::kFusedRuns;
  if (NeedsMeans(job, reducer) && !gather) {
    if (g.plan.size > 0) SumRuns(job, kernels, schedule.threads);
    FinishSums(job, reducer);
  }
  if (g.plan.size == 0) return;
  const int64_t slots = g.plan.num_param / g.run_length;
  int64_t per_span = std::max(kSpanRuns * slots, CeilDivide(g.num_runs, kMaxSpans));
  if (gather) per_span = CeilDivide(per_span, per_unit) * per_unit;
  const int64_t part = gather ? g.run_length : std::min(g.run_length, kTaskElements);
  const int64_t spans = CeilDivide(g.num_runs, per_span), parts = CeilDivide(g.run_length, part);
  const SpanSums sums(g.plan.num_param, spans);
  ParallelFor(spans * parts, schedule.threads, [&](int64_t i) {
    const int64_t span = i / parts, first = span * per_span, begin = i % parts * part;
    const RunTask task{first, std::min(first + per_span, g.num_runs), begin,
                       std::min(begin + part, g.run_length)};
    kernels.backward_runs(job, task, gather, sums.dgamma(span), sums.dbeta(span));
  });
  sums.AddTo(parameters, schedule.threads);
}

void SumColumns(const Job& job, const KernelTable& kernels, bool threads) {
  const Geometry& g = *job.geometry;
  const ColumnPieces pieces(g.elements);
  const int64_t slabs = pieces.slabs(), n = g.plan.num_stat;
  double* partial = Scratch<PartialTag, double>(static_cast<size_t>(2 * n * slabs));
  const int64_t each = pieces.elements() / slabs;
  ForSpans(pieces.size() * slabs, PerTask(each), threads, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t slab = i % slabs;
      const ColumnPiece piece = pieces.Get(i / slabs);
      double* w = partial + 2 * n * slab + piece.unit * g.run_length + piece.first_column;
      kernels.reduce_element_columns(job, i / slabs, pieces.slab_begin(slab),
                                     pieces.slab_begin(slab + 1), w, w + n);
    }
  });
  for (int64_t slab = 0; slab < slabs; ++slab) {
    const double* w = partial + 2 * n * slab;
    for (int64_t s = 0; s < n; ++s) job.mean_w[s] += w[s];
    for (int64_t s = 0; s < n; ++s) job.mean_w_xhat[s] += w[n + s];
  }
}

void BackwardColumns(const Job& job, const KernelTable& kernels, const Schedule& schedule,
                     Reducer* reducer, const ParameterSums& parameters) {
  const Geometry& g = *job.geometry;
  const ColumnPieces pieces(g.elements);
  const bool gather = NeedsMeans(job, reducer) && schedule.path == Path::kFusedColumns;
  if (NeedsMeans(job, reducer) && !gather) {
    if (g.plan.size > 0) SumColumns(job, kernels, schedule.threads);
    FinishSums(job, reducer);
  }
  if (g.plan.size == 0) return;
  // Rows with parameters of their own may go to different threads.
  const bool rows_apart = !g.param_vector && std::ranges::all_of(g.plan.levels, [](const Level& l) {
    return l.kept || l.param_stride != 0;
  });
  const int64_t slabs = gather || !rows_apart ? 1 : pieces.slabs();
  const int64_t per_span = std::max(CeilDivide(pieces.size(), kMaxSpans),
                                    CeilDivide(ColumnPieces::kMinColumns, g.run_length));
  const int64_t spans = CeilDivide(pieces.size(), per_span);
  const SpanSums sums(g.plan.num_param, spans);
  ParallelFor(spans * slabs, schedule.threads, [&](int64_t i) {
    const int64_t span = i / slabs, first = span * per_span, slab = i % slabs;
    const int64_t last_row = slabs == 1 ? pieces.rows() : pieces.slab_begin(slab + 1);
    const ColumnSpan work{first, std::min(first + per_span, pieces.size()), pieces.slab_begin(slab),
                          last_row, gather};
    kernels.backward_columns(job, work, sums.dgamma(span), sums.dbeta(span));
  });
  sums.AddTo(parameters, schedule.threads);
}

// Units of whole runs over all parameters, the next one from memory while this one is written.
void BackwardRows(const Job& job, const KernelTable& kernels, const Schedule& schedule,
                  const ParameterSums& parameters) {
  const Geometry& g = *job.geometry;
  const int64_t per_task = schedule.units_per_task;
  const SpanSums sums(g.plan.num_param, CeilDivide(g.num_units(), per_task));
  ForSpans(g.num_units(), per_task, schedule.threads, [&](int64_t first, int64_t last) {
    const int64_t span = first / per_task;
    kernels.backward_rows(job, first, last, sums.dgamma(span), sums.dbeta(span));
  });
  sums.AddTo(parameters, schedule.threads);
}

}  // namespace

void BackwardElements(const Job& job, const KernelTable& kernels, const Schedule& schedule,
                      Reducer* reducer, const ParameterSums& parameters) {
  ClearGradientMeans(job, 0, job.geometry->plan.num_stat);
  if (schedule.path == Path::kFusedRows && job.dx)
    return BackwardRows(job, kernels, schedule, parameters);
  Prepare(job, kernels, schedule.threads);
  if (job.geometry->stat_vector)
    BackwardColumns(job, kernels, schedule, reducer, parameters);
  else
    BackwardRuns(job, kernels, schedule, reducer, parameters);
}

}  // namespace normkit
