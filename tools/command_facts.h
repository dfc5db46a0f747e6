// What a command line is, as data: for shells that complete it, and for the manual page.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tools/command.h"

namespace normkit::tools {

struct OptionFacts {
  std::vector<std::string> names = {};  // "-o", "--output"; none: an argument by its place
  std::string kind = {}, description = {}, default_text = {};  // kind "": a flag
  std::vector<std::string> choices = {};                       // where the values are these words
  bool required = false;
};

struct CommandFacts {
  std::string name = {}, description = {}, examples = {};
  std::vector<OptionFacts> options = {};
};

CommandFacts FactsOf(const Command& command);
// Those of the commands of a program.
std::vector<CommandFacts> FactsOfCommands(const Command& program);

// Variables of the environment that the program reads, and what for.
const std::vector<std::pair<std::string, std::string>>& EnvironmentFacts();

}  // namespace normkit::tools
