#include "normkit/norm/normalization.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "src/core/fail.h"
#include "src/norm/finish.h"
#include "src/norm/forward.h"
#include "src/norm/kernels.h"
#include "src/norm/scratch.h"

namespace normkit {
namespace {

// Fails where two arrays overlap without being the same.
void CheckOverlap(const Problem& problem, std::string_view name, const void* a,
                  std::string_view other, const void* b) {
  const auto bytes = static_cast<uintptr_t>(problem.layout.size()) * SizeOf(problem.dtype);
  const auto first = reinterpret_cast<uintptr_t>(a), second = reinterpret_cast<uintptr_t>(b);
  if (first == second || first >= second + bytes || second >= first + bytes) return;
  Fail("{} normalization of {}: {} and {} overlap, expected the same array or apart",
       problem.spec.name, problem.layout.ToString(), name, other);
}

void CheckNotNull(const Problem& problem, std::string_view name, const void* array, int64_t size,
                  DType dtype) {
  if (!array && problem.layout.size() > 0)
    Fail("{} normalization of {}: {} is null, expected an array of {} {} elements",
         problem.spec.name, problem.layout.ToString(), name, size, Name(dtype));
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

}  // namespace

class Normalization::Impl : public Problem {
 public:
  const Plan& plan;

  Impl(const NormSpec& s, const Layout& l, DType d, const NormOptions& o)
      : Problem{s, l, d, o, Geometry(s, l)}, plan(geometry.plan) {
    if (!(o.epsilon > 0) || !std::isfinite(o.epsilon))
      Fail("{} normalization: epsilon is {}, expected a finite number above 0", s.name, o.epsilon);
    if (!l.Has(kC))
      Fail("{} normalization: layout {} has no channel axis (C)", s.name, l.ToString());
  }

  // The job of a forward pass. mean and rstd may be null: not wanted by the caller.
  Job ForwardJob(const void* x, const void* gamma, const void* beta, void* y,
                 const SavedStatistics& saved) const {
    const auto n = static_cast<size_t>(plan.num_stat);
    double* scratch = Scratch<StatisticsTag, double>(2 * n);
    return {.geometry = &geometry,
            .center = spec.center,
            .relu = options.activation == Activation::kRelu,
            .stream = false,
            .epsilon = options.epsilon,
            .x = x,
            .y = y,
            .gamma = gamma ? gamma : Filled<OnesTag>(1),
            .beta = beta ? beta : Filled<ZerosTag>(0),
            .mean = saved.mean ? saved.mean : scratch,
            .rstd = saved.rstd ? saved.rstd : scratch + n,
            .variance = saved.variance,
            .table = Table()};
  }

  void Forward(Job& job) const {
    const KernelTable& kernels = Kernels(dtype);
    const Schedule schedule =
        ChooseSchedule(geometry, SizeOfElement(), 1, options.reducer != nullptr);
    job.stream = schedule.stream;
    if (schedule.path != Path::kTwoPasses) return ForwardFused(job, kernels, schedule);
    Moments* moments = Scratch<MomentsTag, Moments>(static_cast<size_t>(plan.num_stat));
    GatherMoments(job, kernels, schedule.threads, moments);
    if (options.reducer) options.reducer->Merge({moments, static_cast<size_t>(plan.num_stat)});
    for (int64_t s = 0; s < plan.num_stat; ++s) FinishStatistic(job, s, moments[s]);
    Apply(job, kernels, schedule.threads);
  }

  void ForwardWithGiven(Job& job) const {
    const Schedule schedule =
        ChooseSchedule(geometry, SizeOfElement(), 1, options.reducer != nullptr);
    job.stream = schedule.stream;
    Apply(job, Kernels(dtype), schedule.threads);
  }

  // The sums of the backward pass over all ranks, divided by the count.
  void MeansOfGradient(const BackwardArgs& args, const GradientSums& sums) const {
    const int64_t n = plan.num_stat;
    if (args.fixed_statistics) {
      std::fill_n(sums.w, 2 * n, 0.0);
      return;
    }
    kernels::ReduceGradient(*this, args, sums);
    double& count = sums.w[2 * n];
    count = static_cast<double>(plan.num_reduced);
    if (options.reducer) options.reducer->Sum({sums.w, static_cast<size_t>(2 * n + 1)});
    for (int64_t s = 0; s < n; ++s) {
      sums.w[s] = spec.center ? sums.w[s] / count : 0;
      sums.w_xhat[s] /= count;
    }
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

  void* Table() const {
    const auto n = static_cast<size_t>(TableSize(geometry));
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
        Fail("{} normalization of {}: variance {} of {} is {}, expected finite and >= 0", spec.name,
             layout.ToString(), s, plan.num_stat, variance);
      job.mean[s] = spec.center ? static_cast<double>(given_mean[s]) : 0;
      job.rstd[s] = 1 / std::sqrt(variance + options.epsilon);
    }
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
std::string Normalization::Describe() const {
  return fmt::format("{} {} {}: plan {}", impl_->spec.name, Name(impl_->dtype),
                     impl_->layout.ToString(), impl_->plan.ToString());
}

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
  const int64_t n = num_statistics();
  double* sums = Scratch<SumsTag, double>(static_cast<size_t>(2 * n + 1));
  const GradientSums means{sums, sums + n};
  // With a reducer every rank takes part, whatever this one wants or has.
  if (args.dx || impl_->options.reducer) impl_->MeansOfGradient(args, means);
  // Before dx, which may lie where dy lies.
  if (args.dgamma || args.dbeta) kernels::ReduceParameters(*impl_, args);
  if (args.dx) kernels::ApplyGradient(*impl_, args, means);
}

}  // namespace normkit
