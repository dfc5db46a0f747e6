#include "src/nn/layers/normalization.h"

#include <cmath>

#include "src/core/finite.h"
#include "src/nn/properties.h"

namespace normkit {
namespace {

using Kind = NormKind;

// The given values, or those of the initializer.
std::function<void(std::span<float>, Random&)> Begin(const std::vector<float>& given,
                                                     const Initializer& initializer,
                                                     int64_t channels) {
  if (given.empty()) return MakeInitializer(initializer, channels, channels);
  return [given](std::span<float> values, Random&) {
    std::copy(given.begin(), given.end(), values.begin());
  };
}

}  // namespace

NormalizationLayer::NormalizationLayer(Kind kind, NormalizationProperties properties)
    : Layer(properties.name), kind_(kind), properties_(std::move(properties)) {
  const PropertyTable& table = TableFor(properties_);
  for (const Property& row : table.rows)
    if (!row.Has(Bit(kind)) && !SameValue(row, &properties_, table.defaults))
      FailLayer(*this, "{} is given, expected none: it is a property of {}", row.name,
                NormsWith(row));
  CheckProperties(*this, properties_, Bit(kind));
}

std::string_view NormalizationLayer::type() const { return RowOf(kind_).type; }

std::string_view NormalizationLayer::short_name() const { return RowOf(kind_).short_name; }

const NormSpec& NormalizationLayer::SpecFor(const Layout& x) const {
  switch (kind_) {
    case Kind::kBatch:
      return kBatchNorm;
    case Kind::kLayer:
      return LayerNormSpec(properties_.operation_dimension, x);
    case Kind::kInstance:
      return kInstanceNorm;
    case Kind::kGroup:
      return kGroupNorm;
    case Kind::kRms:
      break;
  }
  return kRmsNorm;
}

int64_t NormalizationLayer::GroupsFor(const Layout& x) const {
  if (kind_ != Kind::kGroup || properties_.num_groups == NormalizationProperties::kAllChannels)
    return 1;
  if (properties_.num_groups == NormalizationProperties::kChannelWise) return x.channels();
  return properties_.num_groups;
}

void NormalizationLayer::CheckValues(std::string_view name, const std::vector<float>& values,
                                     const Layout& x) const {
  if (!values.empty() && values.size() != static_cast<size_t>(x.channels()))
    FailLayer(*this, "{} has {} values, expected {} (channels of x, {})", name, values.size(),
              x.channels(), x.ToString());
}

Layout NormalizationLayer::OutputLayout(std::span<const Layout> inputs) const {
  const Layout& x = OnlyInput(*this, inputs);
  const NormalizationProperties& p = properties_;
  if (!x.Has(kC)) FailLayer(*this, "input is {}, expected a channel dimension", x.ToString());
  if (p.num_channels && *p.num_channels != x.channels())
    FailLayer(*this, "num_channels is {}, expected {} (channels of x, {})", *p.num_channels,
              x.channels(), x.ToString());
  CheckValues("scale", p.scale, x);
  CheckValues("offset", p.offset, x);
  CheckValues("trained_mean", p.trained_mean, x);
  CheckValues("trained_variance", p.trained_variance, x);
  if (x.channels() % GroupsFor(x) != 0)
    FailLayer(*this, "num_groups is {}, expected a divisor of the {} channels of x ({})",
              p.num_groups, x.channels(), x.ToString());
  CheckSaysSomething(x);
  return x;
}

// A statistic of one value makes it the offset, whatever the value is. A batch can be larger; what
// has nothing to do with the batch stays as it is.
void NormalizationLayer::CheckSaysSomething(const Layout& x) const {
  const NormSpec& spec = SpecFor(x);
  if (spec.reduce & kB) return;
  const int64_t groups = GroupsFor(x);
  const Layout split = kind_ == Kind::kGroup ? x.SplitChannels(groups) : x;
  if (split.SizeOf(spec.reduce) != 1) return;
  FailLayer(*this,
            "each statistic is of one value of x ({}), so that the output would be {} whatever "
            "the input; expected {}",
            x.ToString(), has_offset() ? "the offset" : "the scale with the sign of x",
            RowOf(kind_).more_values);
}

std::vector<ParameterSpec> NormalizationLayer::Parameters(std::span<const Layout> inputs) const {
  const NormalizationProperties& p = properties_;
  const int64_t channels = inputs[0].channels();
  std::vector<ParameterSpec> specs{{"scale",
                                    {channels},
                                    Begin(p.scale, p.scale_initializer, channels),
                                    true,
                                    p.scale_learn_rate_factor,
                                    p.scale_l2_factor}};
  if (has_offset())
    specs.push_back({"offset",
                     {channels},
                     Begin(p.offset, p.offset_initializer, channels),
                     true,
                     p.offset_learn_rate_factor,
                     p.offset_l2_factor});
  if (kind_ == Kind::kBatch) {
    specs.push_back({"trained_mean",
                     {channels},
                     Begin(p.trained_mean, Initializer::kZeros, channels),
                     false,
                     0,
                     0});
    specs.push_back({"trained_variance",
                     {channels},
                     Begin(p.trained_variance, Initializer::kOnes, channels),
                     false,
                     0,
                     0});
  }
  return specs;
}

std::unique_ptr<LayerOp> NormalizationLayer::Prepare(std::span<const Layout> inputs, bool) const {
  return PrepareWith(Activation::kNone, false, inputs[0]);
}

std::unique_ptr<LayerOp> NormalizationLayer::PrepareWith(Activation activation, bool addend,
                                                         const Layout& x) const {
  return std::make_unique<NormalizationOp>(*this, x, activation, addend);
}

std::string NormalizationLayer::Description() const {
  const NormalizationProperties& p = properties_;
  std::string text;
  if (kind_ == Kind::kLayer) text = fmt::format("{}, ", Name(p.operation_dimension));
  if (kind_ == Kind::kGroup) {
    if (p.num_groups == NormalizationProperties::kAllChannels)
      text = "all channels in one group, ";
    else if (p.num_groups == NormalizationProperties::kChannelWise)
      text = "a group a channel, ";
    else
      text = fmt::format("{} groups, ", p.num_groups);
  }
  return text + fmt::format("epsilon {}", p.epsilon);
}

NormalizationOp::NormalizationOp(const NormalizationLayer& layer, const Layout& x,
                                 Activation activation, bool addend)
    : title_(Title(layer)),
      batch_(layer.kind() == Kind::kBatch),
      has_offset_(layer.has_offset()),
      addend_(addend),
      properties_(layer.options()),
      normalization_(layer.SpecFor(x), x, DType::kF32,
                     {.epsilon = properties_.epsilon,
                      .num_groups = layer.kind() == Kind::kGroup ? layer.GroupsFor(x) : 0,
                      .activation = activation,
                      .name = title_}) {}

size_t NormalizationOp::saved_bytes() const {
  return static_cast<size_t>(normalization_.num_statistics()) * (batch_ ? 3 : 2) * sizeof(double);
}

SavedStatistics NormalizationOp::Saved(std::byte* saved) const {
  double* values = reinterpret_cast<double*>(saved);
  const int64_t n = normalization_.num_statistics();
  return {values, values + n, batch_ ? values + 2 * n : nullptr};
}

Normalization::ForwardArgs NormalizationOp::Arguments(const ForwardContext& context) const {
  return {.x = context.inputs[0],
          .gamma = context.parameters[0],
          .beta = has_offset_ ? context.parameters[1] : nullptr,
          .y = context.output,
          .addend = addend_ ? context.inputs[1] : nullptr};
}

void NormalizationOp::Forward(const ForwardContext& context) {
  if (batch_ && (!context.mode.training || properties_.use_trained_statistics))
    return ForwardWithTrained(context);
  if (!context.mode.training)
    return normalization_.ForwardInference(Arguments(context), nullptr, nullptr);
  Normalization::ForwardArgs args = Arguments(context);
  const SavedStatistics saved = args.saved = Saved(context.saved);
  normalization_.ForwardTraining(args);
  if (batch_ && context.mode.update_statistics && !properties_.freeze_statistics)
    MoveTrained(context, saved);
}

void NormalizationOp::ForwardWithTrained(const ForwardContext& context) {
  CheckTrained(context);
  const float *mean = context.parameters[2], *variance = context.parameters[3];
  normalization_.ForwardInference(Arguments(context), mean, variance);
  if (!context.saved) return;
  const SavedStatistics saved = Saved(context.saved);
  for (int64_t c = 0; c < normalization_.num_statistics(); ++c) {
    saved.mean[c] = mean[c];
    saved.rstd[c] = 1 / std::sqrt(variance[c] + properties_.epsilon);
  }
}

void NormalizationOp::CheckTrained(const ForwardContext& context) const {
  const float *mean = context.parameters[2], *variance = context.parameters[3];
  const std::span<const float> means(mean, static_cast<size_t>(normalization_.num_running()));
  if (const size_t bad = FirstNonFinite(means); bad < means.size())
    Fail("{}: trained_mean[{}] is {}, expected a finite number", title_, bad, means[bad]);
  for (int64_t c = 0; c < normalization_.num_running(); ++c)
    if (!(variance[c] >= 0) || !std::isfinite(variance[c]))
      Fail("{}: trained_variance[{}] is {}, expected a finite number >= 0", title_, c, variance[c]);
}

void NormalizationOp::MoveTrained(const ForwardContext& context, const SavedStatistics& saved) {
  const auto n = static_cast<size_t>(normalization_.num_statistics());
  UpdateRunning<float>({saved.mean, n}, {saved.variance, n}, normalization_.reduced_count(),
                       properties_.mean_decay, properties_.variance_decay, RunningDivisor::kCount,
                       {context.parameters[2], n}, {context.parameters[3], n});
}

void NormalizationOp::Backward(const BackwardContext& context) {
  const SavedStatistics saved = Saved(const_cast<std::byte*>(context.saved));
  Normalization::BackwardArgs args;
  args.x = context.inputs[0];
  args.dy = context.doutput;
  args.gamma = context.parameters[0];
  args.beta = has_offset_ ? context.parameters[1] : nullptr;
  args.mean = saved.mean;
  args.rstd = saved.rstd;
  args.fixed_statistics = batch_ && properties_.use_trained_statistics;
  args.dgamma = context.dparameters[0];
  args.dbeta = has_offset_ ? context.dparameters[1] : nullptr;
  args.dx = context.dinputs[0];
  args.y = context.output;
  args.daddend = addend_ ? context.dinputs[1] : nullptr;
  args.accumulate = args.dx && context.add_to_dinput[0];
  if (args.accumulate) {  // for all outputs of the call, but gradients of parameters begin at 0
    const int64_t n = normalization_.num_parameters();
    for (void* gradient : {args.dgamma, args.dbeta})
      if (gradient) std::fill_n(static_cast<float*>(gradient), n, 0.f);
  }
  if (args.dx || args.dgamma || args.dbeta || args.daddend) normalization_.Backward(args);
}

SavedMoments NormalizationOp::Moments(const std::byte* saved) const {
  if (!batch_ || properties_.use_trained_statistics || !saved) return {};
  const SavedStatistics s = Saved(const_cast<std::byte*>(saved));
  const auto n = static_cast<size_t>(normalization_.num_statistics());
  return {normalization_.reduced_count(), {s.mean, n}, {s.variance, n}};
}

namespace {
LayerPtr Make(Kind kind, const NormalizationProperties& properties) {
  return std::make_shared<NormalizationLayer>(kind, properties);
}
}  // namespace

LayerPtr BatchNormalization(const NormalizationProperties& p) { return Make(Kind::kBatch, p); }
LayerPtr LayerNormalization(const NormalizationProperties& p) { return Make(Kind::kLayer, p); }
LayerPtr InstanceNormalization(const NormalizationProperties& p) {
  return Make(Kind::kInstance, p);
}
LayerPtr GroupNormalization(const NormalizationProperties& p) { return Make(Kind::kGroup, p); }
LayerPtr RmsNormalization(const NormalizationProperties& p) { return Make(Kind::kRms, p); }

}  // namespace normkit
