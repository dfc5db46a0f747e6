#include "tools/command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

#include "normkit/core/error.h"
#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/core/text.h"

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

using Words = std::vector<std::string>;

// What all options with values share: `take` gets their words, its Error is a wrong command line.
CLI::Option* Declare(const Command& command, const std::string& names, const std::string& kind,
                     const std::string& expected, const std::string& description,
                     std::function<void(const Words&)> take) {
  const std::string name = MainName(names);
  const CLI::callback_t callback = [name, take = std::move(take)](const Words& words) {
    try {
      take(words);
    } catch (const Error& error) {
      FailUsage(name, error.what());
    }
    return true;
  };
  return command.app()
      .add_option(names, callback, description)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text(kind)
      ->type_name(expected);
}

// Any number of words.
Option Many(CLI::Option* option) {
  return Option(option->expected(1, CLI::detail::expected_max_vector_size)->allow_extra_args());
}

}  // namespace

void FailUsage(const std::string& option, const std::string& message) {
  throw CLI::ValidationError(option, message);
}

// ---- Options
// --------------------------------------------------------------------------------------

Option Option::Required(bool is) const { return Option(option_->required(is)); }

Option Option::Default(const std::string& text) const { return Option(option_->default_str(text)); }

Option Option::Kind(const std::string& kind) const { return Option(option_->option_text(kind)); }

Option Option::More(const std::string& text) const {
  return Option(option_->description(option_->get_description() + text));
}

Option Option::Excludes(Option other) const { return Option(option_->excludes(other.option_)); }

Option AddValue(const Command& command, const std::string& names, const std::string& kind,
                const std::string& expected, const std::string& description,
                std::function<void(const std::string&)> take) {
  return Option(Declare(command, names, kind, expected, description, [=](const Words& words) {
    if (words.size() > 1)
      Fail("given {} times ('{}'), expected once", words.size(), fmt::join(words, "', '"));
    if (words[0].empty()) Fail("'' given, expected {}", expected);
    take(words[0]);
  }));
}

bool Option::given() const { return option_->count() > 0; }

bool Option::is_flag() const { return option_->get_expected_min() == 0; }

Option AddList(const Command& command, const std::string& names, const std::string& kind,
               const std::string& expected, const std::string& description,
               std::function<void(const Words&)> take) {
  return Many(Declare(command, names, kind, expected, description, [=](const Words& words) {
    const Words items = Items(words);
    if (std::ranges::find(items, "") != items.end())
      Fail("{} given, expected {}, with commas between them",
           Quoted(fmt::format("{}", fmt::join(words, " "))), expected);
    take(items);
  }));
}

Option AddFlag(const Command& command, const std::string& names, bool& value,
               const std::string& description) {
  return Option(command.app()
                    .add_flag_callback(
                        names, [&value] { value = true; }, description)
                    ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
                    ->disable_flag_override());
}

Option AddText(const Command& command, const std::string& names, std::string& value,
               const std::string& kind, const std::string& description) {
  const bool path = kind.ends_with("FILE") || kind == "DIR" || kind.find('.') != kind.npos;
  const std::string expected = path ? "a path" : "a text";
  CLI::App& app = command.app();
  return AddValue(command, names, kind, expected, description,
                  [&value, &app, expected](const std::string& text) {
                    if (text.starts_with('-') && app.get_option_no_throw(text))
                      Fail("option {} given, expected {}", Quoted(text), expected);
                    value = text;
                  })
      .Default(value);
}

Option AddFiles(const Command& command, const std::string& name, std::vector<std::string>& files,
                const std::string& description) {
  return Many(
      Declare(command, name, "FILE...", "a path", description, [&files](const Words& words) {
        if (std::ranges::find(words, "") != words.end()) Fail("'' given, expected a path");
        files = words;
      }));
}

// ---- Commands
// -------------------------------------------------------------------------------------

Command::Command() : app_(std::make_shared<CLI::App>()) {}

Command::Command(CLI::App& app) : app_(std::shared_ptr<void>(), &app) {}

void Command::Run(std::function<void()> work) const { app_->callback(std::move(work)); }

std::vector<std::string> Command::OptionNames() const {
  std::vector<std::string> names;
  for (const CLI::Option* option : app_->get_options()) names.push_back(option->get_name());
  return names;
}

std::string Command::FirstNameOf(const std::string& name) const {
  for (const CLI::Option* option : app_->get_options()) {
    Words names;
    for (const std::string& known : option->get_lnames()) names.push_back("--" + known);
    if (SameLetters(name, names) != "") return option->get_name();
  }
  return "";
}

Option Command::Find(const std::string& name) const { return Option(app_->get_option(name)); }

void Command::Replaces(const std::string& option, const std::vector<std::string>& others) const {
  app_->get_option(option)->each([app = app_.get(), others](const std::string&) {
    for (const std::string& name : others) app->get_option(name)->required(false);
  });
}

std::vector<std::string> Command::GivenOptions(const std::vector<std::string>& except) const {
  std::vector<std::string> words;
  for (const CLI::Option* option : app_->get_options()) {
    const std::string name = option->get_name();
    if (option->count() == 0 || std::ranges::find(except, name) != except.end()) continue;
    words.push_back(name);
    const bool flag = option->get_expected_min() == 0;
    if (!flag) words.push_back(fmt::format("{}", fmt::join(option->results(), ",")));
  }
  return words;
}

void Command::Parse(const std::vector<std::string>& words) const {
  app_->parse(Words(words.rbegin(), words.rend()));  // as CLI11 wants them
}

}  // namespace normkit::tools
