#include "tools/usage.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

#include "src/core/suggest.h"
#include "src/core/text.h"
#include "tools/command_facts.h"
#include "tools/commands.h"
#include "tools/completions.h"
#include "tools/config_words.h"
#include "tools/options.h"
#include "tools/version.h"

namespace normkit::tools {
namespace {

constexpr size_t kNameWidth = 32, kPageWidth = 100;

// Words of `text` in lines of at most `width` letters; every line but the first is indented.
std::string Wrap(const std::string& text, size_t indent, size_t width) {
  std::string result, line;
  const auto end_line = [&] {
    if (!result.empty()) result += "\n" + std::string(indent, ' ');
    result += line;
    line.clear();
  };
  for (const std::string& word : CLI::detail::split(text, ' ')) {
    if (!line.empty() && indent + line.size() + 1 + word.size() > width) end_line();
    line += (line.empty() ? "" : " ") + word;
  }
  end_line();
  return result;
}

// Help pages: what it is, examples, how it is called, then the options.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    std::string page = app->get_description() + "\n";
    if (!app->get_footer().empty()) page += "\nExamples:\n" + app->get_footer();
    page += "\n" + make_usage(app, std::move(name));
    page += make_subcommands(app, mode) + make_positionals(app) + make_groups(app, mode);
    if (app->get_parent()) return page;
    page += "\nEnvironment:\n";
    for (const auto& [variable, text] : EnvironmentFacts()) page += Row(variable, text);
    return page;
  }

  std::string make_subcommand(const CLI::App* command) const override {
    return Row(command->get_name(), command->get_description());
  }

  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    std::string name = is_positional ? option->get_option_text() : Names(option);
    if (!is_positional && TakesValue(option)) name += " " + option->get_option_text();
    std::string text = option->get_description();
    std::vector<std::string> notes;
    if (option->get_required()) notes.push_back("required");
    if (!option->get_required() && !option->get_default_str().empty())
      notes.push_back("default " + option->get_default_str());
    for (const std::string& other : OtherNames(option)) notes.push_back("also " + other);
    if (!notes.empty()) text += " (" + fmt::format("{}", fmt::join(notes, ", ")) + ")";
    return Row(name, text);
  }

  // What has to be there stands in the line, the rest is [OPTIONS].
  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string line = "Usage: " + name;
    for (const CLI::Option* option : app->get_options())
      if (option->get_positional())
        line += option->get_required() ? " " + option->get_option_text()
                                       : " [" + option->get_option_text() + "]";
    for (const CLI::Option* option : app->get_options())
      if (!option->get_positional() && option->get_required())
        line += " " + option->get_name() + " " + option->get_option_text();
    line += " [OPTIONS]";
    if (!app->get_subcommands(nullptr).empty()) line += " [COMMAND]";
    return line + "\n";
  }

 private:
  static bool TakesValue(const CLI::Option* option) { return option->get_expected_max() > 0; }
  // "-o,--output": older names are notes.
  static std::string Names(const CLI::Option* option) {
    std::string names;
    for (const std::string& name : option->get_snames()) names += "-" + name + ",";
    return names + option->get_name();
  }
  static std::vector<std::string> OtherNames(const CLI::Option* option) {
    std::vector<std::string> others;
    for (const std::string& name : option->get_lnames())
      if ("--" + name != option->get_name()) others.push_back("--" + name);
    return others;
  }
  static std::string Row(const std::string& name, const std::string& text) {
    const std::string gap = name.size() + 2 < kNameWidth
                                ? std::string(kNameWidth - 2 - name.size(), ' ')
                                : "\n" + std::string(kNameWidth, ' ');
    return "  " + name + gap + Wrap(text, kNameWidth, kPageWidth) + "\n";
  }
};

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> OptionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

// " of its option" where the option that lacks a value is the likely one to have been left out.
std::string MeantFor(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options())
    if (!option->get_positional() && option->get_required() && option->count() == 0)
      return fmt::format(", expected the name of an option before it, such as {}",
                         option->get_name());
  return "";
}

// ", did you mean '-V'?" for the letter of a flag in the other case.
std::string OtherCase(const CLI::App& command, const std::string& word) {
  for (const CLI::Option* option : command.get_options())
    for (const std::string& letter : option->get_snames())
      if (SameLetters(word, {"-" + letter}) != "") return DidYouMean(word, {"-" + letter});
  return "";
}

// What is wrong with `word`, which neither `app` nor its chosen subcommand knows.
std::string Unknown(const CLI::App& app, const CLI::App& command, const std::string& word) {
  if (word.size() > 1 && word[0] == '-') {
    const std::string name = word.substr(0, word.find('='));
    const std::string other = OtherCase(command, name);
    return fmt::format("unknown option {}{}", Quoted(name),
                       other.empty() ? DidYouMean(name, OptionNames(command)) : other);
  }
  if (&command == &app)
    return fmt::format("unknown command {}{}", Quoted(word), DidYouMean(word, CommandNames(app)));
  return fmt::format("{} is one argument too many{}", Quoted(word), MeantFor(command));
}

// What CLI11 says, as our own options say it: what was given, and what was expected.
std::string Explain(const CLI::App& command, const CLI::ParseError& error) {
  const std::string what = error.what();
  std::string name = what.substr(0, what.find_first_of(": "));
  const CLI::Option* option = command.get_option_no_throw(name);
  if (!option) {  // of a flag CLI11 says the name without "--"
    name.insert(0, "--");
    option = command.get_option_no_throw(name);
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error)) {
    const CLI::Option* missing = command.get_option_no_throw(what.substr(0, what.find(' ')));
    if (missing && missing->get_positional())  // as the line of usage calls it
      return fmt::format("{} is required", missing->get_option_text());
  }
  if (dynamic_cast<const CLI::ExcludesError*>(&error)) {
    const std::string other = what.substr(what.rfind(' ') + 1);
    return fmt::format("{}: given together with {}, expected one of them", name, other);
  }
  if (!option || !dynamic_cast<const CLI::ArgumentMismatch*>(&error)) return what;
  if (option->get_expected_max() == 0)
    return fmt::format("{}: given with a value, expected none", name);
  return fmt::format("{}: no value given, expected {}", name, option->get_type_name());
}

void ExplainCommand(const CLI::App& app, const std::string& name) {
  const CLI::App* command = nullptr;
  for (const CLI::App* known : app.get_subcommands(nullptr))
    if (known->get_name() == name) command = known;
  if (!name.empty() && !command)
    throw CLI::ValidationError(
        "COMMAND", fmt::format("{} given, expected {}{}", Quoted(name), OneOf(CommandNames(app)),
                               DidYouMean(name, CommandNames(app))));
  // Not app.help(), which is that of the command that was chosen: `help`.
  const std::string page =
      command ? command->help("normkit")
              : app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal);
  std::fputs(page.c_str(), stdout);
}

// What `normkit` alone prints.
std::string ShortHelp(const CLI::App& app) {
  return fmt::format(
      "normkit: {}\n\n{}\n"
      "normkit --help lists the commands, normkit COMMAND --help explains one.\n",
      app.get_description(), app.get_footer());
}

// Prints help (0), or what is wrong with the command line (2).
int ExplainUsage(const CLI::App& app, const CLI::ParseError& error,
                 const std::map<std::string, std::string>& sources) {
  constexpr int kUsage = 2;
  if (error.get_exit_code() == 0) return app.exit(error);
  const auto chosen = app.get_subcommands();
  const CLI::App& command = chosen.empty() ? app : *chosen.back();
  const std::string name = chosen.empty() ? "normkit" : "normkit " + command.get_name();
  // An unknown word explains more than what is missing because of it.
  const std::vector<std::string> unknown = command.remaining();
  const std::string what =
      unknown.empty() ? Explain(command, error) : Unknown(app, command, unknown.front());
  const auto source = sources.find(what.substr(0, what.find(':')));
  const std::string from = source == sources.end() ? "" : fmt::format(" (in {})", source->second);
  fmt::print(stderr, "{}\n",
             OneLine(fmt::format("{}: {}{} (see {} --help)", name, what, from, name)));
  return kUsage;
}

}  // namespace

Program::Program() {
  CLI::App& app = command_.app();
  app.name("normkit");
  app.description("Normalization layers: train networks with them, look at the result, use it.");
  const auto formatter = std::make_shared<HelpFormatter>();
  formatter->label("SUBCOMMAND", "COMMAND");
  app.formatter(formatter);
  app.set_help_flag("-h,--help", "Show this help");
  app.set_version_flag("-V,--version", std::string(),
                       "Show the version, and those of the libraries");
  app.require_subcommand(0, 1);  // a file may be called like a command
  app.footer(
      "  normkit train --data digits --output out\n"
      "  normkit eval out/model.onnx --data digits\n"
      "  normkit inspect out/model.onnx\n");
}

Command AddCommand(const Command& app, const std::string& name, const std::string& description,
                   const std::vector<std::string>& examples) {
  CLI::App& command = *app.app().add_subcommand(name, description)->group("Commands");
  std::string lines;
  for (const std::string& example : examples) lines += "  " + example + "\n";
  command.footer(lines);
  return Command(command);
}

void AddHelp(const Command& app) {
  struct Args {
    std::string name, shell;
    bool manual = false;
  };
  auto args = std::make_shared<Args>();
  const Command command =
      AddCommand(app, "help", "Explain a command, to people or to a shell",
                 {"normkit help train", "source <(normkit help --completion bash)"});
  const Option name = AddText(command, "command", args->name, "COMMAND", "The command to explain");
  const Option shell =
      AddChoice(command, "--completion", args->shell, Shells(),
                "Print a script with which this shell completes command lines: " + OneOf(Shells()));
  shell.Excludes(name);
  AddFlag(command, "--man", args->manual, "Print the manual page, as man reads it")
      .Excludes(name)
      .Excludes(shell);
  command.Run([app, args] {
    const std::vector<CommandFacts> facts = FactsOfCommands(app);
    if (!args->shell.empty())
      std::fputs(CompletionScript(args->shell, facts).c_str(), stdout);
    else if (args->manual)
      std::fputs(ManualPage(app.app().get_description(), facts).c_str(), stdout);
    else
      ExplainCommand(app.app(), args->name);
  });
}

std::vector<std::string> Program::Words(int argc, char** argv) const {
  const CLI::App& app = command_.app();
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  const CLI::App* command = &app;
  for (const CLI::App* known : app.get_subcommands(nullptr))
    if (!words.empty() && known->get_name() == words[0]) command = known;
  const std::vector<std::string> names = OptionNames(*command);
  std::vector<std::string> result;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--") {  // the rest is none of ours
      result.insert(result.end(), words.begin() + static_cast<ptrdiff_t>(i), words.end());
      break;
    }
    const size_t equals = words[i].find('=');
    const std::string name = words[i].substr(0, equals);
    const bool option = name.starts_with("--");
    // Of the usual words for an option ("--lr") the one that all of the program knows it by.
    const CLI::Option* found = option ? command->get_option_no_throw(name) : nullptr;
    const bool known = found != nullptr;
    if (option && !known) found = command->get_option_no_throw(SameLetters(name, names));
    const std::string same = found ? found->get_name() : "";
    if (!same.empty()) words[i].replace(0, name.size(), same);
    if (option && equals == words[i].size() - 1 && (known || !same.empty())) {
      // CLI11 would take the next word for the value of "--name=".
      result.push_back(words[i].substr(0, words[i].size() - 1));
      result.emplace_back();
    } else {
      result.push_back(words[i]);
    }
  }
  return result;
}

namespace {
// The words of a command with those of the file that it names.
std::vector<std::string> WithConfig(CLI::App& app, const std::vector<std::string>& words,
                                    std::map<std::string, std::string>& sources) {
  for (CLI::App* command : app.get_subcommands(nullptr)) {
    if (words.empty() || command->get_name() != words[0]) continue;
    const std::vector<std::string> own(words.begin() + 1, words.end());
    std::vector<std::string> all = WordsOfConfig(Command(*command), own, sources);
    all.insert(all.begin(), words[0]);
    all.insert(all.end(), own.begin(), own.end());
    for (const std::string& word : own) sources.erase(word.substr(0, word.find('=')));
    return all;
  }
  return words;
}
}  // namespace

int Program::Run(const std::vector<std::string>& words) const {
  CLI::App& app = command_.app();
  std::map<std::string, std::string> sources;
  try {
    command_.Parse(WithConfig(app, words, sources));
    if (app.get_subcommands().empty()) std::fputs(ShortHelp(app).c_str(), stdout);
  } catch (const CLI::CallForVersion&) {
    std::fputs(VersionText().c_str(), stdout);
  } catch (const CLI::ParseError& error) {
    return ExplainUsage(app, error, sources);
  }
  return 0;
}

}  // namespace normkit::tools
