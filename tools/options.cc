#include "tools/options.h"

#include <algorithm>

namespace normkit::tools {
std::string OneOf(const std::vector<std::string>& names) {
  if (names.size() < 2) return fmt::format("{}", fmt::join(names, ""));
  return fmt::format("{} or {}", fmt::join(names.begin(), names.end() - 1, ", "), names.back());
}

std::string Choose(const std::string& text, const std::vector<std::string>& choices) {
  if (std::ranges::find(choices, text) != choices.end()) return text;
  for (const std::string& choice : choices)  // as others spell it: "batchNormalizationLayer"
    if (SameStem(text, choice)) return choice;
  Fail("{} given, expected {}{}", Quoted(text), OneOf(choices), DidYouMean(text, choices));
}

Option AddChoice(const Command& command, const std::string& names, std::string& value,
                 const std::vector<std::string>& choices, const std::string& description) {
  return AddValue(command, names, "NAME", OneOf(choices), description,
                  [&value, choices](const std::string& text) { value = Choose(text, choices); })
      .Default(value);
}

Option AddChoices(const Command& command, const std::string& names,
                  std::vector<std::string>& values, const std::vector<std::string>& choices,
                  const std::string& description) {
  return AddList(command, names, "NAME,...", OneOf(choices), description,
                 [&values, choices](const std::vector<std::string>& texts) {
                   values.clear();
                   for (const std::string& text : texts) values.push_back(Choose(text, choices));
                 })
      .Default(fmt::format("{}", fmt::join(values, ",")));
}

Option AddProperty(const Command& command, const std::string& names, const Property& property,
                   void* options) {
  const nlohmann::json value = property.kind->ToJson(property.In(options));
  const char* kind = value.is_string() ? "NAME" : value.is_number_integer() ? "N" : "X";
  const std::string expected = ExpectedText(property);
  std::string text(property.text);
  if (value.is_string()) text = expected + (text.empty() ? "" : ": " + text);
  return AddValue(
             command, names, kind, expected, text,
             [property, options](const std::string& word) { ParseInto(property, word, options); })
      .Default(ToText(property, options));
}

Option AddThreadsOption(const Command& command, int& threads) {
  return AddNumber(command, "--threads", threads, kThreads,
                   "Threads, 0 or auto: all processors; the results are the same for any number",
                   kAllProcessors);
}

}  // namespace normkit::tools
