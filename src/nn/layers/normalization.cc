#include "src/nn/layers/normalization.h"

#include <cmath>

#include "src/core/finite.h"
#include "src/nn/properties.h"
#include "src/ops/normalization.h"

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
  if (!properties_.affine && !(properties_.scale.empty() && properties_.offset.empty()))
    FailLayer(*this, "scale or offset is given, expected none: affine is false");
  CheckRenormalization(table);
}

void NormalizationLayer::CheckRenormalization(const PropertyTable& table) const {
  if (properties_.renormalize && properties_.use_trained_statistics)
    FailLayer(*this, "renormalize and use_trained_statistics are given, expected one of them");
  for (const Property& row : table.rows)
    if (!properties_.renormalize && row.name.starts_with("renormalization_") &&
        !SameValue(row, &properties_, table.defaults))
      FailLayer(*this, "{} is given, expected none: renormalize is false", row.name);
}

std::string_view NormalizationLayer::type() const { return RowOf(kind_).type; }

std::string_view NormalizationLayer::short_name() const { return RowOf(kind_).short_name; }

const NormSpec& NormalizationLayer::SpecFor(const Layout& x) const {
  return kind_ == Kind::kLayer ? LayerNormSpec(properties_.operation_dimension, x)
                               : *RowOf(kind_).spec;
}

int64_t NormalizationLayer::GroupsFor(const Layout& x) const {
  if (!RowOf(kind_).grouped() || properties_.num_groups == NormalizationProperties::kAllChannels)
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

void NormalizationLayer::CheckInput(const Layout& x) const {
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
}

// A statistic of one value makes it the offset, whatever the value is. A batch can be larger, and
// packed time; what has nothing to do with them stays as it is.
void NormalizationLayer::CheckSaysSomething(const Layout& x) const {
  const NormSpec& spec = SpecFor(x);
  if (spec.reduce & kB) return;
  if (x.packed() && (spec.reduce & kT)) return;  // observations have more steps
  const int64_t groups = GroupsFor(x);
  const Layout split = RowOf(kind_).grouped() ? x.SplitChannels(groups) : x;
  if (split.SizeOf(spec.reduce) != 1) return;
  FailLayer(*this,
            "each statistic is of one value of x ({}), so that the output would be {} whatever "
            "the input; expected {}",
            x.ToString(),
            RowOf(kind_).has_offset ? (has_offset() ? "the offset" : "0")
                                    : "the scale with the sign of x",
            RowOf(kind_).more_values);
}

std::vector<Value> NormalizationLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  const Layout x = OnlyInput(*this, graph, inputs);  // the graph grows
  CheckInput(x);
  const NormalizationProperties& p = properties_;
  std::vector<Value> reads{inputs[0]};
  const auto add = [&](const char* name, const std::vector<float>& given,
                       const Initializer& initializer, bool trainable, double learn_rate_factor,
                       double l2_factor) {
    reads.push_back(graph.AddParameter({name,
                                        {x.channels()},
                                        Begin(given, initializer, x.channels()),
                                        trainable,
                                        learn_rate_factor,
                                        l2_factor}));
  };
  if (p.affine)
    add("scale", p.scale, p.scale_initializer, true, p.scale_learn_rate_factor, p.scale_l2_factor);
  if (has_offset())
    add("offset", p.offset, p.offset_initializer, true, p.offset_learn_rate_factor,
        p.offset_l2_factor);
  ops::NormalizationSettings op{.spec = &SpecFor(x), .scale = p.affine, .offset = has_offset()};
  if (kind_ == Kind::kBatch) {
    add("trained_mean", p.trained_mean, Initializer::kZeros, false, 0, 0);
    add("trained_variance", p.trained_variance, Initializer::kOnes, false, 0, 0);
    op.statistics = p.use_trained_statistics ? ops::NormalizationSettings::kGiven
                                             : ops::NormalizationSettings::kBatch;
    if (p.renormalize)
      op.renormalization = {p.renormalization_scale_limit, p.renormalization_shift_limit,
                            p.renormalization_warm_up};
  }
  op.mean_decay = p.mean_decay;
  op.variance_decay = p.variance_decay;
  op.frozen = p.freeze_statistics;
  op.options.epsilon = p.epsilon;
  op.options.num_groups = RowOf(kind_).grouped() ? GroupsFor(x) : 0;
  op.options.name = Title(*this);
  return graph.AddNode(ops::MakeNormalization(op), std::move(reads));
}

std::string NormalizationLayer::Description() const {
  const NormalizationProperties& p = properties_;
  std::string text;
  if (kind_ == Kind::kLayer) text = fmt::format("{}, ", Name(p.operation_dimension));
  if (RowOf(kind_).grouped()) {
    if (p.num_groups == NormalizationProperties::kAllChannels)
      text = "all channels in one group, ";
    else if (p.num_groups == NormalizationProperties::kChannelWise)
      text = "a group a channel, ";
    else
      text = fmt::format("{} groups, ", p.num_groups);
  }
  return text + fmt::format("epsilon {}{}{}", p.epsilon, p.affine ? "" : ", no scale and offset",
                            p.renormalize ? ", renormalized in training" : "");
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
LayerPtr GroupRmsNormalization(const NormalizationProperties& p) {
  return Make(Kind::kGroupRms, p);
}

}  // namespace normkit
