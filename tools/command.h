// What a command line is declared with. CLI11 stands behind it, and only command.cc and usage.cc
// see its headers: they cost the compiler six seconds a file.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace normkit::tools {

// A wrong command line (exit code 2): what is wrong with the value of an option.
[[noreturn]] void FailUsage(const std::string& option, const std::string& message);

// An option that was declared, to say more of it.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option Required(bool is = true) const;
  // What help shows as the default, or for the value.
  Option Default(const std::string& text) const;
  Option Kind(const std::string& kind) const;
  // Goes on what help says.
  Option More(const std::string& text) const;
  // Given together with the other it is an error.
  Option Excludes(Option other) const;
  // Whether the command line, once parsed, has it.
  bool given() const;
  bool is_flag() const;

 private:
  CLI::Option* option_;
};

// A command whose options are declared and then parsed. Copies mean the same command.
class Command {
 public:
  // One that stands alone.
  Command();
  // A part of another, or the program: lives as long as that does.
  explicit Command(CLI::App& app);

  // Does `work` where the command is chosen. What it throws decides how the program ends: Error is
  // failed work (exit code 1), FailUsage a wrong command line.
  void Run(std::function<void()> work) const;

  // The first name of each option, with dashes.
  std::vector<std::string> OptionNames() const;
  // The first name of the option that has a name of the same letters; "": there is none.
  std::string FirstNameOf(const std::string& name) const;
  Option Find(const std::string& name) const;

  // Where `option` is given the others need not be.
  void Replaces(const std::string& option, const std::vector<std::string>& others) const;

  // The options that were given, as words of a command line, but for those in `except`.
  std::vector<std::string> GivenOptions(const std::vector<std::string>& except) const;

  // Takes words of a command line, without the name of the command; throws std::exception.
  void Parse(const std::vector<std::string>& words) const;

  CLI::App& app() const { return *app_; }

 private:
  std::shared_ptr<CLI::App> app_;
};

// Declares an option of one value: `take` is called with its text and throws Error "'x' given,
// expected ...". `names` are "--name", "-n,--name", "--name,--older-name" or "POSITIONAL"; `kind`
// is what help shows for the value, `expected` what messages say is wanted.
Option AddValue(const Command& command, const std::string& names, const std::string& kind,
                const std::string& expected, const std::string& description,
                std::function<void(const std::string&)> take);

// The same for an option of several values, in one word or several: "a,b", "a, b", "a b".
Option AddList(const Command& command, const std::string& names, const std::string& kind,
               const std::string& expected, const std::string& description,
               std::function<void(const std::vector<std::string>&)> take);

// A flag; it takes no value.
Option AddFlag(const Command& command, const std::string& names, bool& value,
               const std::string& description);

// A text that is not empty. `kind` as help shows it: FILE, DIR ("a path"), or another.
Option AddText(const Command& command, const std::string& names, std::string& value,
               const std::string& kind, const std::string& description);

// Paths, one a word: the last positional argument.
Option AddFiles(const Command& command, const std::string& name, std::vector<std::string>& files,
                const std::string& description);

}  // namespace normkit::tools
