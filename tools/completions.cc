#include "tools/completions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace normkit::tools {
namespace {

std::string NamesOf(const std::vector<CommandFacts>& commands) {
  std::string names;
  for (const CommandFacts& command : commands) names += (names.empty() ? "" : " ") + command.name;
  return names;
}

bool IsPlace(const OptionFacts& option) { return option.names.empty(); }

// The name that stands for an option where one is enough.
const std::string& NameOf(const OptionFacts& option) {
  const auto name = std::ranges::find_if(
      option.names, [](const std::string& text) { return text.starts_with("--"); });
  return name == option.names.end() ? option.names.front() : *name;
}

// The beginning of a description, on a line of its own: up to a semicolon or colon.
std::string Brief(const std::string& description) {
  return description.substr(0, std::min(description.find_first_of(";:("), description.size()));
}

// Arguments by their place that are words, not files: `normkit help train`, `normkit style train`.
std::string PlaceWords(const CommandFacts& command, const std::vector<CommandFacts>& commands) {
  if (command.name == "help") return NamesOf(commands);
  for (const OptionFacts& option : command.options)
    if (IsPlace(option) && !option.choices.empty())
      return fmt::format("{}", fmt::join(option.choices, " "));
  return "";
}

std::string Bash(const std::vector<CommandFacts>& commands) {
  std::string values, options;
  for (const CommandFacts& command : commands) {
    std::string names;
    for (const OptionFacts& option : command.options) {
      if (IsPlace(option)) continue;
      names += (names.empty() ? "" : " ") + NameOf(option);
      if (!option.choices.empty())
        values += fmt::format("    '{} {}') words='{}' ;;\n", command.name, NameOf(option),
                              fmt::join(option.choices, " "));
      else if (!option.kind.empty())  // a file, or what nobody knows
        values += fmt::format("    '{} {}') return ;;\n", command.name, NameOf(option));
    }
    options += fmt::format("    {}) options='{}' places='{}' ;;\n", command.name, names,
                           PlaceWords(command, commands));
  }
  return fmt::format(R"(# Completes normkit in bash; made by normkit help --completion bash.
_normkit() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words='' options='' places=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W '{0} --help --version' -- "$word")
    return
  fi
  case "${{COMP_WORDS[1]}} ${{COMP_WORDS[COMP_CWORD - 1]}}" in
{1}  esac
  case ${{COMP_WORDS[1]}} in
{2}  esac
  if [ -z "$words" ]; then
    words=$places
    case $word in -*) words=$options ;; esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -o default -F _normkit normkit
)",
                     NamesOf(commands), values, options);
}

// In single quotes of a shell; zsh's _arguments takes [ ] and : for its own.
std::string Quotes(const std::string& text, bool zsh) {
  std::string quoted;
  for (const char c : text) {
    if (c == '\'')
      quoted += "'\\''";
    else if (zsh && (c == '[' || c == ']' || c == ':'))
      quoted += std::string("\\") + c;
    else
      quoted += c;
  }
  return quoted;
}

std::string Zsh(const std::vector<CommandFacts>& commands) {
  std::string names, cases;
  for (const CommandFacts& command : commands) {
    names += fmt::format("    '{}:{}'\n", command.name, Quotes(Brief(command.description), true));
    cases += fmt::format("    {})\n      _arguments \\\n", command.name);
    for (const OptionFacts& option : command.options) {
      if (IsPlace(option)) continue;
      const std::string words =
          option.choices.empty() ? "_files" : fmt::format("({})", fmt::join(option.choices, " "));
      const std::string value =
          option.kind.empty() ? "" : fmt::format(":{}:{}", Quotes(option.kind, true), words);
      cases += fmt::format("        '{}[{}]{}' \\\n", NameOf(option),
                           Quotes(Brief(option.description), true), value);
    }
    const std::string places = PlaceWords(command, commands);
    cases += fmt::format("        '*::{}' ;;\n",
                         places.empty() ? "file:_files" : fmt::format("word:({})", places));
  }
  return fmt::format(R"(#compdef normkit
# Completes normkit in zsh; made by normkit help --completion zsh.
_normkit() {{
  local -a commands=(
{0}  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{1}  esac
}}
if [ "$funcstack[1]" = _normkit ]; then _normkit "$@"; else compdef _normkit normkit; fi
)",
                     names, cases);
}

std::string Fish(const std::vector<CommandFacts>& commands) {
  std::string script = "# Completes normkit in fish; made by normkit help --completion fish.\n";
  for (const CommandFacts& command : commands)
    script += fmt::format("complete -c normkit -n __fish_use_subcommand -f -a {} -d '{}'\n",
                          command.name, Quotes(Brief(command.description), false));
  for (const CommandFacts& command : commands) {
    const std::string of =
        fmt::format("complete -c normkit -n '__fish_seen_subcommand_from {}'", command.name);
    if (const std::string places = PlaceWords(command, commands); !places.empty())
      script += fmt::format("{} -f -a '{}'\n", of, places);
    for (const OptionFacts& option : command.options) {
      if (IsPlace(option)) continue;
      script += fmt::format("{} -l {}", of, NameOf(option).substr(2));
      if (!option.choices.empty())
        script += fmt::format(" -x -a '{}'", fmt::join(option.choices, " "));
      else if (!option.kind.empty())
        script += " -r -F";
      script += fmt::format(" -d '{}'\n", Quotes(Brief(option.description), false));
    }
  }
  return script;
}

// As troff takes text: a line may not begin with its commands, and a dash is one.
std::string Troff(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (result.empty() || result.back() == '\n')) result += "\\&";
    if (c == '-')
      result += "\\-";
    else if (c == '\\')
      result += "\\e";
    else
      result += c;
  }
  return result;
}

std::string ManualOption(const OptionFacts& option) {
  std::string names =
      IsPlace(option) ? option.kind : fmt::format("{}", fmt::join(option.names, ", "));
  if (!IsPlace(option) && !option.kind.empty()) names += " " + option.kind;
  std::string text = option.description;
  if (option.required) text += " (required)";
  if (!option.required && !option.default_text.empty())
    text += " (default " + option.default_text + ")";
  return ".TP\n.B " + Troff(names) + "\n" + Troff(text) + "\n";
}

}  // namespace

const std::vector<std::string>& Shells() {
  static const std::vector<std::string> shells{"bash", "zsh", "fish"};
  return shells;
}

std::string CompletionScript(const std::string& shell, const std::vector<CommandFacts>& commands) {
  if (shell == "bash") return Bash(commands);
  return shell == "zsh" ? Zsh(commands) : Fish(commands);
}

std::string ManualPage(const std::string& description, const std::vector<CommandFacts>& commands) {
  std::string page = ".TH NORMKIT 1\n.SH NAME\nnormkit \\- " + Troff(description) +
                     "\n.SH SYNOPSIS\n.B normkit\n.I COMMAND\n[OPTIONS]\n.SH COMMANDS\n";
  for (const CommandFacts& command : commands) {
    page += ".SS normkit " + Troff(command.name) + "\n" + Troff(command.description) + ".\n";
    if (!command.examples.empty()) page += ".PP\n.nf\n" + Troff(command.examples) + ".fi\n";
    for (const OptionFacts& option : command.options) page += ManualOption(option);
  }
  page += ".SH ENVIRONMENT\n";
  for (const auto& [name, text] : EnvironmentFacts())
    page += ".TP\n.B " + Troff(name) + "\n" + Troff(text) + "\n";
  return page +
         ".SH EXIT STATUS\n0: done; 1: the work failed; 2: the command line was wrong; 3: doctor "
         "found something.\n";
}

}  // namespace normkit::tools
