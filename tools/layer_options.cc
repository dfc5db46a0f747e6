#include "tools/layer_options.h"

#include "src/norm/choose.h"
#include "src/norm/names.h"

namespace normkit::tools {
namespace {

constexpr NumberRange<int64_t> kGroups{1, 1'000'000'000};

int64_t ParseGroups(const std::string& text) {
  const std::vector<std::string> words{"all-channels", "channel-wise"};
  if (text == words[0]) return kAllChannels;
  if (text == words[1]) return kChannelWise;
  const std::optional<int64_t> number = ParseNumber<int64_t>(text);
  if (number && kGroups.Contains(*number)) return *number;
  Fail("{} given, expected {}, {}{}", Quoted(text), kGroups.ToString(), OneOf(words),
       DidYouMean(text, words));
}

// Takes a value that --layer may have given as well: behind its colon.
template <class T>
void Agree(std::optional<T>& taken, const T& value, const std::string& text) {
  if (taken && *taken != value) Fail("{} given, but --layer says another", Quoted(text));
  taken = value;
}

}  // namespace

std::vector<std::string> LayerNames() {
  std::vector<std::string> names;
  for (const NormSpec& spec : NormSpecs())  // but for those that --operation-dimension chooses
    if (spec.name.find('/') == spec.name.npos) names.emplace_back(spec.name);
  return names;
}

void ParseLayer(const std::string& text, LayerChoice& layer) {
  const size_t colon = text.find(':');
  layer.name = Choose(text.substr(0, colon), LayerNames());
  if (colon == text.npos) return;
  const std::string value = text.substr(colon + 1);
  if (IsGrouped(FindNormSpec(layer.name)))
    Agree(layer.num_groups, ParseGroups(value), text);
  else if (layer.name == kLayerNorm.name)
    Agree(layer.operation_dimension, ParseOperationDimension(value), text);
  else
    Fail("{} given, expected nothing after the colon of {}", Quoted(text), layer.name);
}

void AddLayerOptions(const Command& command, LayerChoice& layer) {
  const std::string expected = OneOf(LayerNames());
  AddValue(command, "--layer", "NAME", expected,
           expected + "; also group:G, group-rms:G and layer:DIMENSION, as train --norm has them",
           [&layer](const std::string& text) { ParseLayer(text, layer); })
      .Required();
  AddGroupsOption(command, layer.num_groups);
  AddOperationDimensionOption(command, layer.operation_dimension);
}

Option AddGroupsOption(const Command& command, std::optional<int64_t>& groups) {
  return AddValue(command, "--num-groups", "N",
                  kGroups.ToString() + ", all-channels or channel-wise",
                  "Groups of --layer group and group-rms: a number, all-channels or channel-wise",
                  [&groups](const std::string& text) { Agree(groups, ParseGroups(text), text); });
}

Option AddOperationDimensionOption(const Command& command,
                                   std::optional<OperationDimension>& dimension) {
  const std::string expected = "batch-excluded, auto, channel-only or spatial-channel";
  return AddValue(command, "--operation-dimension", "NAME", expected,
                  "What --layer layer reduces: " + expected,
                  [&dimension](const std::string& text) {
                    Agree(dimension, ParseOperationDimension(text), text);
                  })
      .Default(std::string(Name(OperationDimension::kBatchExcluded)));
}

Option AddActivationOption(const Command& command, Activation& activation) {
  const auto& names = EnumNames<Activation>::kNames;
  const std::string expected = OneOf({std::begin(names), std::end(names)});
  return AddValue(
             command, "--activation", "NAME", expected, "Applied to Y: " + expected,
             [&activation](const std::string& text) { activation = ParseNamed<Activation>(text); })
      .Default(std::string(NameOf(activation)));
}

}  // namespace normkit::tools
