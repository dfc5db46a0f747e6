// The processor's kernels as a back-end: geometry and schedule of a problem, the calls made from
// arguments.
#include "src/norm/backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "src/core/fail.h"
#include "src/core/parallel.h"
#include "src/core/scratch.h"
#include "src/norm/check.h"
#include "src/norm/cpu/backward.h"
#include "src/norm/cpu/finish.h"
#include "src/norm/cpu/forward.h"
#include "src/norm/cpu/from_y.h"
#include "src/simd/target.h"

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

class CpuNormalization : public NormImplementation {
 public:
  explicit CpuNormalization(const Problem& problem)
      : problem_(problem),
        options_(problem.options),
        plan_(problem.plan),
        geometry_(problem.spec, problem.layout),
        statistic_a_cell_(StatisticACell(geometry_)) {}

  void Forward(const NormForwardArgs& args) const override {
    Job job = ForwardJob(args);
    Forward(job);
  }

  void Inference(const NormForwardArgs& args, const GivenStatistics& given) const override {
    Job job = ForwardJob(args);
    if (problem_.dtype == DType::kF64)
      ReadGiven<double>(given, job);
    else
      ReadGiven<float>(given, job);
    const Schedule schedule = ScheduleOfCall(NormPass::kInference);
    Follow(schedule, job);
    Prepare(job, Kernels(problem_.dtype), schedule.threads);
    Apply(job, Kernels(problem_.dtype), schedule.threads);
  }

  void Backward(const NormBackwardArgs& args) const override {
    if (FromY(problem_, args)) CheckFromY(problem_, geometry_);
    const auto n = static_cast<size_t>(plan_.num_param);
    double* sums = Scratch<ParameterSumsTag, double>(2 * n);
    std::fill_n(sums, 2 * n, 0.0);
    const ParameterSums parameters{sums, sums + n};
    if (plan_.size > 0 || options_.reducer) BackwardOfAll(args, parameters);
    if (problem_.dtype == DType::kF64)
      StoreParameters<double>(args, parameters);
    else
      StoreParameters<float>(args, parameters);
  }

  std::string Describe(NormPass pass) const override {
    return fmt::format("{} {}", TargetName(), ToString(ScheduleOf(pass)));
  }

 private:
  // The job of a forward pass. mean and rstd may be null: not wanted by the caller.
  Job ForwardJob(const NormForwardArgs& args) const {
    const auto n = static_cast<size_t>(plan_.num_stat);
    double* scratch = Scratch<StatisticsTag, double>(2 * n);
    const bool plain = options_.activation == Activation::kNone && !args.addend;
    const bool relu = options_.activation == Activation::kRelu && !args.addend;
    return {.geometry = &geometry_,
            .center = problem_.spec.center,
            .relu = relu,
            .f64 = problem_.dtype == DType::kF64,
            .stream = false,
            .epsilon = options_.epsilon,
            .x = !args.residual ? args.x
                 : args.sum     ? args.sum
                                : args.y,
            .y = args.y,
            .gamma = args.gamma ? args.gamma : Filled<OnesTag>(1),
            .beta = args.beta ? args.beta : Filled<ZerosTag>(0),
            .mean = args.saved.mean ? args.saved.mean : scratch,
            .rstd = args.saved.rstd ? args.saved.rstd : scratch + n,
            .variance = args.saved.variance,
            .table = Table(TableSize(geometry_)),
            .finishes = !plain && !relu,
            .activation = options_.activation,
            .negative_slope = options_.negative_slope,
            .addend = args.addend,
            .prepares = args.residual != nullptr,
            .source = args.x,
            .residual = args.residual};
  }

  static void Follow(const Schedule& schedule, Job& job) {
    job.stream = schedule.stream;
    job.group = schedule.group;
    job.tiled_runs = schedule.tiled_runs;
    job.ahead = schedule.ahead;
    job.read_ahead = schedule.read_ahead;
  }

  void Forward(Job& job) const {
    if (plan_.size == 0 && !options_.reducer) return;
    const KernelTable& kernels = Kernels(problem_.dtype);
    const Schedule schedule = ScheduleOfCall(NormPass::kForward);
    Follow(schedule, job);
    if (!options_.reducer) problem_.WarnOfOneValue(static_cast<double>(plan_.num_reduced));
    if (schedule.path != Path::kTwoPasses) return ForwardFused(job, kernels, schedule);
    Moments* moments = Scratch<MomentsTag, Moments>(static_cast<size_t>(plan_.num_stat));
    Prepare(job, kernels, schedule.threads);
    GatherMoments(job, kernels, schedule.threads, moments);
    if (options_.reducer) {
      options_.reducer->Merge({moments, static_cast<size_t>(plan_.num_stat)});
      if (plan_.num_stat > 0) problem_.WarnOfOneValue(moments[0].n);
    }
    for (int64_t s = 0; s < plan_.num_stat; ++s) FinishStatistic(job, s, moments[s]);
    Apply(job, kernels, schedule.threads);
  }

  // For a call that happens now.
  Schedule ScheduleOfCall(NormPass pass) const {
    Schedule schedule = ScheduleOf(pass);
    schedule.threads |= schedule.shared_when_awake && InQuickSuccession();
    return schedule;
  }

  Schedule ScheduleOf(NormPass pass) const {
    return ChooseSchedule(geometry_, static_cast<int64_t>(SizeOf(problem_.dtype)), pass,
                          options_.reducer != nullptr);
  }

  // Parameters that were not given.
  template <class Tag>
  const void* Filled(int value) const {
    const auto n = static_cast<size_t>(plan_.num_param);
    if (problem_.dtype == DType::kF64)
      return std::fill_n(Scratch<Tag, double>(n), n, static_cast<double>(value)) - n;
    return std::fill_n(Scratch<Tag, float>(n), n, static_cast<float>(value)) - n;
  }

  void* Table(int64_t size) const {
    const auto n = static_cast<size_t>(size);
    if (n == 0) return nullptr;
    return problem_.dtype == DType::kF64 ? static_cast<void*>(Scratch<TableTag, double>(n))
                                         : Scratch<TableTag, float>(n);
  }

  // rstd from variances that have been checked.
  template <class T>
  void ReadGiven(const GivenStatistics& given, const Job& job) const {
    const T* mean = static_cast<const T*>(given.mean);
    const T* variance = static_cast<const T*>(given.variance);
    for (int64_t s = 0; s < plan_.num_stat; ++s) {
      job.mean[s] = problem_.spec.center ? static_cast<double>(mean[s]) : 0;
      job.rstd[s] = 1 / std::sqrt(static_cast<double>(variance[s]) + options_.epsilon);
    }
  }

  Job BackwardJob(const NormBackwardArgs& args) const {
    // Backward kernels only read the statistics.
    Job job =
        ForwardJob({.x = args.x,
                    .gamma = args.gamma,
                    .beta = args.beta,
                    .saved = {const_cast<double*>(args.mean), const_cast<double*>(args.rstd)}});
    const bool from_y = FromY(problem_, args);
    const auto cells = static_cast<size_t>(geometry_.cell_form ? geometry_.num_cells : 0);
    const auto stats = from_y ? cells : static_cast<size_t>(plan_.num_stat);
    double* sums = Scratch<SumsTag, double>(2 * stats + 1 + 2 * cells);
    job.dy = args.dy;
    job.dx = args.dx;
    job.accumulate = args.accumulate;
    job.fixed = args.fixed_statistics;
    job.mean_w = sums;
    job.mean_w_xhat = sums + stats;
    job.cell_dy = sums + 2 * stats + 1;
    job.cell_dy_x = job.cell_dy + cells;
    if (job.table) job.table = Table(TableSize(geometry_) / 3 * 5);
    if (from_y) ReadFromY(problem_, geometry_, statistic_a_cell_, args, job);
    PassActivation(args, job);
    return job;
  }

  // Where the kernels cannot compute the activation again, what of dy passes it is computed first:
  // into daddend, whose gradient it is, or where it does no harm.
  void PassActivation(const NormBackwardArgs& args, Job& job) const {
    const bool has_activation = options_.activation != Activation::kNone;
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
      job.dy = Scratch<PassedTag, char>(static_cast<size_t>(plan_.size) * SizeOf(problem_.dtype));
  }

  // One value is its own mean: y does not move with it.
  bool IsConstant(const NormBackwardArgs& args) const {
    return plan_.num_reduced == 1 && problem_.spec.center && !args.fixed_statistics &&
           !options_.reducer;
  }

  void BackwardOfAll(NormBackwardArgs args, const ParameterSums& parameters) const {
    if (args.dx && IsConstant(args)) {
      void* dx = std::exchange(args.dx, nullptr);
      BackwardOfAll(args, parameters);
      if (!args.accumulate)
        std::memset(dx, 0, static_cast<size_t>(plan_.size) * SizeOf(problem_.dtype));
      return;
    }
    Job job = BackwardJob(args);
    const KernelTable& table = Kernels(problem_.dtype);
    const Schedule schedule = ScheduleOfCall(NormPass::kBackward);
    Follow(schedule, job);
    if (geometry_.cell_form)
      BackwardCells(job, table, schedule, options_.reducer, parameters);
    else
      BackwardElements(job, table, schedule, options_.reducer, parameters);
  }

  template <class T>
  void StoreParameters(const NormBackwardArgs& args, const ParameterSums& sums) const {
    const auto store = [&](void* to, const double* from) {
      T* values = static_cast<T*>(to);
      for (int64_t p = 0; values && p < plan_.num_param; ++p)
        values[p] =
            static_cast<T>(from[p] + (args.accumulate ? static_cast<double>(values[p]) : 0));
    };
    store(args.dgamma, sums.dgamma);
    store(args.dbeta, sums.dbeta);
  }

  const Problem& problem_;
  const NormOptions& options_;
  const Plan& plan_;
  const Geometry geometry_;
  const Geometry statistic_a_cell_;  // for the backward pass from y
};

std::string WhyNot(const Problem& problem) {
  const size_t loops = problem.plan.levels.size();
  if (loops <= Loops::kMaxLoops) return "";
  return fmt::format(
      "{} nested loops, at most {} (neighbouring axes that are reduced alike are one)", loops,
      Loops::kMaxLoops);
}

}  // namespace

const NormBackend kCpuBackend = {"cpu", WhyNot,
                                 [](const Problem& problem) -> std::unique_ptr<NormImplementation> {
                                   return std::make_unique<CpuNormalization>(problem);
                                 }};

}  // namespace normkit
