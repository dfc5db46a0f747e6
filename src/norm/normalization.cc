#include "normkit/norm/normalization.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <utility>

#include "src/core/fail.h"
#include "src/core/log.h"
#include "src/core/parallel.h"
#include "src/norm/backward.h"
#include "src/norm/check.h"
#include "src/norm/choose.h"
#include "src/norm/finish.h"
#include "src/norm/forward.h"
#include "src/norm/from_y.h"
#include "src/norm/problem.h"
#include "src/norm/scratch.h"
#include "src/norm/statistics.h"

namespace normkit {
namespace {

struct OnesTag;
struct ZerosTag;
struct TableTag;
struct MomentsTag;
struct StatisticsTag;
struct SumsTag;
struct ParameterSumsTag;
struct PassedTag;

}  // namespace

class Normalization::Impl : public Problem {
 public:
  const Plan& plan;
  const Geometry statistic_a_cell;  // for the backward pass from y
  mutable std::atomic_flag warned;

  Impl(const NormSpec& s, const Layout& l, DType d, const NormOptions& o)
      : Problem{s, l, d, o, Geometry(s, l)},
        plan(geometry.plan),
        statistic_a_cell(StatisticACell(geometry)) {
    if (!(o.epsilon > 0) || !std::isfinite(o.epsilon))
      Fail("{} normalization: epsilon is {}, expected a finite number above 0", s.name, o.epsilon);
    if (!(o.negative_slope >= 0) || !std::isfinite(o.negative_slope))
      Fail("{} normalization: negative_slope is {}, expected a finite number >= 0", s.name,
           o.negative_slope);
    if (!l.Has(kC))
      Fail("{} normalization: layout {} has no channel axis (C)", s.name, l.ToString());
    if (!LogsDetails()) return;
    for (const NormPass pass : {NormPass::kForward, NormPass::kInference, NormPass::kBackward})
      LogDetail(Describe(pass));
  }

  // The job of a forward pass. mean and rstd may be null: not wanted by the caller.
  Job ForwardJob(const ForwardArgs& args) const {
    const auto n = static_cast<size_t>(plan.num_stat);
    double* scratch = Scratch<StatisticsTag, double>(2 * n);
    const bool plain = options.activation == Activation::kNone && !args.addend;
    const bool relu = options.activation == Activation::kRelu && !args.addend;
    return {.geometry = &geometry,
            .center = spec.center,
            .relu = relu,
            .f64 = dtype == DType::kF64,
            .stream = false,
            .epsilon = options.epsilon,
            .x = !args.residual ? args.x
                 : args.sum     ? args.sum
                                : args.y,
            .y = args.y,
            .gamma = args.gamma ? args.gamma : Filled<OnesTag>(1),
            .beta = args.beta ? args.beta : Filled<ZerosTag>(0),
            .mean = args.saved.mean ? args.saved.mean : scratch,
            .rstd = args.saved.rstd ? args.saved.rstd : scratch + n,
            .variance = args.saved.variance,
            .table = Table(TableSize(geometry)),
            .finishes = !plain && !relu,
            .activation = options.activation,
            .negative_slope = options.negative_slope,
            .addend = args.addend,
            .prepares = args.residual != nullptr,
            .source = args.x,
            .residual = args.residual};
  }

  // One value is its own mean, so y says nothing about it.
  void WarnOfOneValue(double count) const {
    if (count != 1 || warned.test_and_set()) return;
    if (spec.running)
      Warn(
          "{}: one value per statistic: the output is the offset (beta), and running variances "
          "are left alone; use larger batches",
          Title());
    else
      Warn(
          "{}: one value per statistic: the output is {}, whatever the batch; use statistics over "
          "more values",
          Title(), spec.center ? "the offset (beta)" : "the scale (gamma) with the sign of x");
  }

  // Whether y stands for x.
  bool FromY(const BackwardArgs& args) const { return !args.x && args.y && plan.size > 0; }

  static void Follow(const Schedule& schedule, Job& job) {
    job.stream = schedule.stream;
    job.group = schedule.group;
    job.tiled_runs = schedule.tiled_runs;
    job.ahead = schedule.ahead;
    job.read_ahead = schedule.read_ahead;
  }

  void Forward(Job& job) const {
    if (plan.size == 0 && !options.reducer) return;
    const KernelTable& kernels = Kernels(dtype);
    const Schedule schedule = ScheduleOfCall(NormPass::kForward);
    Follow(schedule, job);
    if (!options.reducer) WarnOfOneValue(static_cast<double>(plan.num_reduced));
    if (schedule.path != Path::kTwoPasses) return ForwardFused(job, kernels, schedule);
    Moments* moments = Scratch<MomentsTag, Moments>(static_cast<size_t>(plan.num_stat));
    Prepare(job, kernels, schedule.threads);
    GatherMoments(job, kernels, schedule.threads, moments);
    if (options.reducer) {
      options.reducer->Merge({moments, static_cast<size_t>(plan.num_stat)});
      if (plan.num_stat > 0) WarnOfOneValue(moments[0].n);
    }
    for (int64_t s = 0; s < plan.num_stat; ++s) FinishStatistic(job, s, moments[s]);
    Apply(job, kernels, schedule.threads);
  }

  void ForwardWithGiven(Job& job) const {
    const Schedule schedule = ScheduleOfCall(NormPass::kInference);
    Follow(schedule, job);
    Prepare(job, Kernels(dtype), schedule.threads);
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

  // For a call that happens now.
  Schedule ScheduleOfCall(NormPass pass) const {
    Schedule schedule = ScheduleOf(pass);
    schedule.threads |= schedule.shared_when_awake && InQuickSuccession();
    return schedule;
  }

  Schedule ScheduleOf(NormPass pass) const {
    return ChooseSchedule(geometry, static_cast<int64_t>(SizeOf(dtype)), pass,
                          options.reducer != nullptr);
  }

  std::string Describe(NormPass pass) const {
    return fmt::format("{} {} {} {}: {}, plan {}, kernel {} {}", spec.name, Name(pass), Name(dtype),
                       layout.ToString(), ToString(StatisticsOf(spec, layout)), plan.ToString(),
                       TargetName(), ToString(ScheduleOf(pass)));
  }

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
    Job job =
        ForwardJob({.x = args.x,
                    .gamma = args.gamma,
                    .beta = args.beta,
                    .saved = {const_cast<double*>(args.mean), const_cast<double*>(args.rstd)}});
    const bool from_y = FromY(args);
    const auto cells = static_cast<size_t>(geometry.cell_form ? geometry.num_cells : 0);
    const auto stats = from_y ? cells : static_cast<size_t>(plan.num_stat);
    double* sums = Scratch<SumsTag, double>(2 * stats + 1 + 2 * cells);
    job.dy = args.dy;
    job.dx = args.dx;
    job.accumulate = args.accumulate;
    job.fixed = args.fixed_statistics;
    job.mean_w = sums;
    job.mean_w_xhat = sums + stats;
    job.cell_dy = sums + 2 * stats + 1;
    job.cell_dy_x = job.cell_dy + cells;
    if (job.table) job.table = Table(TableSize(geometry) / 3 * 5);
    if (from_y) ReadFromY(*this, statistic_a_cell, args, job);
    PassActivation(args, job);
    return job;
  }

  // Where the kernels cannot compute the activation again, what of dy passes it is computed first:
  // into daddend, whose gradient it is, or where it does no harm.
  void PassActivation(const BackwardArgs& args, Job& job) const {
    const bool has_activation = options.activation != Activation::kNone;
    if (!args.daddend && !(has_activation && args.y)) return;
    job.prepares = true;
    job.relu = false;
    job.dz = args.dy;
    job.activated = has_activation ? args.y : nullptr;
    if (args.daddend)
      job.dy = args.daddend;
    else if (args.dx && !args.accumulate && args.dx != job.x)
      job.dy = args.dx;
    else
      job.dy = Scratch<PassedTag, char>(static_cast<size_t>(plan.size) * SizeOf(dtype));
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
    const Schedule schedule = ScheduleOfCall(NormPass::kBackward);
    Follow(schedule, job);
    if (geometry.cell_form)
      BackwardCells(job, table, schedule, options.reducer, parameters);
    else
      BackwardElements(job, table, schedule, options.reducer, parameters);
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

std::string_view Name(NormPass pass) {
  constexpr std::string_view kNames[] = {"forward", "inference", "backward"};
  return kNames[static_cast<size_t>(pass)];
}

Normalization::Normalization(const NormSpec& spec, const Layout& layout, DType dtype,
                             const NormOptions& options)
    : impl_(std::make_unique<Impl>(spec, WithGroups(spec, layout, options.num_groups), dtype,
                                   options)) {}
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
std::string Normalization::Describe(NormPass pass) const { return impl_->Describe(pass); }
std::string Normalization::DescribeStatistics() const {
  return fmt::format("{} normalization of {} {}: {}", impl_->spec.name, Name(impl_->dtype),
                     impl_->layout.ToString(), ToString(StatisticsOf(impl_->spec, impl_->layout)));
}

void Normalization::ForwardTraining(const void* x, const void* gamma, const void* beta, void* y,
                                    const SavedStatistics& saved) const {
  ForwardTraining({.x = x, .gamma = gamma, .beta = beta, .y = y, .saved = saved});
}

void Normalization::ForwardTraining(const ForwardArgs& args) const {
  CheckForward(*impl_, args, /*trains=*/true);
  Job job = impl_->ForwardJob(args);
  impl_->Forward(job);
}

void Normalization::ForwardInference(const void* x, const void* gamma, const void* beta,
                                     const void* mean, const void* variance, void* y) const {
  ForwardInference({.x = x, .gamma = gamma, .beta = beta, .y = y}, mean, variance);
}

void Normalization::ForwardInference(const ForwardArgs& args, const void* mean,
                                     const void* variance) const {
  CheckForward(*impl_, args, /*trains=*/false);
  if (!mean && !variance && num_running() == 0) {
    Job job = impl_->ForwardJob(args);
    return impl_->Forward(job);
  }
  const DType given = ParameterDType(dtype());
  CheckNotNull(*impl_, "variance", variance, num_statistics(), given);
  if (impl_->spec.center) CheckNotNull(*impl_, "mean", mean, num_statistics(), given);
  if (impl_->layout.size() == 0) return;
  Job job = impl_->ForwardJob(args);
  if (impl_->dtype == DType::kF64)
    impl_->ReadGiven(static_cast<const double*>(mean), static_cast<const double*>(variance), job);
  else
    impl_->ReadGiven(static_cast<const float*>(mean), static_cast<const float*>(variance), job);
  impl_->ForwardWithGiven(job);
}

void Normalization::Backward(const BackwardArgs& args) const {
  CheckBackward(*impl_, args, impl_->FromY(args));
  impl_->Backward(args);
}

}  // namespace normkit
