#include "normkit/norm/normalization.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <utility>

#include "src/core/fail.h"
#include "src/core/log.h"
#include "src/norm/backward.h"
#include "src/norm/finish.h"
#include "src/norm/forward.h"
#include "src/norm/scratch.h"
#include "src/norm/walk.h"

namespace normkit {
namespace {

// Fails where two arrays overlap without being the same.
void CheckOverlap(const Problem& problem, std::string_view name, const void* a,
                  std::string_view other, const void* b) {
  const auto bytes = static_cast<uintptr_t>(problem.layout.size()) * SizeOf(problem.dtype);
  const auto first = reinterpret_cast<uintptr_t>(a), second = reinterpret_cast<uintptr_t>(b);
  if (first == second || first >= second + bytes || second >= first + bytes) return;
  Fail("{}: {} and {} overlap, expected the same array or apart", problem.Title(), name, other);
}

void CheckNotNull(const Problem& problem, std::string_view name, const void* array, int64_t size,
                  DType dtype) {
  if (!array && problem.layout.size() > 0)
    Fail("{}: {} is null, expected an array of {} {} elements", problem.Title(), name, size,
         Name(dtype));
}

void CheckNotNull(const Problem& problem, std::string_view name, const void* array) {
  CheckNotNull(problem, name, array, problem.layout.size(), problem.dtype);
}

struct OnesTag;
struct ZerosTag;
struct TableTag;
struct MomentsTag;
struct StatisticsTag;
struct SumsTag;
struct ParameterSumsTag;

}  // namespace

class Normalization::Impl : public Problem {
 public:
  const Plan& plan;
  mutable std::atomic_flag warned;

  Impl(const NormSpec& s, const Layout& l, DType d, const NormOptions& o)
      : Problem{s, l, d, o, Geometry(s, l)}, plan(geometry.plan) {
    if (!(o.epsilon > 0) || !std::isfinite(o.epsilon))
      Fail("{} normalization: epsilon is {}, expected a finite number above 0", s.name, o.epsilon);
    if (!l.Has(kC))
      Fail("{} normalization: layout {} has no channel axis (C)", s.name, l.ToString());
    if (LogsDetails()) LogDetail(Describe());
  }

  // The job of a forward pass. mean and rstd may be null: not wanted by the caller.
  Job ForwardJob(const void* x, const void* gamma, const void* beta, void* y,
                 const SavedStatistics& saved) const {
    const auto n = static_cast<size_t>(plan.num_stat);
    double* scratch = Scratch<StatisticsTag, double>(2 * n);
    return {.geometry = &geometry,
            .center = spec.center,
            .relu = options.activation == Activation::kRelu,
            .f64 = dtype == DType::kF64,
            .stream = false,
            .epsilon = options.epsilon,
            .x = x,
            .y = y,
            .gamma = gamma ? gamma : Filled<OnesTag>(1),
            .beta = beta ? beta : Filled<ZerosTag>(0),
            .mean = saved.mean ? saved.mean : scratch,
            .rstd = saved.rstd ? saved.rstd : scratch + n,
            .variance = saved.variance,
            .table = Table(TableSize(geometry))};
  }

  // One value is its own mean, so y says nothing about it.
  void WarnOfOneValue(double count) const {
    if (count != 1 || !spec.running || warned.test_and_set()) return;
    Warn(
        "{}: one value per statistic: the output is the offset (beta), and running variances are "
        "left alone; use larger batches",
        Title());
  }

  static void Follow(const Schedule& schedule, Job& job) {
    job.stream = schedule.stream;
    job.group = schedule.group;
    job.tiled_runs = schedule.tiled_runs;
    job.ahead = schedule.ahead;
  }

  void Forward(Job& job) const {
    if (plan.size == 0 && !options.reducer) return;
    const KernelTable& kernels = Kernels(dtype);
    const Schedule schedule =
        ChooseSchedule(geometry, SizeOfElement(), 1, options.reducer != nullptr);
    Follow(schedule, job);
    if (!options.reducer) WarnOfOneValue(static_cast<double>(plan.num_reduced));
    if (schedule.path != Path::kTwoPasses) return ForwardFused(job, kernels, schedule);
    Moments* moments = Scratch<MomentsTag, Moments>(static_cast<size_t>(plan.num_stat));
    GatherMoments(job, kernels, schedule.threads, moments);
    if (options.reducer) {
      options.reducer->Merge({moments, static_cast<size_t>(plan.num_stat)});
      if (plan.num_stat > 0) WarnOfOneValue(moments[0].n);
    }
    for (int64_t s = 0; s < plan.num_stat; ++s) FinishStatistic(job, s, moments[s]);
    Apply(job, kernels, schedule.threads);
  }

  void ForwardWithGiven(Job& job) const {
    const Schedule schedule =
        ChooseSchedule(geometry, SizeOfElement(), 1, options.reducer != nullptr);
    Follow(schedule, job);
    Apply(job, Kernels(dtype), schedule.threads);
  }

  void Backward(const BackwardArgs& args) const {
    const auto n = static_cast<size_t>(plan.num_param);
    double* sums = Scratch<ParameterSumsTag, double>(2 * n);
    std::fill_n(sums, 2 * n, 0.0);
    const ParameterSums parameters{sums, sums + n};
    if (plan.size > 0 || options.reducer) BackwardOfAll(args, parameters);
    if (dtype == DType::kF64)
      StoreParameters<double>(args, parameters);
    else
      StoreParameters<float>(args, parameters);
  }

  // "batch f32 BCSS [8,64,28,28]: plan RKR, fused rows, streaming stores, 2 threads, AVX3".
  std::string Describe(const Schedule& schedule) const {
    return fmt::format("{} {} {}: plan {}, {}, {}", spec.name, Name(dtype), layout.ToString(),
                       plan.ToString(), ToString(schedule), TargetName());
  }
  std::string Describe() const {
    return Describe(ChooseSchedule(geometry, SizeOfElement(), 1, options.reducer != nullptr));
  }

  int64_t SizeOfElement() const { return static_cast<int64_t>(SizeOf(dtype)); }

  // Parameters that were not given.
  template <class Tag>
  const void* Filled(int value) const {
    const auto n = static_cast<size_t>(plan.num_param);
    if (dtype == DType::kF64)
      return std::fill_n(Scratch<Tag, double>(n), n, static_cast<double>(value)) - n;
    return std::fill_n(Scratch<Tag, float>(n), n, static_cast<float>(value)) - n;
  }

  void* Table(int64_t size) const {
    const auto n = static_cast<size_t>(size);
    if (n == 0) return nullptr;
    return dtype == DType::kF64 ? static_cast<void*>(Scratch<TableTag, double>(n))
                                : Scratch<TableTag, float>(n);
  }

  // The given variances as rstd. Throws Error where one cannot be a variance.
  template <class T>
  void ReadGiven(const T* given_mean, const T* given_variance, const Job& job) const {
    for (int64_t s = 0; s < plan.num_stat; ++s) {
      const auto variance = static_cast<double>(given_variance[s]);
      if (!(variance >= 0) || !std::isfinite(variance))
        Fail("{}: variance {} of {} is {}, expected finite and >= 0", Title(), s, plan.num_stat,
             variance);
      job.mean[s] = spec.center ? static_cast<double>(given_mean[s]) : 0;
      job.rstd[s] = 1 / std::sqrt(variance + options.epsilon);
    }
  }

 private:
  Job BackwardJob(const BackwardArgs& args) const {
    // Backward kernels only read the statistics.
    Job job = ForwardJob(args.x, args.gamma, args.beta, nullptr,
                         {const_cast<double*>(args.mean), const_cast<double*>(args.rstd)});
    const auto stats = static_cast<size_t>(plan.num_stat);
    const auto cells = static_cast<size_t>(geometry.cell_form ? geometry.num_cells : 0);
    double* sums = Scratch<SumsTag, double>(2 * stats + 1 + 2 * cells);
    std::fill_n(sums, 2 * stats + 1, 0.0);
    job.dy = args.dy;
    job.dx = args.dx;
    job.accumulate = args.accumulate;
    job.fixed = args.fixed_statistics;
    job.mean_w = sums;
    job.mean_w_xhat = sums + stats;
    job.cell_dy = sums + 2 * stats + 1;
    job.cell_dy_x = job.cell_dy + cells;
    if (job.table) job.table = Table(TableSize(geometry) / 3 * 5);
    return job;
  }

  // One value is its own mean: y does not move with it.
  bool IsConstant(const BackwardArgs& args) const {
    return plan.num_reduced == 1 && spec.center && !args.fixed_statistics && !options.reducer;
  }

  void BackwardOfAll(BackwardArgs args, const ParameterSums& parameters) const {
    if (args.dx && IsConstant(args)) {
      void* dx = std::exchange(args.dx, nullptr);
      BackwardOfAll(args, parameters);
      if (!args.accumulate) std::memset(dx, 0, static_cast<size_t>(plan.size) * SizeOf(dtype));
      return;
    }
    Job job = BackwardJob(args);
    const KernelTable& table = Kernels(dtype);
    const bool has_reducer = options.reducer != nullptr;
    const Schedule schedule = ChooseSchedule(geometry, SizeOfElement(), 2, has_reducer);
    Follow(schedule, job);
    switch (BackwardPathOf(geometry)) {
      case BackwardPath::kCells:
        return BackwardCells(job, table, schedule, options.reducer, parameters);
      case BackwardPath::kRows:
        if (args.dx && !has_reducer) return BackwardRows(job, table, schedule, parameters);
        break;
      case BackwardPath::kWalk:
        break;
    }
    BackwardWalk(*this, args, {job.mean_w, job.mean_w_xhat}, parameters);
  }

  template <class T>
  void StoreParameters(const BackwardArgs& args, const ParameterSums& sums) const {
    const auto store = [&](void* to, const double* from) {
      T* values = static_cast<T*>(to);
      for (int64_t p = 0; values && p < plan.num_param; ++p)
        values[p] =
            static_cast<T>(from[p] + (args.accumulate ? static_cast<double>(values[p]) : 0));
    };
    store(args.dgamma, sums.dgamma);
    store(args.dbeta, sums.dbeta);
  }
};

Normalization::Normalization(const NormSpec& spec, const Layout& layout, DType dtype,
                             const NormOptions& options)
    : impl_(std::make_unique<Impl>(spec, layout, dtype, options)) {}
Normalization::~Normalization() = default;
Normalization::Normalization(Normalization&&) noexcept = default;
Normalization& Normalization::operator=(Normalization&&) noexcept = default;

const NormSpec& Normalization::spec() const { return impl_->spec; }
const Layout& Normalization::layout() const { return impl_->layout; }
DType Normalization::dtype() const { return impl_->dtype; }
int64_t Normalization::num_statistics() const { return impl_->plan.num_stat; }
int64_t Normalization::num_parameters() const { return impl_->plan.num_param; }
int64_t Normalization::num_running() const {
  return impl_->spec.running ? impl_->layout.SizeOf(impl_->spec.running) : 0;
}
int64_t Normalization::reduced_count() const { return impl_->plan.num_reduced; }
std::string Normalization::Describe() const { return impl_->Describe(); }

void Normalization::ForwardTraining(const void* x, const void* gamma, const void* beta, void* y,
                                    const SavedStatistics& saved) const {
  CheckNotNull(*impl_, "x", x);
  CheckNotNull(*impl_, "y", y);
  CheckOverlap(*impl_, "x", x, "y", y);
  Job job = impl_->ForwardJob(x, gamma, beta, y, saved);
  impl_->Forward(job);
}

void Normalization::ForwardInference(const void* x, const void* gamma, const void* beta,
                                     const void* mean, const void* variance, void* y) const {
  if (!mean && !variance && num_running() == 0) return ForwardTraining(x, gamma, beta, y, {});
  CheckNotNull(*impl_, "x", x);
  CheckNotNull(*impl_, "y", y);
  const DType given = ParameterDType(dtype());
  CheckNotNull(*impl_, "variance", variance, num_statistics(), given);
  if (impl_->spec.center) CheckNotNull(*impl_, "mean", mean, num_statistics(), given);
  CheckOverlap(*impl_, "x", x, "y", y);
  if (impl_->layout.size() == 0) return;
  Job job = impl_->ForwardJob(x, gamma, beta, y, {});
  if (impl_->dtype == DType::kF64)
    impl_->ReadGiven(static_cast<const double*>(mean), static_cast<const double*>(variance), job);
  else
    impl_->ReadGiven(static_cast<const float*>(mean), static_cast<const float*>(variance), job);
  impl_->ForwardWithGiven(job);
}

void Normalization::Backward(const BackwardArgs& args) const {
  CheckNotNull(*impl_, "x", args.x);
  CheckNotNull(*impl_, "dy", args.dy);
  CheckNotNull(*impl_, "saved mean", args.mean, num_statistics(), DType::kF64);
  CheckNotNull(*impl_, "saved rstd", args.rstd, num_statistics(), DType::kF64);
  if (args.dx) {
    CheckOverlap(*impl_, "x", args.x, "dx", args.dx);
    CheckOverlap(*impl_, "dy", args.dy, "dx", args.dx);
  }
  impl_->Backward(args);
}

}  // namespace normkit
