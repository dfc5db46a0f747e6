// Normalizations: the norm's own operation, whatever the operator is called.
#include <limits>

#include "normkit/norm/spec.h"
#include "src/onnx/import/rows.h"
#include "src/ops/binary.h"
#include "src/ops/functions.h"
#include "src/ops/normalization.h"

namespace normkit {
namespace {

using ops::NormalizationSettings;

std::string ChannelsLastFormat(int rank) {
  return "B" + std::string(static_cast<size_t>(rank - 2), 'S') + "C";
}

NormalizationSettings SettingsOf(NodeImport& node, std::string_view spec) {
  NormalizationSettings settings;
  settings.spec = &FindNormSpec(spec);
  settings.options.epsilon = node.Float("epsilon", 1e-5f);
  settings.options.name = node.where();
  if (!(settings.options.epsilon > 0))
    node.Refuse("attribute 'epsilon' is {}, expected more than 0", settings.options.epsilon);
  return settings;
}

void AddNorm(NodeImport& node, NormalizationSettings settings, std::vector<Value> parameters) {
  const int rank = node.Rank(0);
  if (rank < 2 || rank > 5) node.Refuse("x has {} axes, expected 2 to 5", rank);
  settings.format = ChannelsLastFormat(rank);
  parameters.insert(parameters.begin(), node.In(0, Order::kChannelsLast));
  node.Out(node.Add(ops::MakeNormalization(settings), std::move(parameters), Order::kChannelsLast));
}

void ImportBatchNorm(NodeImport& node) {
  NormalizationSettings settings = SettingsOf(node, "batch");
  settings.statistics = NormalizationSettings::kGiven;
  settings.mean_decay = settings.variance_decay =
      DecayFromOnnxMomentum(node.Float("momentum", 0.9f));
  if (const auto& training = node.importer().options().batch_norm_training) {
    const BatchNormTraining how = training(node.name().empty() ? node.output() : node.name());
    if (how.batch_statistics) settings.statistics = NormalizationSettings::kBatch;
    settings.frozen = how.freeze_statistics;
  }
  node.Expect("spatial", 1);
  node.Expect("training_mode", 0);
  for (int i = 1; i < node.proto().output_size(); ++i)
    if (!node.proto().output(i).empty())
      node.Refuse("output {} is asked for, expected the first alone", i);
  AddNorm(
      node, settings,
      {node.Weight(1, "scale"), node.Weight(2, "offset"), node.Weight(3, "trained_mean", {}, false),
       node.Weight(4, "trained_variance", {}, false)});
}

void ImportInstanceNorm(NodeImport& node) {
  AddNorm(node, SettingsOf(node, "instance"), {node.Weight(1, "scale"), node.Weight(2, "offset")});
}

// Up to opset 20 scale and offset are one a group.
Value GroupParameter(NodeImport& node, int index, const char* name, int64_t groups,
                     int64_t channels) {
  if (node.opset() >= 21) return node.Weight(index, name);
  std::vector<int64_t> group_of;
  for (int64_t c = 0; c < channels; ++c) group_of.push_back(c / (channels / groups));
  const ItemPtr each = node.Apply(ops::Gather(0), {node.In(index), node.Ints(group_of)})[0];
  return node.importer().Parameter(each, fmt::format("{}.{}", node.output(), name), true, {});
}

void ImportGroupNorm(NodeImport& node) {
  NormalizationSettings settings = SettingsOf(node, "group");
  const int64_t groups = node.Int("num_groups", 0);
  node.Int("stash_type", 1);
  const std::vector<int64_t> shape = node.Type(0).shape.shape();
  const int64_t channels = shape.size() > 1 ? shape[1] : 0;
  if (groups < 1 || channels % groups != 0)
    node.Refuse("attribute 'num_groups' is {}, expected a divisor of the {} channels", groups,
                channels);
  settings.options.num_groups = groups;
  AddNorm(node, settings,
          {GroupParameter(node, 1, "scale", groups, channels),
           GroupParameter(node, 2, "offset", groups, channels)});
}

// Whether a parameter is [C, 1, ..] for normalized [C, space].
bool IsOneAChannel(NodeImport& node, int index, const std::vector<int64_t>& normalized) {
  std::vector<int64_t> wanted(normalized.size(), 1);
  wanted[0] = normalized[0];
  return node.Type(index).shape.shape() == wanted && wanted != normalized;
}

// One that is broadcast stands for one of every element.
Value RowParameter(NodeImport& node, int index, const char* name,
                   const std::vector<int64_t>& normalized) {
  const ItemPtr given = node.In(index);
  const int64_t size = Layout::Unlabelled(normalized).size();
  if (node.Type(index).shape.size() == size || !given->fixed) return node.Weight(index, name);
  const ItemPtr whole = node.Apply(ops::Expand(), {given, node.Ints(normalized)})[0];
  return node.importer().Parameter(whole, fmt::format("{}.{}", node.output(), name), true, {});
}

// Over an axis and all behind it, which carry the parameters, too: rows of channels to the norm.
void AddRowNorm(NodeImport& node, std::string_view spec, bool offset) {
  NormalizationSettings settings = SettingsOf(node, spec);
  const int rank = node.Rank(0);
  int64_t axis = node.Int("axis", -1);
  node.Int("stash_type", 1);
  if (axis < -rank || axis >= rank) node.Refuse("axis {} of {} asked for", axis, rank);
  if (axis < 0) axis += rank;
  for (int i = 1; i < node.proto().output_size(); ++i)
    if (!node.proto().output(i).empty())
      node.Refuse("output {}, a statistic, is asked for, expected the first alone", i);
  settings.offset = offset;
  const std::vector<int64_t> shape = node.Type(0).shape.shape(),
                             behind(shape.begin() + axis, shape.end());
  if (axis == 1 && rank >= 3 && rank <= 5 && spec != "rms" && IsOneAChannel(node, 1, behind) &&
      (!offset || IsOneAChannel(node, 2, behind))) {
    settings.spec = &FindNormSpec("layer");
    std::vector<Value> parameters{node.Weight(1, "scale")};
    if (offset) parameters.push_back(node.Weight(2, "offset"));
    return AddNorm(node, settings, std::move(parameters));
  }
  settings.rows_to = static_cast<int>(axis);
  std::vector<Value> inputs{node.In(0, Order::kFile), RowParameter(node, 1, "scale", behind)};
  if (offset) inputs.push_back(RowParameter(node, 2, "offset", behind));
  node.Out(node.Add(ops::MakeNormalization(settings), std::move(inputs), Order::kFile));
}

void ImportLayerNorm(NodeImport& node) { AddRowNorm(node, "layer/channel-only", node.HasInput(2)); }
void ImportRmsNorm(NodeImport& node) { AddRowNorm(node, "rms", false); }

// x / sqrt(sum of squares), where there are none 0: over the last axis as rows, over the second one
// as channels.
void ImportLpNorm(NodeImport& node) {
  const int rank = node.Rank(0);
  const int64_t given = node.Int("axis", -1), axis = given < 0 ? given + rank : given;
  if (const int64_t p = node.Int("p", 2); p != 2)
    node.Refuse("attribute 'p' is {}, expected 2 (no norm of absolute values is read)", p);
  const bool channels = axis == 1 && rank >= 3 && rank <= 5;
  if (rank < 2 || (!channels && axis != rank - 1))
    node.Refuse("attribute 'axis' is {} of {} axes, expected the last of 2 or more{}", given, rank,
                rank >= 3 && rank <= 5 ? ", or 1" : "");
  NormalizationSettings settings;
  settings.spec = &FindNormSpec("l2");
  settings.options.epsilon = std::numeric_limits<float>::min();  // the least: ONNX has none
  settings.options.name = node.where();
  settings.scale = settings.offset = false;
  if (channels) return AddNorm(node, settings, {});
  settings.rows_to = rank - 1;
  node.Out(node.Add(ops::MakeNormalization(settings), {node.In(0, Order::kFile)}, Order::kFile));
}

// (x - mean) / (deviation + 1e-9).
void ImportMeanVariance(NodeImport& node) {
  std::vector<int64_t> axes = node.List("axes");
  if (axes.empty()) axes = {0, 2, 3};
  const auto binary = [&](std::string_view name, ItemPtr a, ItemPtr b) {
    return node.ApplyToElements(ops::MakeBinary(ops::FindBinary(name)), {a, b});
  };
  const auto mean = [&](ItemPtr x) {
    return node.Apply(ops::Reduce(ops::Reduction::kMean, axes), {x})[0];
  };
  const ItemPtr centered = binary("subtract", node.In(0), mean(node.In(0)));
  const ItemPtr deviation =
      node.ApplyToElements(ops::MakeFunction(ops::FindFunction("square root")),
                           {mean(binary("multiply", centered, centered))});
  node.Out(binary("divide", centered, binary("add", deviation, node.Number(1e-9f))));
}

}  // namespace

std::vector<ImportRow> NormalizationRows() {
  return {
      {"BatchNormalization", 7, kNewestImported, ImportBatchNorm, true},
      {"InstanceNormalization", 6, kNewestImported, ImportInstanceNorm, true},
      {"GroupNormalization", 18, kNewestImported, ImportGroupNorm, true},
      {"LayerNormalization", 17, kNewestImported, ImportLayerNorm},
      {"RMSNormalization", 23, kNewestImported, ImportRmsNorm},
      {"LpNormalization", 1, kNewestImported, ImportLpNorm},
      {"MeanVarianceNormalization", 9, kNewestImported, ImportMeanVariance},
  };
}

}  // namespace normkit
