#include "src/ops/time_normalization.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "src/core/batch_tree.h"
#include "src/ops/parameter_sums.h"
#include "src/ops/pieces.h"
#include "src/ops/time_rows.h"

namespace normkit::ops {

PlansByLength::PlansByLength(const NormalizationSettings& settings, const Layout& x)
    : settings_(settings), step_(x.WithBatch(1)) {}

std::shared_ptr<const Normalization> PlansByLength::Find(int64_t length) {
  const std::lock_guard lock(mutex_);
  if (const auto found = plans_.find(length); found != plans_.end()) return found->second;
  if (plans_.size() >= kMost) plans_.clear();
  std::vector<Axis> axes = step_.axes();
  axes[0].size = length;
  axes.insert(axes.begin(), Axis{kB, 1});
  return plans_[length] = std::make_shared<Normalization>(*settings_.spec, Layout(std::move(axes)),
                                                          DType::kF32, settings_.options);
}

bool NormalizesOverTime(const NormSpec& spec, const Layout& x) {
  return x.packed() && (spec.reduce & kT) && !(spec.reduce & kB);
}

namespace {

// An observation after the other, each by a plan for its length.
class TimeNormalizationKernel : public Kernel {
 public:
  TimeNormalizationKernel(const NormalizationSettings& op, const Layout& x, const TimeRows& time,
                          const Preparation& how, std::shared_ptr<PlansByLength> plans)
      : op_(op),
        size_(x.size()),
        width_(size_ / time.rows()),
        observations_(time.observations()),
        cut_(observations_, how.part),
        time_(time),
        plans_(std::move(plans)) {
    const auto step = plans_->Find(1);
    statistics_ = step->num_statistics();
    sums_ = step->num_sums();
    made_.resize(static_cast<size_t>(observations_));
  }

  size_t saved_bytes() const override {
    return static_cast<size_t>(2 * observations_ * statistics_) * sizeof(double);
  }
  size_t backward_scratch_bytes() const override {
    return static_cast<size_t>(observations_ * sums_) * sizeof(double);
  }
  bool needs_input(size_t i) const override { return i < op_.mean_input(); }
  bool needs_output(size_t i) const override { return i == 0 && op_.addend; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t i) const override {
    return op_.addend ? i == AddendInput() : i == 0;
  }
  bool adds(size_t i) const override { return i == 0; }

  void Forward(const ForwardContext& context) override;
  void Backward(const BackwardContext& context) override;

 private:
  size_t OffsetInput() const { return op_.scale ? 2 : 1; }
  size_t AddendInput() const { return op_.mean_input(); }
  // Calls f(i, plan, where its first element lies) for each observation, on threads where there are
  // enough of them; else the plans are on threads.
  template <class F>
  void ForObservations(const F& f) {
    for (int64_t i = 0; i < observations_; ++i)
      made_[static_cast<size_t>(i)] = plans_->Find(time_.length(i));
    const bool many = observations_ >= NumThreads() && size_ >= kParallelElements;
    ParallelFor(observations_, many,
                [&](int64_t i) { f(i, *made_[static_cast<size_t>(i)], time_.begin(i) * width_); });
  }

  NormalizationSettings op_;
  int64_t size_, width_, observations_;
  LeafCut cut_;  // of the observations
  TimeRows time_;
  std::shared_ptr<PlansByLength> plans_;
  std::vector<std::shared_ptr<const Normalization>> made_;  // of the observations at hand
  int64_t statistics_ = 0, sums_ = 0;
};

float* Behind(float* array, int64_t at) { return array ? array + at : nullptr; }
const float* Behind(const float* array, int64_t at) { return array ? array + at : nullptr; }

void TimeNormalizationKernel::Forward(const ForwardContext& context) {
  if (time_.Idle()) return (void)std::fill_n(context.y(), size_, 0.f);
  auto* saved = reinterpret_cast<double*>(context.saved);
  const float* addend = op_.addend ? context.x(AddendInput()) : nullptr;
  ForObservations([&](int64_t i, const Normalization& plan, int64_t at) {
    Normalization::ForwardArgs args{.x = context.x() + at,
                                    .gamma = op_.scale ? context.x(1) : nullptr,
                                    .beta = op_.offset ? context.x(OffsetInput()) : nullptr,
                                    .y = context.y() + at,
                                    .addend = Behind(addend, at)};
    if (!context.run.training) return plan.ForwardInference(args, nullptr, nullptr);
    args.saved = {saved + i * statistics_, saved + (observations_ + i) * statistics_};
    plan.ForwardTraining(args);
  });
}

void TimeNormalizationKernel::Backward(const BackwardContext& context) {
  float* daddend = op_.addend ? context.dx(AddendInput()) : nullptr;
  Normalization::BackwardArgs all;
  all.gamma = op_.scale ? context.x(1) : nullptr;
  all.beta = op_.offset ? context.x(OffsetInput()) : nullptr;
  all.dgamma = op_.scale ? context.dx(1) : nullptr;
  all.dbeta = op_.offset ? context.dx(OffsetInput()) : nullptr;
  if (!context.dx() && !all.dgamma && !all.dbeta && !daddend) return;
  LeafArrays<double> leaves{};
  if (time_.Idle()) {
    for (float* array : {context.dx(), daddend})
      if (array && !(array == context.dx() && context.add[0])) std::fill_n(array, size_, 0.f);
  } else {
    const auto* saved = reinterpret_cast<const double*>(context.saved);
    auto* sums = reinterpret_cast<double*>(context.scratch);
    ForObservations([&](int64_t i, const Normalization& plan, int64_t at) {
      Normalization::BackwardArgs args = all;
      args.x = context.x() + at;
      args.dy = context.dy() + at;
      args.mean = saved + i * statistics_;
      args.rstd = saved + (observations_ + i) * statistics_;
      args.dx = Behind(context.dx(), at);
      args.y = op_.addend ? context.y() + at : nullptr;
      args.daddend = Behind(daddend, at);
      args.accumulate = args.dx && context.add[0];
      plan.GatherGradient(plan.whole(), args, {sums + i * sums_, static_cast<size_t>(sums_)});
    });
    for (int64_t leaf = 0; leaf < cut_.count(); ++leaf) {
      double* to = sums + cut_.begin(leaf) * sums_;
      for (int64_t i = 1; i < cut_.length(leaf); ++i) AddUp()(to, to + i * sums_, sums_);
      leaves[static_cast<size_t>(cut_.leaf(leaf))] = to;
    }
  }
  SumParameterGradients(leaves, cut_.part(), context.run.reducer, sums_ / 2, all.dgamma, all.dbeta);
}

}  // namespace

std::unique_ptr<Kernel> MakeTimeNormalization(const NormalizationSettings& settings,
                                              const Layout& x, int64_t observations,
                                              const Preparation& how,
                                              std::shared_ptr<PlansByLength> plans) {
  return std::make_unique<TimeNormalizationKernel>(settings, x, TimeRows(x, observations, how.time),
                                                   how, std::move(plans));
}

}  // namespace normkit::ops
