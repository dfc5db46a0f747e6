#include "src/norm/cpu/quantized.h"

#include <algorithm>

#include "src/core/scratch.h"
#include "src/norm/cpu/column_parts.h"
#include "src/norm/cpu/forward.h"
#include "src/norm/cpu/tasks.h"
#include "src/norm/cpu/wanted_schedule.h"

namespace normkit::norm::cpu {
namespace {

struct RowsTag;

constexpr int64_t kTogether = 1 << 12;  // elements that are computed, then quantized

// Elements [at, at + n) of y on their way.
class Piece {
 public:
  Piece(const ForwardJob& job, const KernelTable& kernels, const QuantizedOutput& output,
        int64_t at, int64_t n)
      : job_(job), kernels_(kernels), output_(output), at_(at), n_(n) {
    values_ = Scratch<RowsTag, char>(static_cast<size_t>(n) * output.element_bytes);
    // So that element `at` of the whole array is the first of these.
    const auto begin = reinterpret_cast<uintptr_t>(values_) - Bytes(at);
    job_.y = OutputArray(reinterpret_cast<void*>(begin));
    job_.stream = false;
  }

  void Apply(const RunTask& task) const {
    if (job_.prepares()) kernels_.prepare_x(job_, task);
    kernels_.apply_runs(job_, task);
  }
  void Forward(int64_t first, int64_t last) const { kernels_.forward_rows(job_, first, last); }
  double Largest(int64_t first, int64_t n) const {
    return kernels_.largest(values_ + Bytes(first), n);
  }
  // n elements from `first` of the piece on; those of the piece behind it are asked for.
  void Quantize(const Quantizer& to, int64_t first, int64_t n) const {
    kernels_.quantize(to, values_ + Bytes(first), n, static_cast<char*>(output_.y) + at_ + first,
                      NextOf(job_, at_ + n_ + first, output_.element_bytes));
  }
  void Quantize() const { Quantize(output_.to, 0, n_); }

 private:
  size_t Bytes(int64_t elements) const {
    return static_cast<size_t>(elements) * output_.element_bytes;
  }

  ForwardJob job_;
  const KernelTable& kernels_;
  const QuantizedOutput& output_;
  int64_t at_, n_;
  char* values_;
};

// Calls f(task, first element, elements) for parts of at most so many elements, or of one run.
template <class F>
void ForParts(const Geometry& g, const RunTask& task, const F& f) {
  const int64_t length = task.end - task.begin;
  if (length == g.run_length && length <= kTogether) {
    const int64_t runs = kTogether / std::max<int64_t>(1, length);
    for (int64_t first = task.first_run; first < task.last_run; first += runs) {
      const int64_t last = std::min(first + runs, task.last_run);
      f(RunTask{first, last, 0, length}, first * length, (last - first) * length);
    }
    return;
  }
  for (int64_t run = task.first_run; run < task.last_run; ++run)
    for (int64_t begin = task.begin; begin < task.end; begin += kTogether) {
      const int64_t end = std::min(begin + kTogether, task.end);
      f(RunTask{run, run + 1, begin, end}, run * g.run_length + begin, end - begin);
    }
}

// Of kInt8PerStatistic.
void SetScale(const QuantizedOutput& output, int64_t statistic, double largest, bool f64) {
  output.scales[statistic] =
      f64 ? ScaleFor8Bits(largest) : ScaleFor8Bits(static_cast<float>(largest));
}
Quantizer QuantizerOf(const QuantizedOutput& output, int64_t statistic) {
  Quantizer to = output.to;
  to.scale = static_cast<double>(output.scales[statistic]);
  return to;
}

// Statistics [first, last) of n elements each, which lie in `piece`.
void QuantizeStatistics(const Piece& piece, const QuantizedOutput& output, int64_t first,
                        int64_t last, int64_t n, bool f64) {
  if (output.to.type != OutputType::kInt8PerStatistic) return piece.Quantize();
  // What one waits for (the end of a maximum, a division) others fill.
  for (int64_t s = first; s < last; ++s)
    SetScale(output, s, piece.Largest((s - first) * n, n), f64);
  for (int64_t s = first; s < last; ++s) piece.Quantize(QuantizerOf(output, s), (s - first) * n, n);
}

// How many statistics of n elements each are quantized together.
int64_t Together(int64_t n) { return std::max<int64_t>(1, kTogether / n); }

// f(first, last) for tasks of statistics of n elements each.
template <class F>
void ForStatistics(const Geometry& g, int64_t n, bool threads, const F& f) {
  ForTasks(g.plan.num_stat, std::max(Together(n), PerTask(n)), threads, f);
}
// The same for those of a task that are quantized together.
template <class F>
void ForTogether(int64_t first, int64_t last, int64_t n, const F& f) {
  for (int64_t s = first; s < last; s += Together(n)) f(s, std::min(s + Together(n), last));
}

// A statistic too large to be kept: its scale first.
void ApplyLarge(const ForwardJob& job, const KernelTable& kernels, bool threads,
                const QuantizedOutput& output) {
  const Geometry& g = *job.geometry;
  const int64_t runs = g.num_runs / g.plan.num_stat;
  ParallelFor(g.plan.num_stat, threads, [&](int64_t s) {
    const RunTask task{s * runs, (s + 1) * runs, 0, g.run_length};
    double largest = 0;
    ForParts(g, task, [&](const RunTask& part, int64_t at, int64_t n) {
      const Piece piece(job, kernels, output, at, n);
      piece.Apply(part);
      const double of_part = piece.Largest(0, n);
      largest = of_part > largest || of_part != of_part ? of_part : largest;
    });
    SetScale(output, s, largest, job.f64);
    const Quantizer to = QuantizerOf(output, s);
    ForwardJob prepared = job;
    prepared.residual = {};
    ForParts(g, task, [&](const RunTask& part, int64_t at, int64_t n) {
      const Piece piece(prepared, kernels, output, at, n);
      piece.Apply(part);
      piece.Quantize(to, 0, n);
    });
  });
}

}  // namespace

void ApplyQuantized(const ForwardJob& job, const KernelTable& kernels, bool threads,
                    const QuantizedOutput& output) {
  const Geometry& g = *job.geometry;
  if (g.plan.size == 0) return;
  const int64_t n = g.plan.num_reduced;
  const auto apply = [&](const ForwardJob& own, const RunTask& task) {
    ForParts(g, task, [&](const RunTask& part, int64_t at, int64_t count) {
      const Piece piece(own, kernels, output, at, count);
      piece.Apply(part);
      QuantizeStatistics(piece, output, at, at + count, /*n=*/1, job.f64);
    });
  };
  if (ByColumnParts(job))
    return ForColumnParts(
        job, kernels, threads,
        [&](const ForwardJob& part, int64_t, int64_t, const RunTask& runs) { apply(part, runs); });
  FillTable(job, kernels, threads);
  if (n == 1 || output.to.type != OutputType::kInt8PerStatistic)
    return ForRuns(g, threads, [&](const RunTask& task) { apply(job, task); });
  if (n > kMostQuantizedTogether) return ApplyLarge(job, kernels, threads, output);
  const int64_t runs = g.num_runs / g.plan.num_stat;
  ForStatistics(g, n, threads, [&](int64_t begin, int64_t end) {
    ForTogether(begin, end, n, [&](int64_t first, int64_t last) {
      const Piece piece(job, kernels, output, first * n, (last - first) * n);
      piece.Apply({first * runs, last * runs, 0, g.run_length});
      QuantizeStatistics(piece, output, first, last, n, job.f64);
    });
  });
}

void ForwardQuantized(const ForwardJob& job, const KernelTable& kernels, bool threads,
                      const QuantizedOutput& output) {
  const int64_t n = job.geometry->plan.num_reduced;
  // All that is quantized together lies in the cache: one row waits while others are summed.
  ForwardJob grouped = job;
  if (!GetWantedSchedule().group) grouped.group = std::clamp<int64_t>(kTogether / n, 1, kMaxGroup);
  auto* out = static_cast<uint8_t*>(output.y);
  ForStatistics(*job.geometry, n, threads, [&](int64_t begin, int64_t end) {
    WithStatistics(grouped, begin, end, [&](const ForwardJob& own) {
      if (kernels.forward_integers && kernels.forward_integers(own, output.to, begin, end, out))
        return;
      ForTogether(begin, end, n, [&](int64_t first, int64_t last) {
        const Piece piece(own, kernels, output, first * n, (last - first) * n);
        piece.Forward(first, last);
        QuantizeStatistics(piece, output, first, last, n, job.f64);
      });
    });
  });
}

}  // namespace normkit::norm::cpu
