#include "src/nn/layers/normalization.h"

#include <cmath>

#include "src/core/finite.h"

namespace normkit {
namespace {

using Kind = NormalizationLayer::Kind;

struct KindWords {
  std::string_view type, short_name;
  std::string_view more_values;  // how its statistics get more than one value
};
constexpr KindWords kKinds[] = {
    {"batch normalization", "batchnorm", ""},
    {"layer normalization", "layernorm",
     "more channels, space that it reduces, or batch normalization"},
    {"instance normalization", "instancenorm",
     "images larger than 1x1, or batch or layer normalization"},
    {"group normalization", "groupnorm",
     "fewer groups, images larger than 1x1, or batch normalization"},
    {"RMS normalization", "rmsnorm", "more channels, or batch normalization"}};

// The given values, or those of the initializer.
std::function<void(std::span<float>, Random&)> Begin(const std::vector<float>& given,
                                                     const Initializer& initializer,
                                                     int64_t channels) {
  if (given.empty()) return MakeInitializer(initializer, channels, channels);
  return [given](std::span<float> values, Random&) {
    std::copy(given.begin(), given.end(), values.begin());
  };
}

void CheckFinite(const Layer& layer, std::string_view property, std::span<const float> values) {
  const size_t bad = FirstNonFinite(values);
  if (bad < values.size())
    FailLayer(layer, "{}[{}] is {}, expected a finite number", property, bad, values[bad]);
}

template <class Options>
NormalizationProperties CommonProperties(const Options& o) {
  NormalizationProperties p;
  p.epsilon = o.epsilon;
  p.num_channels = o.num_channels;
  p.scale = o.scale;
  p.scale_initializer = o.scale_initializer;
  p.scale_learn_rate_factor = o.scale_learn_rate_factor;
  p.scale_l2_factor = o.scale_l2_factor;
  if constexpr (requires { o.offset; }) {
    p.offset = o.offset;
    p.offset_initializer = o.offset_initializer;
    p.offset_learn_rate_factor = o.offset_learn_rate_factor;
    p.offset_l2_factor = o.offset_l2_factor;
  }
  return p;
}

}  // namespace

NormalizationLayer::NormalizationLayer(Kind kind, std::string name,
                                       NormalizationProperties properties)
    : Layer(std::move(name)), kind_(kind), properties_(std::move(properties)) {
  const NormalizationProperties& p = properties_;
  if (!(p.epsilon > 0) || !std::isfinite(p.epsilon))
    FailLayer(*this, "epsilon is {}, expected a finite number > 0", p.epsilon);
  if (p.num_channels) CheckRange(*this, "num_channels", *p.num_channels, 1, kMaxSize);
  CheckFactor(*this, "scale_learn_rate_factor", p.scale_learn_rate_factor);
  CheckFactor(*this, "offset_learn_rate_factor", p.offset_learn_rate_factor);
  CheckFactor(*this, "scale_l2_factor", p.scale_l2_factor);
  CheckFactor(*this, "offset_l2_factor", p.offset_l2_factor);
  for (const auto& [property, decay] :
       {std::pair{"mean_decay", p.mean_decay}, std::pair{"variance_decay", p.variance_decay}})
    if (!(decay >= 0 && decay <= 1)) FailLayer(*this, "{} is {}, expected 0 to 1", property, decay);
  if (kind == Kind::kGroup && p.num_groups != GroupNormalizationOptions::kAllChannels &&
      p.num_groups != GroupNormalizationOptions::kChannelWise)
    CheckRange(*this, "num_groups", p.num_groups, 1, kMaxSize);
  CheckFinite(*this, "scale", p.scale);
  CheckFinite(*this, "offset", p.offset);
  CheckFinite(*this, "trained_mean", p.trained_mean);
  for (size_t i = 0; i < p.trained_variance.size(); ++i)
    if (!(p.trained_variance[i] >= 0) || !std::isfinite(p.trained_variance[i]))
      FailLayer(*this, "trained_variance[{}] is {}, expected a finite number >= 0", i,
                p.trained_variance[i]);
}

std::string_view NormalizationLayer::type() const { return kKinds[static_cast<int>(kind_)].type; }

std::string_view NormalizationLayer::short_name() const {
  return kKinds[static_cast<int>(kind_)].short_name;
}

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
  if (kind_ != Kind::kGroup || properties_.num_groups == GroupNormalizationOptions::kAllChannels)
    return 1;
  if (properties_.num_groups == GroupNormalizationOptions::kChannelWise) return x.channels();
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
            kKinds[static_cast<int>(kind_)].more_values);
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
    if (p.num_groups == GroupNormalizationOptions::kAllChannels)
      text = "all channels in one group, ";
    else if (p.num_groups == GroupNormalizationOptions::kChannelWise)
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

LayerPtr BatchNormalization(const BatchNormalizationOptions& options) {
  NormalizationProperties p = CommonProperties(options);
  p.trained_mean = options.trained_mean;
  p.trained_variance = options.trained_variance;
  p.mean_decay = options.mean_decay;
  p.variance_decay = options.variance_decay;
  p.freeze_statistics = options.freeze_statistics;
  p.use_trained_statistics = options.use_trained_statistics;
  return std::make_shared<NormalizationLayer>(Kind::kBatch, options.name, std::move(p));
}

LayerPtr LayerNormalization(const LayerNormalizationOptions& options) {
  NormalizationProperties p = CommonProperties(options);
  p.operation_dimension = options.operation_dimension;
  return std::make_shared<NormalizationLayer>(Kind::kLayer, options.name, std::move(p));
}

LayerPtr InstanceNormalization(const InstanceNormalizationOptions& options) {
  return std::make_shared<NormalizationLayer>(Kind::kInstance, options.name,
                                              CommonProperties(options));
}

LayerPtr GroupNormalization(const GroupNormalizationOptions& options) {
  NormalizationProperties p = CommonProperties(options);
  p.num_groups = options.num_groups;
  return std::make_shared<NormalizationLayer>(Kind::kGroup, options.name, std::move(p));
}

LayerPtr RmsNormalization(const RmsNormalizationOptions& options) {
  return std::make_shared<NormalizationLayer>(Kind::kRms, options.name, CommonProperties(options));
}

}  // namespace normkit
