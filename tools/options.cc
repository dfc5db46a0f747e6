#include "tools/options.h"

#include <algorithm>

namespace normkit::tools {
namespace {

// What messages call an option: its first long name, or all there is.
std::string MainName(const std::string& names) {
  const size_t begin = names.find("--");
  return begin == names.npos ? names : names.substr(begin, names.find(',', begin) - begin);
}

// The items of a list: the words joined, cut at commas, without blanks around them.
std::vector<std::string> Items(const std::vector<std::string>& words) {
  std::vector<std::string> items;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = Trimmed(words[i]);
    // "a," before another word: the blank of "a, b" made two words of a list.
    if (i + 1 < words.size() && word.size() > 1 && word.ends_with(',')) word.remove_suffix(1);
    for (size_t begin = 0; begin <= word.size();) {
      const size_t end = std::min(word.find(',', begin), word.size());
      items.emplace_back(Trimmed(word.substr(begin, end - begin)));
      begin = end + 1;
    }
  }
  return items;
}

std::string Choose(const std::string& text, const std::vector<std::string>& choices) {
  if (std::ranges::find(choices, text) != choices.end()) return text;
  for (const std::string& choice : choices)  // as others spell it: "batchNormalizationLayer"
    if (SameStem(text, choice)) return choice;
  Fail("{} given, expected {}{}", Quoted(text), OneOf(choices), DidYouMean(text, choices));
}

}  // namespace

CLI::Option* AddValue(CLI::App& command, const std::string& names, const std::string& kind,
                      const std::string& expected, const std::string& description,
                      std::function<void(const std::string&)> take) {
  const std::string name = MainName(names);
  const CLI::callback_t callback = [name, expected, take](const CLI::results_t& words) {
    if (words.size() > 1)
      throw CLI::ValidationError(name, fmt::format("given {} times ('{}'), expected once",
                                                   words.size(), fmt::join(words, "', '")));
    Checked(name, [&] {
      if (words[0].empty()) Fail("'' given, expected {}", expected);
      take(words[0]);
    });
    return true;
  };
  return command.add_option(names, callback, description)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text(kind)
      ->type_name(expected);
}

CLI::Option* AddList(CLI::App& command, const std::string& names, const std::string& kind,
                     const std::string& expected, const std::string& description,
                     std::function<void(const std::vector<std::string>&)> take) {
  const std::string name = MainName(names);
  const CLI::callback_t callback = [name, expected, take](const CLI::results_t& words) {
    Checked(name, [&] {
      const std::vector<std::string> items = Items(words);
      if (std::ranges::find(items, "") != items.end())
        Fail("{} given, expected {}, with commas between them",
             Quoted(fmt::format("{}", fmt::join(words, " "))), expected);
      take(items);
    });
    return true;
  };
  return command.add_option(names, callback, description)
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->allow_extra_args()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text(kind)
      ->type_name(expected);
}

CLI::Option* AddFlag(CLI::App& command, const std::string& names, bool& value,
                     const std::string& description) {
  return command
      .add_flag_callback(
          names, [&value] { value = true; }, description)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
      ->disable_flag_override();
}

std::string OneOf(const std::vector<std::string>& names) {
  if (names.size() < 2) return fmt::format("{}", fmt::join(names, ""));
  return fmt::format("{} or {}", fmt::join(names.begin(), names.end() - 1, ", "), names.back());
}

CLI::Option* AddText(CLI::App& command, const std::string& names, std::string& value,
                     const std::string& kind, const std::string& description) {
  const bool path = kind.ends_with("FILE") || kind == "DIR" || kind.find('.') != kind.npos;
  const std::string expected = path ? "a path" : "a text";
  return AddValue(command, names, kind, expected, description,
                  [&value, &command, expected](const std::string& text) {
                    if (text.starts_with('-') && command.get_option_no_throw(text))
                      Fail("option {} given, expected {}", Quoted(text), expected);
                    value = text;
                  })
      ->default_str(value);
}

CLI::Option* AddFiles(CLI::App& command, const std::string& name, std::vector<std::string>& files,
                      const std::string& description) {
  const CLI::callback_t callback = [name, &files](const CLI::results_t& words) {
    if (std::ranges::find(words, "") != words.end())
      throw CLI::ValidationError(name, "'' given, expected a path");
    files = words;
    return true;
  };
  return command.add_option(name, callback, description)
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->allow_extra_args()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text("FILE...")
      ->type_name("a path");
}

CLI::Option* AddChoice(CLI::App& command, const std::string& names, std::string& value,
                       const std::vector<std::string>& choices, const std::string& description) {
  return AddValue(command, names, "NAME", OneOf(choices), description,
                  [&value, choices](const std::string& text) { value = Choose(text, choices); })
      ->default_str(value);
}

CLI::Option* AddChoices(CLI::App& command, const std::string& names,
                        std::vector<std::string>& values, const std::vector<std::string>& choices,
                        const std::string& description) {
  return AddList(command, names, "NAME,...", OneOf(choices), description,
                 [&values, choices](const std::vector<std::string>& texts) {
                   values.clear();
                   for (const std::string& text : texts) values.push_back(Choose(text, choices));
                 })
      ->default_str(fmt::format("{}", fmt::join(values, ",")));
}

CLI::Option* AddThreadsOption(CLI::App& command, int& threads) {
  return AddNumber(command, "--threads", threads, kThreads,
                   "Threads, 0 or auto: all processors; the results are the same for any number",
                   kAllProcessors);
}

std::vector<std::string> GivenOptions(const CLI::App& command,
                                      const std::vector<std::string>& except) {
  std::vector<std::string> words;
  for (const CLI::Option* option : command.get_options()) {
    const std::string name = option->get_name();
    if (option->count() == 0 || std::ranges::find(except, name) != except.end()) continue;
    words.push_back(name);
    const bool flag = option->get_expected_min() == 0;
    if (!flag) words.push_back(fmt::format("{}", fmt::join(option->results(), ",")));
  }
  return words;
}

}  // namespace normkit::tools
