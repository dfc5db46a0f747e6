#include "src/ops/normalization.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "src/core/batch_tree.h"
#include "src/core/fail.h"
#include "src/core/finite.h"
#include "src/ops/boxes.h"
#include "src/ops/celled_normalization.h"
#include "src/ops/parameter_sums.h"
#include "src/ops/time_normalization.h"

namespace normkit::ops {
namespace {

class NormalizationKernel : public Kernel {
 public:
  NormalizationKernel(const NormalizationSettings& op, const Layout& x, const RowCut& cut)
      : op_(op),
        tree_(x.axes()[0].label == kB || x.packed()),
        row_cut_(cut),
        cut_(cut.Get()),
        normalization_(*op.spec, Whole(x, cut_), DType::kF32,
                       WithTree(op.options, tree_, cut.uneven())) {
    if (cut.uneven() || !part().is_whole()) local_.emplace(*op.spec, x, DType::kF32, op.options);
  }

  size_t saved_bytes() const override {
    const auto n = static_cast<size_t>(num_statistics());
    const size_t arrays = op_.renormalization                               ? 3
                          : op_.statistics == NormalizationSettings::kBatch ? 1
                                                                            : 2;
    return arrays * n * sizeof(double);
  }
  size_t forward_scratch_bytes() const override {
    if (op_.statistics == NormalizationSettings::kGiven) return 0;
    return moments_bytes() + corrected_bytes(2);
  }
  size_t backward_scratch_bytes() const override { return sums_bytes() + corrected_bytes(4); }
  bool needs_input(size_t i) const override { return i < op_.mean_input(); }
  bool needs_output(size_t i) const override { return i == 0 ? op_.addend : i == 1; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t i) const override { return op_.addend ? IsAddend(i) : i == 0; }
  bool adds(size_t i) const override { return i == 0; }

  void Forward(const ForwardContext& context) override;
  void Backward(const BackwardContext& context) override;

 private:
  // Of all of the mini-batch; observations of several rows are an axis more.
  static Layout Whole(const Layout& x, const LeafCut& cut) {
    std::vector<Axis> axes = x.axes();
    axes[0].size = cut.part().whole;
    if (cut.each() > 1) axes.insert(axes.begin() + 1, Axis{axes[0].label, cut.each()});
    return Layout(std::move(axes));
  }
  static NormOptions WithTree(NormOptions options, bool tree, bool uneven) {
    options.tree = tree;
    options.uneven = uneven;
    return options;
  }
  const BatchPart& part() const { return cut_.part(); }
  int64_t leaves() const { return normalization_.num_leaves(part()); }
  int64_t num_moments() const { return (normalization_.joins() ? leaves() : 1) * num_statistics(); }
  int64_t num_statistics() const { return normalization_.part_statistics(part()); }
  size_t moments_bytes() const { return static_cast<size_t>(num_moments()) * sizeof(Moments); }
  size_t sums_bytes() const {
    return static_cast<size_t>(leaves() * normalization_.num_sums()) * sizeof(double);
  }
  size_t corrected_bytes(size_t arrays) const {
    return op_.renormalization ? arrays * num_channels() * sizeof(float) : 0;
  }
  size_t num_channels() const { return static_cast<size_t>(normalization_.num_running()); }
  // Of the arrays of this part alone.
  const Normalization& local() const { return local_ ? *local_ : normalization_; }
  // An array of `size` for each leaf that has observations, one behind the other.
  template <class T>
  LeafArrays<T> OfLeaves(T* first, int64_t size) const {
    LeafArrays<T> arrays{};
    if (!tree_) arrays[0] = first;
    for (int64_t i = 0; tree_ && i < cut_.count(); ++i)
      arrays[static_cast<size_t>(cut_.leaf(i))] = first + (cut_.leaf(i) - part().first_leaf) * size;
    return arrays;
  }
  void ForwardInHalves(const ForwardContext& context, const Normalization& plan,
                       const BatchPart& part);
  // r and d of renormalization, behind the statistics in `saved`.
  Corrections CorrectionsIn(const std::byte* saved) const {
    const size_t n = num_channels();
    auto* r = reinterpret_cast<double*>(const_cast<std::byte*>(saved)) + n;
    return {{r, n}, {r + n, n}};
  }
  void Renormalize(const ForwardContext& context, Normalization::ForwardArgs& args) const;
  void BackwardRenormalized(const BackwardContext& context, Normalization::BackwardArgs args) const;
  void RunBackward(const BackwardContext& context, const Normalization::BackwardArgs& args) const;
  // Whether statistics over observations are those of this part although there are others.
  bool Apart(const RunContext& run) const {
    return normalization_.joins() && !run.synchronized && !part().is_whole();
  }
  void BackwardApart(const BackwardContext& context, const Normalization::BackwardArgs& args) const;
  bool has_given() const { return op_.statistics != NormalizationSettings::kOwn; }
  size_t AddendInput() const { return op_.mean_input() + (has_given() ? 2 : 0); }
  bool IsAddend(size_t i) const { return op_.addend && i == AddendInput(); }
  size_t OffsetInput() const { return op_.scale ? 2 : 1; }

  // In memory that lies in `saved` and, of the batch, in the outputs.
  template <class Context>
  SavedStatistics Statistics(const Context& context) const {
    auto* own = reinterpret_cast<double*>(const_cast<std::byte*>(context.saved));
    if (op_.statistics == NormalizationSettings::kBatch)
      return {const_cast<double*>(context.template y<double>(1)), own,
              const_cast<double*>(context.template y<double>(2))};
    return {own, own + num_statistics()};
  }
  Normalization::ForwardArgs Arguments(const ForwardContext& context) const;
  void ForwardWithGiven(const ForwardContext& context);
  void CheckGiven(const float* mean, const float* variance) const;

  NormalizationSettings op_;
  bool tree_;
  RowCut row_cut_;
  LeafCut cut_;  // at hand
  Normalization normalization_;
  std::optional<Normalization> local_;
};

Normalization::ForwardArgs NormalizationKernel::Arguments(const ForwardContext& context) const {
  return {.x = context.x(),
          .gamma = op_.scale ? context.x(1) : nullptr,
          .beta = op_.offset ? context.x(OffsetInput()) : nullptr,
          .y = context.y(),
          .addend = op_.addend ? context.x(AddendInput()) : nullptr};
}

void NormalizationKernel::Forward(const ForwardContext& context) {
  if (has_given() && (!context.run.training || op_.statistics == NormalizationSettings::kGiven))
    return ForwardWithGiven(context);
  if (!context.run.training) return local().ForwardInference(Arguments(context), nullptr, nullptr);
  cut_ = row_cut_.Get();
  const bool uneven = row_cut_.uneven();
  if (Apart(context.run) && op_.renormalization)
    return ForwardInHalves(context, local(), local().whole());
  if (Apart(context.run)) {
    Normalization::ForwardArgs args = Arguments(context);
    args.saved = Statistics(context);
    return local().ForwardTraining(args);
  }
  if (normalization_.joins() || (uneven ? part().size() == 0 : !part().is_whole()))
    return ForwardInHalves(context, normalization_, part());
  Normalization::ForwardArgs args = Arguments(context);
  args.saved = Statistics(context);
  (uneven ? local() : normalization_).ForwardTraining(args);
}

// With the statistics of all that the plan is of: all ranks' observations, or those of this part.
void NormalizationKernel::ForwardInHalves(const ForwardContext& context, const Normalization& plan,
                                          const BatchPart& part) {
  Normalization::ForwardArgs args = Arguments(context);
  args.saved = Statistics(context);
  const int64_t n = num_statistics();
  auto* moments = reinterpret_cast<Moments*>(context.scratch);
  const bool joins = &plan == &normalization_ && plan.joins();
  plan.Gather(part, args, {moments, static_cast<size_t>(joins ? num_moments() : n)});
  const Moments* all = moments;
  if (joins && context.run.reducer) context.run.reducer->Feeds();
  if (joins)
    all = JoinLeaves(OfLeaves(moments, n), part, context.run.reducer, n,
                     [](Moments* into, const Moments* from, int64_t count) {
                       for (int64_t s = 0; s < count; ++s) into[s].Merge(from[s]);
                     });
  plan.Finish({all, static_cast<size_t>(n)}, args.saved);
  if (op_.renormalization) Renormalize(context, args);
  plan.Apply(part, args);
}

// Scale and offset that do what r and d would, in `scratch` behind the moments.
void NormalizationKernel::Renormalize(const ForwardContext& context,
                                      Normalization::ForwardArgs& args) const {
  const float *mean = context.x(op_.mean_input()), *variance = context.x(op_.mean_input() + 1);
  CheckGiven(mean, variance);
  const Corrections by = CorrectionsIn(context.saved);
  Correct(op_.renormalization->At(context.run.iteration), args.saved.mean, args.saved.rstd, mean,
          variance, op_.options.epsilon, by);
  auto* corrected = reinterpret_cast<float*>(context.scratch + moments_bytes());
  CorrectParameters(by, op_.scale ? context.x(1) : nullptr,
                    op_.offset ? context.x(OffsetInput()) : nullptr, corrected,
                    corrected + num_channels());
  args.gamma = corrected;
  args.beta = corrected + num_channels();
}

void NormalizationKernel::ForwardWithGiven(const ForwardContext& context) {
  const float *mean = context.x(op_.mean_input()), *variance = context.x(op_.mean_input() + 1);
  CheckGiven(mean, variance);
  local().ForwardInference(Arguments(context), mean, variance);
  if (!context.run.training) return;
  const SavedStatistics saved = Statistics(context);
  for (int64_t c = 0; c < num_statistics(); ++c) {
    saved.mean[c] = mean[c];
    saved.rstd[c] = 1 / std::sqrt(variance[c] + op_.options.epsilon);
  }
}

void NormalizationKernel::CheckGiven(const float* mean, const float* variance) const {
  const std::span<const float> means(mean, static_cast<size_t>(normalization_.num_running()));
  if (const size_t bad = FirstNonFinite(means); bad < means.size())
    Fail("{}: trained_mean[{}] is {}, expected a finite number", op_.options.name, bad, means[bad]);
  for (int64_t c = 0; c < normalization_.num_running(); ++c)
    if (!(variance[c] >= 0) || !std::isfinite(variance[c]))
      Fail("{}: trained_variance[{}] is {}, expected a finite number >= 0", op_.options.name, c,
           variance[c]);
}

void NormalizationKernel::Backward(const BackwardContext& context) {
  cut_ = row_cut_.Get();
  const SavedStatistics saved = Statistics(context);
  Normalization::BackwardArgs args;
  args.x = context.x();
  args.dy = context.dy();
  args.gamma = op_.scale ? context.x(1) : nullptr;
  args.beta = op_.offset ? context.x(OffsetInput()) : nullptr;
  args.mean = saved.mean;
  args.rstd = saved.rstd;
  args.fixed_statistics = op_.statistics == NormalizationSettings::kGiven;
  args.dgamma = op_.scale ? context.dx(1) : nullptr;
  args.dbeta = op_.offset ? context.dx(OffsetInput()) : nullptr;
  args.dx = context.dx();
  args.y = op_.addend ? context.y() : nullptr;
  args.daddend = op_.addend ? context.dx(AddendInput()) : nullptr;
  args.accumulate = args.dx && context.add[0];
  if (args.accumulate) {  // for all outputs of the call, but gradients of parameters begin at 0
    const int64_t n = normalization_.num_parameters();
    for (void* gradient : {args.dgamma, args.dbeta})
      if (gradient) std::fill_n(static_cast<float*>(gradient), n, 0.f);
  }
  if (!args.dx && !args.dgamma && !args.dbeta && !args.daddend) return;
  if (op_.renormalization) return BackwardRenormalized(context, args);
  RunBackward(context, args);
}

// As the layer with the scale and offset that its forward pass had; the gradient of the scale
// follows from both of theirs.
void NormalizationKernel::BackwardRenormalized(const BackwardContext& context,
                                               Normalization::BackwardArgs args) const {
  const size_t n = num_channels();
  const Corrections by = CorrectionsIn(context.saved);
  auto* arrays = reinterpret_cast<float*>(context.scratch + sums_bytes());
  float *gamma = arrays, *beta = arrays + n, *dgamma = arrays + 2 * n, *dbeta = arrays + 3 * n;
  CorrectParameters(by, static_cast<const float*>(args.gamma), static_cast<const float*>(args.beta),
                    gamma, beta);
  std::fill_n(dgamma, 2 * n, 0.f);  // where they are added to
  Normalization::BackwardArgs inner = args;
  inner.gamma = gamma;
  inner.beta = beta;
  inner.dgamma = dgamma;
  inner.dbeta = dbeta;
  RunBackward(context, inner);
  if (!Apart(context.run)) CorrectGradient(by, dbeta, dgamma);
  if (args.dgamma) std::copy_n(dgamma, n, static_cast<float*>(args.dgamma));
  if (args.dbeta) std::copy_n(dbeta, n, static_cast<float*>(args.dbeta));
}

void NormalizationKernel::RunBackward(const BackwardContext& context,
                                      const Normalization::BackwardArgs& args) const {
  if (Apart(context.run)) return BackwardApart(context, args);
  const int64_t n = normalization_.num_sums();
  auto* sums = reinterpret_cast<double*>(context.scratch);
  normalization_.GatherGradient(part(), args, {sums, static_cast<size_t>(leaves() * n)});
  if (!normalization_.joins())
    return SumParameterGradients(OfLeaves(sums, n), part(), context.run.reducer, n / 2, args.dgamma,
                                 args.dbeta);
  if (args.dx && context.run.reducer) context.run.reducer->Feeds();
  const double* all = SumLeaves(OfLeaves(sums, n), part(), context.run.reducer, n);
  normalization_.ApplyGradient(part(), args, {all, static_cast<size_t>(n)});
}

// Gradients of parameters are of all ranks all the same, whose corrections are not.
void NormalizationKernel::BackwardApart(const BackwardContext& context,
                                        const Normalization::BackwardArgs& args) const {
  local().Backward(args);
  if (op_.renormalization)
    CorrectGradient(CorrectionsIn(context.saved), static_cast<const float*>(args.dbeta),
                    static_cast<float*>(args.dgamma));
  const int64_t n = normalization_.num_parameters();
  std::vector<double> sums;
  for (void* gradient : {args.dgamma, args.dbeta}) {
    if (!gradient) continue;
    auto* values = static_cast<float*>(gradient);
    sums.assign(values, values + n);
    if (context.run.reducer) context.run.reducer->Sum(sums);
    std::transform(sums.begin(), sums.end(), values,
                   [](double sum) { return static_cast<float>(sum); });
  }
}

class NormalizationOp : public Op {
 public:
  explicit NormalizationOp(const NormalizationSettings& normalization)
      : normalization_(normalization) {}
  const NormalizationSettings& normalization() const { return normalization_; }
  std::string_view name() const override { return "normalization"; }
  bool folds() const override { return normalization_.statistics == NormalizationSettings::kOwn; }

  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout x = Labelled(inputs[0].type.shape);
    const size_t parameters = normalization_.mean_input() +
                              (normalization_.statistics == NormalizationSettings::kOwn ? 0 : 2);
    for (size_t i = 1; i < parameters; ++i)
      if (const int64_t size = inputs[i].type.shape.size(); size != x.channels())
        Fail("{} has {} values, expected {} (channels of x, {})",
             i == 1 && normalization_.scale ? "scale" : fmt::format("parameter {}", i), size,
             x.channels(), x.ToString());
    std::vector<ArrayType> outputs{inputs[0].type};
    if (normalization_.statistics == NormalizationSettings::kBatch)
      outputs.resize(3, {DType::kF64, Layout({{kC, x.SizeOf(normalization_.spec->running)}})});
    return outputs;
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    const Layout x = Labelled(inputs[0].type.shape);
    if (normalization_.cells || normalization_.finished)
      return MakeCelledNormalization(normalization_, x);
    if (NormalizesOverTime(*normalization_.spec, x))
      return MakeTimeNormalization(normalization_, x, inputs[0].observations, how, PlansFor(x));
    return std::make_unique<NormalizationKernel>(normalization_, x, RowCut(x, how.part, how.time));
  }

  // Where statistics and parameters know nothing of places.
  std::optional<OpPiece> Piece(std::span<const OpInput> inputs, const Box& y) const override {
    if (normalization_.rows_to >= 0) return std::nullopt;
    const Layout x = Labelled(inputs[0].type.shape);
    const bool own = normalization_.statistics == NormalizationSettings::kOwn;
    const Dims known = (own ? normalization_.spec->reduce : Dims{kC}) |
                       normalization_.spec->affine | normalization_.options.parameter_axes;
    for (size_t i = 0; i < y.size.size(); ++i)
      if ((known & x.axes()[i].label) && !IsWhole(y, x, i)) return std::nullopt;
    OpPiece piece = FirstPiece(inputs, y);
    if (normalization_.addend) piece.inputs.back().box = y;
    return piece;
  }

  Layout Labelled(const Layout& x) const {
    const std::string& format = normalization_.format;
    if (normalization_.rows_to >= 0) {
      std::vector<Axis> rows{{kB, 1}, {kC, 1}};
      for (int i = 0; i < x.rank(); ++i)
        rows[i < normalization_.rows_to ? 0 : 1].size *= x.axes()[static_cast<size_t>(i)].size;
      return Layout(std::move(rows));
    }
    return format.empty() ? x : Layout::Make(format, x.shape());
  }

 private:
  // Those of the last x, which is that of one network but for the number of its rows.
  std::shared_ptr<PlansByLength> PlansFor(const Layout& x) const {
    const std::lock_guard lock(mutex_);
    if (!plans_ || !plans_->Fit(x)) plans_ = std::make_shared<PlansByLength>(normalization_, x);
    return plans_;
  }

  NormalizationSettings normalization_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<PlansByLength> plans_;
};

NormalizationSettings SettingsOf(const Op& op) {
  return op.name() == kAdaptiveName ? SettingsOfAdaptive(op)
                                    : static_cast<const NormalizationOp&>(op).normalization();
}

}  // namespace

bool HasPictureStatistics(const Op& op, const Layout& x) {
  if (op.name() != "normalization" && op.name() != kAdaptiveName) return false;
  const NormalizationSettings settings = SettingsOf(op);
  if (settings.statistics != NormalizationSettings::kOwn || settings.rows_to >= 0) return false;
  const Layout labelled = NormalizationOp(settings).Labelled(x);
  return labelled.format() == "BSSC" && labelled.axes()[0].size == 1 &&
         (settings.spec->reduce & kS) && !(settings.options.parameter_axes & kS);
}

OpPtr ByCells(const Op& op) {
  NormalizationSettings settings = SettingsOf(op);
  settings.cells = true;
  return MakeNormalization(settings);
}

OpPtr WithStatistics(const Op& op, std::shared_ptr<const FinishedStatistics> statistics) {
  NormalizationSettings settings = SettingsOf(op);
  settings.finished = std::move(statistics);
  return MakeNormalization(settings);
}

CellStatistics StatisticsOf(const Op& op, const Layout& x) {
  const NormalizationSettings settings = SettingsOf(op);
  return {*settings.spec, NormalizationOp(settings).Labelled(x), settings.options};
}

OpPtr MakeNormalization(const NormalizationSettings& normalization) {
  return std::make_shared<NormalizationOp>(normalization);
}

const NormalizationSettings* NormalizationOf(const Op& op) {
  const auto* normalization = dynamic_cast<const NormalizationOp*>(&op);
  return normalization ? &normalization->normalization() : nullptr;
}

OpPtr WithActivation(const Op& op, Activation activation, bool addend) {
  NormalizationSettings with = static_cast<const NormalizationOp&>(op).normalization();
  with.options.activation = activation;
  with.addend = addend;
  return MakeNormalization(with);
}

}  // namespace normkit::ops
