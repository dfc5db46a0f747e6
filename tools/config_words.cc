#include "tools/config_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/suggest.h"
#include "src/train/option_table.h"
#include "tools/json_text.h"
#include "tools/options.h"

namespace normkit::tools {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

constexpr uint64_t kMostBytes = uint64_t{1} << 20;

// The value that `words` give an option of one word; "": none, or several, which is wrong.
std::string ValueOf(const std::string& option, const Words& words) {
  Words values;
  for (size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    if (words[i].starts_with(option + "=")) values.push_back(words[i].substr(option.size() + 1));
    if (words[i] == option && i + 1 < words.size()) values.push_back(words[i + 1]);
  }
  return values.size() == 1 ? values[0] : "";
}

bool Says(const Words& words, const std::string& option) {
  const auto end = std::ranges::find(words, "--");
  return std::any_of(words.begin(), end, [&](const std::string& word) {
    return word == option || word.starts_with(option + "=");
  });
}

// The text of a value as a command line has it; nothing: it is no such value.
std::optional<std::string> TextOf(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return value.dump();
  if (!value.is_array() || value.empty()) return std::nullopt;
  Words items;
  for (const json& item : value) {
    if (!item.is_string() && !item.is_number()) return std::nullopt;
    items.push_back(*TextOf(item));
  }
  return fmt::format("{}", fmt::join(items, ","));
}

Words WordsOfFile(const Command& command, const std::string& path, const Words& words,
                  std::map<std::string, std::string>& sources) {
  const json object = ParseJson(ReadFile(path, kMostBytes));
  if (!object.is_object())
    Fail("config '{}': is no JSON object, expected one of options, such as {{\"max-epochs\": 5}}",
         path);
  const Words names = command.OptionNames();
  Words result;
  for (const auto& [key, value] : object.items()) {
    const std::string option = command.FirstNameOf("--" + key);
    if (option.empty() || option == "--config" || option == "--help")
      Fail("config '{}': unknown option {}{}", path, Quoted(key), DidYouMean("--" + key, names));
    if (sources.contains(option)) Fail("config '{}': {} stands there twice", path, Quoted(key));
    sources[option] = path;
    if (Says(words, option)) continue;
    if (command.Find(option).is_flag()) {
      if (!value.is_boolean())
        Fail("config '{}': {} is {}, expected true or false", path, Quoted(key), Shown(value));
      if (value.get<bool>()) result.push_back(option);
      continue;
    }
    const std::optional<std::string> text = TextOf(value);
    if (!text)
      Fail("config '{}': {} is {}, expected a text, a number or a list of them", path, Quoted(key),
           Shown(value));
    result.push_back(option + "=" + *text);
  }
  return result;
}

// Those of the toolbox, which are those of the library but for what it does otherwise
// (docs/options.md).
Words WordsOfToolbox(const Command& command, const Words& words) {
  TrainingOptions options;
  options.batch_normalization_statistics = Statistics::kPopulation;
  options.verbose = Verbose::kOn;
  options.reset_input_normalization = ResetInputNormalization::kOn;
  options.checkpoint_frequency = 1;
  const Words names = command.OptionNames();
  Words result;
  for (const TrainingOption& row : TrainingOptionTable()) {
    const std::string option = "--" + KebabName(row);
    if (std::ranges::find(names, option) == names.end() || Says(words, option)) continue;
    result.push_back(option + "=" + ToText(row, &options));
  }
  return result;
}

}  // namespace

void AddConfigOptions(const Command& command) {
  // Whose words were added before any was parsed; here they are checked.
  static std::string file, defaults;
  file.clear();
  AddText(command, "--config", file, "FILE",
          "JSON file of options, {\"max-epochs\": 5}; those of the command line count more");
  defaults = "normkit";
  AddChoice(command, "--defaults", defaults, {"normkit", "toolbox"},
            "Options that are not said: as here, or as the toolbox has them");
}

Words WordsOfConfig(const Command& command, const Words& words,
                    std::map<std::string, std::string>& sources) {
  const Words names = command.OptionNames();
  // A training goes on with the options that it began with.
  if (std::ranges::find(names, "--config") == names.end() || Says(words, "--resume")) return {};
  Words result;
  if (const std::string path = ValueOf("--config", words); !path.empty())
    result = WordsOfFile(command, path, words, sources);
  Words all = words;
  all.insert(all.end(), result.begin(), result.end());
  if (ValueOf("--defaults", all) == "toolbox") {
    const Words defaults = WordsOfToolbox(command, all);
    result.insert(result.end(), defaults.begin(), defaults.end());
  }
  return result;
}

std::string ForShell(const std::string& value) {
  return value.find_first_of("*?[ ") == value.npos ? value : "'" + value + "'";
}

}  // namespace normkit::tools
