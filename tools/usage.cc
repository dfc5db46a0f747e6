#include "tools/usage.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/core/suggest.h"
#include "tools/commands.h"

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
    return page;
  }

  std::string make_subcommand(const CLI::App* command) const override {
    return Row(command->get_name(), command->get_description());
  }

  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    std::string name = make_option_name(option, is_positional);
    if (!is_positional && option->get_type_size() != 0) name += " " + Kind(option);
    if (option->get_expected_max() == CLI::detail::expected_max_vector_size) name += " ...";
    std::string text = option->get_description();
    std::vector<std::string> notes;
    if (option->get_required()) notes.push_back("required");
    if (!Range(option).empty()) notes.push_back(Range(option));
    if (!option->get_required() && !option->get_default_str().empty())
      notes.push_back("default " + option->get_default_str());
    if (!notes.empty()) text += " (" + fmt::format("{}", fmt::join(notes, ", ")) + ")";
    return Row(name, text);
  }

 private:
  // CLI11 says "INT:INT in [1 - 1024]" of an option with a range.
  static std::string Kind(const CLI::Option* option) {
    const std::string text =
        option->get_option_text().empty() ? option->get_type_name() : option->get_option_text();
    return text.substr(0, text.find(':'));
  }
  static std::string Range(const CLI::Option* option) {
    const std::string type = option->get_type_name();
    const size_t range = type.find(" in [");
    return range == std::string::npos ? "" : type.substr(range + 1);
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

// What is wrong with `word`, which neither `app` nor its chosen subcommand knows.
std::string Unknown(const CLI::App& app, const CLI::App& command, const std::string& word) {
  if (word.size() > 1 && word[0] == '-') {
    const std::string name = word.substr(0, word.find('='));
    return fmt::format("unknown option '{}'{}", name, DidYouMean(name, OptionNames(command)));
  }
  if (&command == &app)
    return fmt::format("unknown command '{}'{}", word, DidYouMean(word, CommandNames(app)));
  return fmt::format("'{}' is one argument too many", word);
}

// CLI11 says "Could not convert: --epochs = ten": add what was expected.
std::string Conversion(const CLI::App& command, const std::string& what) {
  const size_t colon = what.find(": "), equals = what.find(" = ");
  if (colon == std::string::npos || equals == std::string::npos) return what;
  const std::string name = what.substr(colon + 2, equals - colon - 2);
  const CLI::Option* option = command.get_option_no_throw(name);
  const std::string kind = option ? option->get_type_name() : "";
  const char* expected = kind == "INT"     ? "a whole number"
                         : kind == "UINT"  ? "a whole number, 0 or more"
                         : kind == "FLOAT" ? "a number"
                                           : "another kind of value";
  return fmt::format("{}: '{}' given, expected {}", name, what.substr(equals + 3), expected);
}

}  // namespace

void SetUpApp(CLI::App& app) {
  const auto formatter = std::make_shared<HelpFormatter>();
  formatter->label("SUBCOMMAND", "COMMAND");
  app.formatter(formatter);
  app.set_help_flag("-h,--help", "Show this help");
  app.set_version_flag("--version", std::string(), "Show the version, and those of the libraries");
  app.footer(
      "  normkit train --data digits --output out\n"
      "  normkit eval out/model.onnx --data digits\n"
      "  normkit inspect out/model.onnx\n");
}

CLI::App& AddCommand(CLI::App& app, const std::string& name, const std::string& description,
                     const std::vector<std::string>& examples) {
  CLI::App& command = *app.add_subcommand(name, description)->group("Commands");
  std::string lines;
  for (const std::string& example : examples) lines += "  " + example + "\n";
  command.footer(lines);
  return command;
}

std::string ShortHelp(const CLI::App& app) {
  return fmt::format(
      "normkit: {}\n\n{}\n"
      "normkit --help lists the commands, normkit COMMAND --help explains one.\n",
      app.get_description(), app.get_footer());
}

int ExplainUsage(const CLI::App& app, const CLI::ParseError& error) {
  constexpr int kUsage = 2;
  if (error.get_exit_code() == 0) return app.exit(error);
  const auto chosen = app.get_subcommands();
  const CLI::App& command = chosen.empty() ? app : *chosen.back();
  const std::string name = chosen.empty() ? "normkit" : "normkit " + command.get_name();
  // An unknown word explains more than what is missing because of it.
  const std::vector<std::string> unknown = command.remaining();
  std::string what = error.what();
  if (!unknown.empty())
    what = Unknown(app, command, unknown.front());
  else if (dynamic_cast<const CLI::ConversionError*>(&error))
    what = Conversion(command, what);
  fmt::print(stderr, "{}: {} (see {} --help)\n", name, what, name);
  return kUsage;
}

}  // namespace normkit::tools
