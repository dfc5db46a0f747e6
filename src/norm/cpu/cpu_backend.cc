// The processor's kernels as a back-end: geometry and schedule of a problem, the calls made from
// arguments.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <utility>

#include "src/core/fail.h"
#include "src/core/parallel.h"
#include "src/core/scratch.h"
#include "src/core/thread_local.h"
#include "src/norm/activation.h"
#include "src/norm/backend.h"
#include "src/norm/check.h"
#include "src/norm/cpu/backward.h"
#include "src/norm/cpu/column_parts.h"
#include "src/norm/cpu/exact_sum.h"
#include "src/norm/cpu/forward.h"
#include "src/norm/cpu/from_y.h"
#include "src/norm/cpu/make_pitch.h"
#include "src/norm/cpu/one_value.h"
#include "src/norm/cpu/parameter_parts.h"
#include "src/norm/cpu/quantized.h"
#include "src/simd/cache.h"
#include "src/simd/target.h"

namespace normkit::norm::cpu {
namespace {

struct OnesTag;
struct ZerosTag;
struct TableTag;
struct MomentsTag;
struct MeanTag;
struct RstdTag;
struct MeanWTag;
struct MeanWXhatTag;
struct CellDyTag;
struct CellDyXTag;
struct ParameterSumsTag;
struct PassedTag;

class CpuNormalization : public NormImplementation {
 public:
  explicit CpuNormalization(const Problem& problem)
      : problem_(problem),
        options_(problem.options),
        plan_(problem.plan),
        geometry_(problem.spec, problem.layout),
        statistic_a_cell_(StatisticACell(geometry_)),
        schedules_(geometry_, static_cast<int64_t>(SizeOf(problem.dtype)),
                   problem.options.reducer != nullptr) {
    for (size_t i = 0; i < kNormArrays; ++i)
      pitches_[i] = MakePitch(problem.strides[static_cast<NormArray>(i)], geometry_.LongestRun());
    if (problem.quantizes()) pitches_[static_cast<size_t>(NormArray::kY)] = nullptr;
    pitched_ = std::ranges::any_of(pitches_, [](const auto& pitch) { return pitch != nullptr; });
    rows_alone_ = AreRowsAlone();
  }

  void Forward(const NormForwardArgs& args) const override {
    const TrimScratchAtEnd trim;
    if (plan_.size == 0 && !options_.reducer) return;
    Schedule schedule = ScheduleOf(NormPass::kForward);
    if (rows_alone_ && IsOfRowsAlone(args, schedule)) return ForwardRowsAlone(args, schedule);
    const bool fused = problem_.quantizes() ? AreQuantizedRows(plan_, schedule)
                                            : schedule.path != Path::kTwoPasses;
    ForwardJob job = MakeForwardJob(args, schedule, fused && plan_.num_stat > kTaskElements);
    FollowSchedule(schedule, job);
    const KernelTable& kernels = Kernels(problem_.dtype);
    if (!options_.reducer) problem_.WarnOfOneValue(static_cast<double>(plan_.num_reduced));
    if (fused && problem_.quantizes())
      return ForwardQuantized(job, kernels, schedule.threads, OutputOf(args));
    if (fused) return ForwardFused(job, kernels, schedule);
    Moments* moments = Scratch<MomentsTag, Moments>(static_cast<size_t>(plan_.num_stat));
    Prepare(job, kernels, schedule.threads);
    job.residual = {};  // which is in the sum
    GatherMoments(job, kernels, schedule.threads, moments);
    if (options_.reducer) {
      options_.reducer->Merge({moments, static_cast<size_t>(plan_.num_stat)});
      if (plan_.num_stat > 0) problem_.WarnOfOneValue(moments[0].n);
    }
    FinishStatistics(job, kernels, schedule.threads, moments);
    Write(args, job, schedule.threads);
  }

  void Inference(const NormForwardArgs& args, const GivenStatistics& given) const override {
    const TrimScratchAtEnd trim;
    Schedule schedule = ScheduleOf(NormPass::kInference);
    ForwardJob job = MakeForwardJob(args, schedule);
    if (problem_.dtype == DType::kF64)
      ReadGiven<double>(given, job);
    else
      ReadGiven<float>(given, job);
    FollowSchedule(schedule, job);
    // In 8 bits piece by piece.
    if (!problem_.quantizes()) Prepare(job, Kernels(problem_.dtype), schedule.threads);
    Write(args, job, schedule.threads);
  }

  void Backward(const NormBackwardArgs& args) const override {
    const TrimScratchAtEnd trim;
    if (FromY(problem_, args)) CheckFromY(problem_, geometry_);
    if (!args.dgamma && !args.dbeta) return BackwardOfAll(args, nullptr);
    const auto store = [&](int64_t first, int64_t n, const double* dgamma, const double* dbeta) {
      problem_.StoreGradients(args, first, n, dgamma, dbeta);
    };
    const bool f32 = problem_.dtype != DType::kF64 && problem_.parameter_dtype() == DType::kF32;
    BackwardOfAll(args, store, {}, f32 && !args.accumulate);
  }

  void Gather(const NormForwardArgs& args, Moments* moments) const override {
    const TrimScratchAtEnd trim;
    Schedule schedule = ScheduleOf(NormPass::kForward);
    ForwardJob job = MakeForwardJob(args, schedule);
    FollowSchedule(schedule, job);
    Prepare(job, Kernels(problem_.dtype), schedule.threads);
    GatherMoments(job, Kernels(problem_.dtype), schedule.threads, moments);
  }

  void Apply(const NormForwardArgs& args) const override {
    const TrimScratchAtEnd trim;
    Schedule schedule = ScheduleOf(NormPass::kInference);
    ForwardJob job = MakeForwardJob(args, schedule);
    job.residual = {};  // which is in the sum
    FollowSchedule(schedule, job);
    Write(args, job, schedule.threads);
  }

  void GatherGradient(const NormBackwardArgs& args, const GradientSums& sums) const override {
    const TrimScratchAtEnd trim;
    NormBackwardArgs without_dx = args;
    without_dx.dx = nullptr;
    Schedule schedule = InHalves();
    BackwardJob job = MakeBackwardJob(without_dx, schedule, Extent::kHalf);
    FollowSchedule(schedule, job);
    const ParameterSums parameters{sums.dgamma, sums.dbeta};
    std::fill_n(sums.dgamma, plan_.num_param, 0.0);
    std::fill_n(sums.dbeta, plan_.num_param, 0.0);
    const KernelTable& kernels = Kernels(problem_.dtype);
    if (geometry_.cell_form)
      SumCells(job, kernels, schedule.threads, parameters);
    else
      SumElements(job, kernels, schedule.threads, parameters);
    std::copy_n(job.means.w, plan_.num_stat, sums.w);
    std::copy_n(job.means.w_xhat, plan_.num_stat, sums.w_xhat);
  }

  void ApplyGradient(const NormBackwardArgs& args, const GradientSums& sums,
                     double count) const override {
    const TrimScratchAtEnd trim;
    if (!args.dx) return;
    if (count == 1 && problem_.spec.center && !args.fixed_statistics) {
      if (!args.accumulate) FillZeros(problem_, args.dx);
      return;
    }
    Schedule schedule = InHalves();
    BackwardJob job = MakeBackwardJob(args, schedule, Extent::kHalf);
    if (args.daddend) {  // which holds what passed
      job.dy = Array(NormArray::kDaddend, args.daddend);
      job.dz = {};
    }
    FollowSchedule(schedule, job);
    std::copy_n(sums.w, plan_.num_stat, job.means.w);
    std::copy_n(sums.w_xhat, plan_.num_stat, job.means.w_xhat);
    job.means.Divide(plan_.num_stat, count, SquaresDivisor(job.divisor, count), job.center);
    const KernelTable& kernels = Kernels(problem_.dtype);
    PrepareGradient(job, kernels, schedule.threads);
    if (geometry_.cell_form) return ApplyCells(job, kernels, schedule.threads);
    ApplyElements(job, kernels, schedule.threads, {});
  }

  void BackwardWithSums(const NormBackwardArgs& args, double* dgamma, double* dbeta,
                        bool add) const override {
    const TrimScratchAtEnd trim;
    if (FromY(problem_, args)) CheckFromY(problem_, geometry_);
    const auto store = [&](int64_t first, int64_t n, const double* gamma, const double* beta) {
      if (add) return AddAll(n, gamma, dgamma + first), AddAll(n, beta, dbeta + first);
      std::copy_n(gamma, n, dgamma + first), std::copy_n(beta, n, dbeta + first);
    };
    BackwardOfAll(args, std::cref(store));  // a copy would be allocated
  }

  bool KeepsAll(NormPass pass, bool ones, bool from_y) const override {
    const Schedule schedule = ScheduleOf(pass);
    const bool backward = pass == NormPass::kBackward;
    const int64_t ones_of_task =
        backward ? ParametersOfBackwardTask(schedule) : ParametersOfTask(schedule);
    if ((ones && ones_of_task > kTaskElements) || pass == NormPass::kInference) return true;
    if (problem_.quantizes()) return !AreQuantizedRows(plan_, schedule);
    if (backward) return from_y || !TakesStrips(schedule);
    return schedule.path == Path::kTwoPasses || schedule.path == Path::kFusedColumns;
  }
  int64_t num_cells() const override {
    return geometry_.cell_form ? std::max(geometry_.num_cells, plan_.num_stat) : plan_.num_stat;
  }
  void BackwardOfCells(const NormBackwardArgs& args, double* dy, double* dy_xhat) const override {
    if (!TakesStrips(ScheduleOf(NormPass::kBackward)))
      return BackwardOfAll(args, nullptr, {dy, dy_xhat});
    // A cell has its parameter to itself.
    BackwardOfAll(args, [&](int64_t first, int64_t n, const double* dgamma, const double* dbeta) {
      std::copy_n(dgamma, n, dy_xhat + first);
      std::copy_n(dbeta, n, dy + first);
    });
  }
  void AddCells(int64_t first, int64_t n, double* dy, double* dy_xhat, double* sums,
                bool last) const override {
    const int64_t params = plan_.num_param;
    const bool f64 = problem_.dtype == DType::kF64;
    double* rest = f64 ? sums + 2 * params : nullptr;
    const ParameterSums to{sums, sums + params, rest, f64 ? rest + params : nullptr};
    cpu::AddCells(geometry_, ScheduleOf(NormPass::kBackward).threads, first, first + n,
                  {dy, dy_xhat}, to);
    if (f64 && last) AddRests(2 * params, rest, sums);
  }

  bool TakesStrided(NormArray array) const override {
    return pitches_[static_cast<size_t>(array)] != nullptr;
  }

  std::string_view Form() const override { return geometry_.cell_form ? "cells" : "elements"; }

  std::string Describe(NormPass pass) const override {
    return fmt::format("{} {}", simd::TargetName(), ToString(ScheduleOf(pass)));
  }

 private:
  const Pitch* PitchOf(NormArray array) const { return pitches_[static_cast<size_t>(array)].get(); }
  InputArray Array(NormArray array, const void* data) const {
    return InputArray(data, PitchOf(array));
  }
  OutputArray Array(NormArray array, void* data) const { return OutputArray(data, PitchOf(array)); }

  QuantizedOutput OutputOf(const NormForwardArgs& args) const {
    return {{options_.output, options_.output_scale, options_.output_zero_point},
            args.y,
            args.scales,
            SizeOf(problem_.dtype)};
  }
  // y from the job's statistics.
  void Write(const NormForwardArgs& args, const ForwardJob& job, bool threads) const {
    const KernelTable& kernels = Kernels(problem_.dtype);
    if (problem_.quantizes()) return ApplyQuantized(job, kernels, threads, OutputOf(args));
    cpu::Apply(job, kernels, threads);
  }

  // What both directions know. Parameters that are not given are `parameters` numbers.
  void StartJob(const void* gamma, const void* beta, int64_t parameters, Job& job) const {
    job.geometry = &geometry_;
    job.center = problem_.spec.center;
    job.divisor = problem_.spec.divisor;
    job.f64 = problem_.dtype == DType::kF64;
    job.relu = options_.activation == Activation::kRelu;
    job.activation = options_.activation;
    job.activation_parameter = ParameterOf(options_);
    job.gamma = gamma ? gamma : Filled<OnesTag>(1, parameters);
    job.beta = beta ? beta : Filled<ZerosTag>(0, parameters);
    job.repeats_gamma = !gamma && parameters < plan_.num_param;
    job.repeats_beta = !beta && parameters < plan_.num_param;
  }

  // Whether all that belongs to channels is there strip by strip only.
  bool TakesStrips(const Schedule& schedule) const {
    return schedule.path == Path::kFusedStrips && !problem_.quantizes();
  }

  // Whether nothing is kept of all cells but of some columns at a time.
  bool TakesColumnParts(const Schedule& schedule, bool backward) const {
    const bool passes = schedule.path == Path::kTwoPasses || schedule.path == Path::kOnePass;
    const bool one_scale = options_.output != OutputType::kInt8PerStatistic;
    return passes && (one_scale || plan_.num_reduced == 1) &&
           WorthColumnParts(geometry_, backward, schedule.threads);
  }

  // Whether the means of the backward pass in element form are those that are taken together only:
  // of units in the cache of columns, and of so many short runs; or nothing passes through the
  // statistics.
  bool HasNoMeans(const Schedule& schedule, const BackwardJob& job) const {
    if (geometry_.cell_form || options_.reducer) return false;
    if (job.fixed || !job.dx) return true;
    if (geometry_.stat_vector) return schedule.path == Path::kFusedColumns;
    const bool fused = schedule.path == Path::kFusedRows || schedule.path == Path::kFusedRuns;
    return fused && plan_.num_stat > kTaskElements && geometry_.run_length < RowBlocks::kBlock;
  }

  // How many parameters a task of the forward pass takes.
  int64_t ParametersOfTask(const Schedule& schedule) const {
    const int64_t all = plan_.num_param;
    if (all <= kTaskElements) return all;
    if (TakesStrips(schedule))
      return schedule.units_per_task * ColumnCut::ForStrips(geometry_.reduce).strip_columns();
    if (TakesColumnParts(schedule, /*backward=*/false)) return kTaskElements;
    if (problem_.quantizes() || schedule.path == Path::kFusedColumns) return all;
    const bool units = geometry_.units_contiguous && plan_.num_reduced > kTaskElements;
    if (schedule.path == Path::kFusedRows && !units) return all;
    return AreParameterRuns(geometry_) || AreParameterCells(geometry_) ? kTaskElements : all;
  }
  // The same of the backward pass.
  int64_t ParametersOfBackwardTask(const Schedule& schedule, bool pieces = false) const {
    const int64_t all = plan_.num_param;
    if (all <= kTaskElements) return all;
    if (pieces && AreParameterCells(geometry_)) return kTaskElements;
    if (pieces && TakesColumnParts(schedule, /*backward=*/true)) return kTaskElements;
    if (TakesStrips(schedule)) return kMaxStripColumns;
    const bool parts = schedule.path == Path::kTwoPasses && AreParameterRuns(geometry_) &&
                       all == geometry_.run_length && geometry_.elements.reduced.size() == 1;
    return parts ? kTaskElements : all;
  }

  // `by_task`: statistics that are not saved are kept for each task (ForwardFused).
  ForwardJob MakeForwardJob(const NormForwardArgs& args, const Schedule& schedule,
                            bool by_task = false) const {
    ForwardJob job;
    StartJob(args.gamma, args.beta, ParametersOfTask(schedule), job);
    job.epsilon = problem_.epsilon();
    job.y = Array(NormArray::kY, args.y);
    job.x = Array(NormArray::kX, args.x);
    if (args.residual) {
      job.source = job.x;
      job.residual = Array(NormArray::kResidual, args.residual);
      job.sum = args.sum ? Array(NormArray::kSum, args.sum) : job.y;
      job.x = job.sum;
    }
    SaveStatistics(args, by_task, job);
    job.gate = Array(NormArray::kGate, args.gate);
    job.relu &= !args.addend && !args.gate;
    job.finishes =
        (options_.activation != Activation::kNone || args.addend || args.gate) && !job.relu;
    job.addend = Array(NormArray::kAddend, args.addend);
    job.by_root = !job.center && !args.beta && !job.relu && !job.finishes && !geometry_.cell_form &&
                  !geometry_.stat_vector && geometry_.param_vector;
    job.finite_parameters = problem_.dtype == DType::kBF16 && SharesFiniteParameters(job, schedule);
    if (!TakesStrips(schedule) && !TakesColumnParts(schedule, /*backward=*/false) &&
        (geometry_.cell_form ? geometry_.cell_vector : geometry_.stat_vector))
      job.table = Table(geometry_.cell_form ? geometry_.num_cells : plan_.num_stat,
                        CoefficientTable::kForwardArrays);
    return job;
  }

  // Statistics go to the caller, or, where tasks have none to themselves, to scratch.
  void SaveStatistics(const NormForwardArgs& args, bool by_task, ForwardJob& job) const {
    const auto n = static_cast<size_t>(plan_.num_stat);
    job.saved = args.saved;
    if (!by_task && !job.saved.mean) job.saved.mean = Scratch<MeanTag, double>(n);
    if (!by_task && !job.saved.rstd) job.saved.rstd = Scratch<RstdTag, double>(n);
    job.mean = job.saved.mean;
    job.rstd = job.saved.rstd;
  }

  // Whether calls may be of rows alone, with nothing behind gamma and beta and nobody to share
  // with. What such a call asks for else took a fifth of the time of a row of 64.
  bool AreRowsAlone() const {
    const bool tables = geometry_.cell_form ? geometry_.cell_vector : geometry_.stat_vector;
    return plan_.size > 0 && plan_.num_reduced > 1 && plan_.num_stat <= kTaskElements &&
           plan_.StatisticsAreRuns() && !tables && !pitched_ && !options_.reducer &&
           !problem_.quantizes() && options_.activation == Activation::kNone;
  }
  static bool IsOfRowsAlone(const NormForwardArgs& args, const Schedule& schedule) {
    return !args.residual && !args.addend && !args.gate && schedule.path == Path::kFusedRows &&
           !schedule.threads && !schedule.shared_when_awake && !schedule.stream;
  }
  // To the bit what MakeForwardJob and ForwardFused make of it.
  void ForwardRowsAlone(const NormForwardArgs& args, const Schedule& schedule) const {
    ForwardJob job;
    StartJob(args.gamma, args.beta, plan_.num_param, job);
    static_cast<Walk&>(job) = schedule;
    job.epsilon = problem_.epsilon();
    job.x = InputArray(args.x);
    job.y = OutputArray(args.y);
    job.by_root = !job.center && !args.beta && !geometry_.cell_form && geometry_.param_vector;
    SaveStatistics(args, /*by_task=*/false, job);
    Kernels(problem_.dtype).forward_rows(job, 0, geometry_.num_units());
  }

  // Processors do not see the next of rows that lie apart coming ([131072,128] of 3 took 43 ms
  // instead of 20, [4096,4096] of 3 10.4 instead of 9.0). At least so many rows on.
  int64_t RowsAhead(const InputArray& x, int64_t least) const {
    constexpr int64_t kBytes = 8192;
    const Pitch* pitch = x.pitch();
    if (!pitch || pitch->outer().size() < 2) return 0;
    const int64_t run_bytes = pitch->run() * static_cast<int64_t>(SizeOf(problem_.dtype));
    return pitch->outer().Offset(1) * std::max(least, kBytes / run_bytes);
  }

  // Makes the schedule that of a call that happens now, which the job follows.
  void FollowSchedule(Schedule& schedule, Job& job) const {
    schedule.threads |= schedule.shared_when_awake && InQuickSuccession();
    job.pitched = pitched_;  // others are dense copies
    if (job.pitched) {
      schedule.read_ahead = schedule.far ? RowsAhead(job.x, 1) : 0;
      schedule.ahead = schedule.far && simd::HasLargeL1() ? RowsAhead(job.x, schedule.group) : 0;
    }
    static_cast<Walk&>(job) = schedule;
  }

  Schedule ScheduleOf(NormPass pass) const { return schedules_.Get(pass, problem_.whole_bytes); }
  // That of one half of the backward pass.
  Schedule InHalves() const {
    Schedule schedule = ScheduleOf(NormPass::kBackward);
    schedule.path = Path::kTwoPasses;
    return schedule;
  }

  // Parameters that were not given: an array that is filled when it grows.
  template <class Tag>
  const void* Filled(int value, int64_t count) const {
    const auto n = static_cast<size_t>(count);
    return problem_.dtype == DType::kF64 ? static_cast<const void*>(Filled<Tag, double>(value, n))
                                         : Filled<Tag, float>(static_cast<float>(value), n);
  }
  template <class Tag, class R>
  static const R* Filled(R value, size_t n) {
    NORMKIT_THREAD_LOCAL static size_t filled = 0;
    bool fresh;
    R* values = Scratch<Tag, R>(n, &fresh);
    if (fresh || filled < n) std::fill_n(values, n, value);
    filled = fresh ? n : std::max(filled, n);
    return values;
  }

  CoefficientTable Table(int64_t size, int64_t arrays) const {
    const auto n = static_cast<size_t>(size * arrays);
    return {problem_.dtype == DType::kF64 ? static_cast<void*>(Scratch<TableTag, double>(n))
                                          : Scratch<TableTag, float>(n),
            size};
  }

  // rstd from variances that have been checked.
  template <class T>
  void ReadGiven(const GivenStatistics& given, const ForwardJob& job) const {
    const T* mean = static_cast<const T*>(given.mean);
    const T* variance = static_cast<const T*>(given.variance);
    const bool divides = problem_.spec.divisor != NormDivisor::kNone;
    for (int64_t s = 0; s < plan_.num_stat; ++s) {
      job.saved.mean[s] = problem_.spec.center ? static_cast<double>(mean[s]) : 0;
      const double squares = divides ? static_cast<double>(variance[s]) : 0;
      job.saved.rstd[s] = 1 / std::sqrt(squares + job.epsilon);
    }
  }

  // What of a pass a job is for: all of it, with the sums of all cells or of those of some
  // parameters at a time; a half, of which the other one is apart.
  enum class Extent { kAll, kPieces, kHalf };

  // `sums`: of cells, where they are wanted.
  BackwardJob MakeBackwardJob(const NormBackwardArgs& args, const Schedule& schedule, Extent extent,
                              const CellSums& sums = {}) const {
    BackwardJob job;
    const bool from_y = FromY(problem_, args), pieces = extent == Extent::kPieces;
    StartJob(args.gamma, args.beta,
             from_y && !pieces ? plan_.num_param : ParametersOfBackwardTask(schedule, pieces), job);
    job.x = Array(NormArray::kX, args.x);
    job.mean = args.mean;
    job.rstd = args.rstd;
    job.dy = Array(NormArray::kDy, args.dy);
    job.dx = Array(NormArray::kDx, args.dx);
    job.accumulate = args.accumulate;
    job.fixed = args.fixed_statistics;
    const bool strips = TakesStrips(schedule) && !from_y;
    const auto cells =
        static_cast<size_t>(geometry_.cell_form && !strips ? geometry_.num_cells : 0);
    if (!strips && (extent == Extent::kHalf || !HasNoMeans(schedule, job))) {
      const auto stats = from_y && !pieces ? cells : static_cast<size_t>(plan_.num_stat);
      job.means = {Scratch<MeanWTag, double>(stats), Scratch<MeanWXhatTag, double>(stats)};
    }
    job.cells = sums;
    if (!sums.dy && !pieces)
      job.cells = {Scratch<CellDyTag, double>(cells), Scratch<CellDyXTag, double>(cells)};
    if (geometry_.cell_form && geometry_.cell_vector && !strips &&
        !TakesColumnParts(schedule, /*backward=*/true))
      job.table = Table(geometry_.num_cells, CoefficientTable::kBackwardArrays);
    else if (!geometry_.cell_form && geometry_.stat_vector && ActivatesAgain(args))
      job.table = Table(plan_.num_stat, CoefficientTable::kForwardArrays);
    if (from_y)
      ReadFromY(problem_, geometry_, statistic_a_cell_, Array(NormArray::kY, args.y), pieces, job);
    PassActivation(args, job);
    const bool alone = !options_.reducer || options_.reducer->ranks() == 1;
    job.one_cell = geometry_.cell_form && geometry_.num_cells == plan_.num_stat;
    job.whole = job.one_cell && alone && !problem_.is_leaf && job.center && !job.fixed;
    return job;
  }

  bool ActivatesAgain(const NormBackwardArgs& args) const {
    return !ToldFromY(options_.activation) || args.gate;
  }

  // Where the kernels cannot compute the activation again, what of dy passes it is computed first:
  // into daddend, whose gradient it is, or where it does no harm.
  void PassActivation(const NormBackwardArgs& args, BackwardJob& job) const {
    const bool told = options_.activation != Activation::kNone && ToldFromY(options_.activation);
    job.activates = ActivatesAgain(args);
    job.gate = Array(NormArray::kGate, args.gate);
    job.dgate = Array(NormArray::kDgate, args.dgate);
    if (!args.daddend && !job.activates && !(told && args.y)) return;
    job.relu = false;
    job.dz = job.dy;
    if (told && !job.activates) job.activated = Array(NormArray::kY, args.y);
    if (job.activates) job.addend = Array(NormArray::kAddend, args.addend);
    if (args.daddend)
      job.passed = Array(NormArray::kDaddend, args.daddend);
    else if (args.dx && !args.accumulate && args.dx != job.x.data())
      job.passed = job.dx;
    else
      job.passed = OutputArray(
          Scratch<PassedTag, char>(static_cast<size_t>(plan_.size) * SizeOf(problem_.dtype)));
    job.dy = job.passed;
  }

  // One value is its own mean: y does not move with it.
  bool IsConstant(const NormBackwardArgs& args) const {
    return plan_.num_reduced == 1 && problem_.spec.center && !args.fixed_statistics &&
           !options_.reducer;
  }

  // Whether each value has its parameters to itself, and nothing is behind them. x, dy and dx are
  // dense: all values are one run (LongestRun), so arrays with a pitch are copied.
  bool AreValuesAlone(const NormBackwardArgs& args) const {
    return geometry_.cell_form && geometry_.CellsAreChannels() && args.x && !args.daddend &&
           !args.gate && options_.activation == Activation::kNone;
  }

  // `to` is empty where the sums of the parameters are not wanted, `cells` where those of cells are
  // not; `straight`: those of parameters may go to `args` as f32 instead.
  void BackwardOfAll(NormBackwardArgs args, const SumsTo& to, const CellSums& cells = {},
                     bool straight = false) const {
    if (args.dx && plan_.size > 0 && IsConstant(args)) {
      void* dx = std::exchange(args.dx, nullptr);
      if (straight && AreValuesAlone(args))
        StoreGradientsOfValues(problem_, args);
      else
        BackwardOfAll(args, to, cells, straight);
      if (!args.accumulate) FillZeros(problem_, dx);
      return;
    }
    if (plan_.size == 0 && !options_.reducer) return Give(SumsFor(to), to);
    Schedule schedule = ScheduleOf(NormPass::kBackward);
    const bool waits = FromY(problem_, args) && options_.reducer;  // for sums of each cell
    const bool pieces = !cells.dy && !waits && ParametersOfPiece(geometry_, schedule) > 0;
    BackwardJob job =
        MakeBackwardJob(args, schedule, pieces ? Extent::kPieces : Extent::kAll, cells);
    if (straight) {
      job.straight = true;
      job.dgamma = static_cast<float*>(args.dgamma), job.dbeta = static_cast<float*>(args.dbeta);
      job.stream_parameters = StreamsParameters(plan_.num_param);
    }
    const KernelTable& table = Kernels(problem_.dtype);
    FollowSchedule(schedule, job);
    if (TakesStrips(schedule) && !job.statistics) return BackwardStrips(job, table, schedule, to);
    if (!geometry_.cell_form && BackwardSlices(job, table, schedule, options_.reducer, to)) return;
    if (pieces) return BackwardPieces(job, table, schedule, options_.reducer, to);
    const ParameterSums parameters = SumsFor(to);
    if (geometry_.cell_form)
      BackwardCells(job, table, schedule, options_.reducer, parameters);
    else
      BackwardElements(job, table, schedule, options_.reducer, parameters);
    Give(parameters, to);
  }

  // Zeros, or nothing where no sums are wanted.
  ParameterSums SumsFor(const SumsTo& to) const {
    if (!to) return {};
    const int64_t n = plan_.num_param;
    double* sums = Scratch<ParameterSumsTag, double>(static_cast<size_t>(2 * n));
    std::fill_n(sums, 2 * n, 0.0);
    return {sums, sums + n};
  }
  void Give(const ParameterSums& parameters, const SumsTo& to) const {
    if (to) to(0, plan_.num_param, parameters.dgamma, parameters.dbeta);
  }

  const Problem& problem_;
  const NormOptions& options_;
  const Plan& plan_;
  const Geometry geometry_;
  const Geometry statistic_a_cell_;  // for the backward pass from y
  const Schedules schedules_;
  std::array<std::unique_ptr<const Pitch>, kNormArrays> pitches_;
  bool pitched_ = false;
  bool rows_alone_ = false;
};

std::string WhyNot(const Problem& problem) {
  const size_t loops = problem.plan.levels.size();
  if (loops <= Loops::kMaxLoops) return "";
  return fmt::format(
      "{} nested loops, at most {} (neighbouring axes that are reduced alike are one)", loops,
      Loops::kMaxLoops);
}

}  // namespace
}  // namespace normkit::norm::cpu

namespace normkit {

const NormBackend kCpuBackend = {"cpu", norm::cpu::WhyNot,
                                 [](const Problem& problem) -> std::unique_ptr<NormImplementation> {
                                   return std::make_unique<norm::cpu::CpuNormalization>(problem);
                                 }};

}  // namespace normkit
