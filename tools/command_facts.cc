#include "tools/command_facts.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace normkit::tools {
namespace {

// The words of "a, b or c", without what is more than a word ("group:N", "a .json file").
std::vector<std::string> WordsOf(const std::string& expected) {
  std::vector<std::string> words;
  std::string text = expected;
  for (size_t at = text.find(" or "); at != text.npos; at = text.find(" or "))
    text.replace(at, 4, ", ");
  for (std::string word : CLI::detail::split(text, ',')) {
    word = CLI::detail::trim_copy(word);
    const bool plain = !word.empty() && std::ranges::all_of(word, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
    if (plain) words.push_back(word);
  }
  return words.size() > 1 ? words : std::vector<std::string>();
}

OptionFacts FactsOfOption(const CLI::Option& option) {
  OptionFacts facts{.description = option.get_description(),
                    .default_text = option.get_default_str(),
                    .required = option.get_required()};
  for (const std::string& letter : option.get_snames()) facts.names.push_back("-" + letter);
  for (const std::string& name : option.get_lnames()) facts.names.push_back("--" + name);
  if (option.get_expected_max() == 0) return facts;
  facts.kind = option.get_option_text();
  if (facts.kind.starts_with("NAME")) facts.choices = WordsOf(option.get_type_name());
  return facts;
}

}  // namespace

CommandFacts FactsOf(const Command& command) {
  const CLI::App& app = command.app();
  CommandFacts facts{app.get_name(), app.get_description(), app.get_footer(), {}};
  for (const CLI::Option* option : app.get_options())
    facts.options.push_back(FactsOfOption(*option));
  return facts;
}

std::vector<CommandFacts> FactsOfCommands(const Command& program) {
  std::vector<CommandFacts> all;
  for (CLI::App* command : program.app().get_subcommands([](CLI::App*) { return true; }))
    all.push_back(FactsOf(Command(*command)));
  return all;
}

const std::vector<std::pair<std::string, std::string>>& EnvironmentFacts() {
  static const std::vector<std::pair<std::string, std::string>> facts{
      {"OMP_NUM_THREADS", "Threads, where --threads does not say"},
      {"NO_COLOR", "Set: no colours on a terminal"},
      {"DISPLAY, WAYLAND_DISPLAY", "Set: --plots opens its page"},
      {"NORMKIT_VERBOSE", "1: how each operation is computed, and why not in another way"},
      {"NORMKIT_TARGET", "Vectors of an older processor: one of those that --version lists"},
      {"NORMKIT_BACKEND", "What computes normalizations: cpu or reference"},
      {"NORMKIT_SCHEDULE", "How normalizations are computed: stores, path, group, threads, limits"},
      {"NORMKIT_CONVOLUTION", "How convolutions are computed, where it can be so"},
      {"NORMKIT_PATIENCE", "Seconds after which ranks that say nothing are taken for lost"},
  };
  return facts;
}

}  // namespace normkit::tools
