#include "tools/layer_options.h"

#include "src/norm/choose.h"
#include "src/norm/names.h"

namespace normkit::tools {

std::vector<std::string> LayerNames() {
  std::vector<std::string> names;
  for (const NormSpec& spec : NormSpecs())  // but for those that --operation-dimension chooses
    if (spec.name.find('/') == spec.name.npos) names.emplace_back(spec.name);
  return names;
}

Option AddGroupsOption(const Command& command, std::optional<int64_t>& groups) {
  constexpr NumberRange<int64_t> kGroups{1, 1'000'000'000};
  const std::vector<std::string> words{"all-channels", "channel-wise"};
  const std::string expected = kGroups.ToString() + ", " + OneOf(words);
  return AddValue(command, "--num-groups", "N", expected,
                  "Groups of --layer group: a number, all-channels or channel-wise",
                  [&groups, kGroups, words, expected](const std::string& text) {
                    const std::optional<int64_t> number = ParseNumber<int64_t>(text);
                    if (text == words[0])
                      groups = kAllChannels;
                    else if (text == words[1])
                      groups = kChannelWise;
                    else if (number && kGroups.Contains(*number))
                      groups = number;
                    else
                      Fail("{} given, expected {}{}", Quoted(text), expected,
                           DidYouMean(text, words));
                  });
}

Option AddOperationDimensionOption(const Command& command,
                                   std::optional<OperationDimension>& dimension) {
  const std::string expected = "batch-excluded, auto, channel-only or spatial-channel";
  return AddValue(
             command, "--operation-dimension", "NAME", expected,
             "What --layer layer reduces: " + expected,
             [&dimension](const std::string& text) { dimension = ParseOperationDimension(text); })
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
