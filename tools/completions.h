// What shells complete of the program's command lines, and its manual page.
#pragma once

#include <string>
#include <vector>

#include "tools/command_facts.h"

namespace normkit::tools {

const std::vector<std::string>& Shells();  // bash, zsh, fish

// A script of such a shell that completes commands, options, the words that options take, and
// files.
std::string CompletionScript(const std::string& shell, const std::vector<CommandFacts>& commands);

// normkit(1), as troff.
std::string ManualPage(const std::string& description, const std::vector<CommandFacts>& commands);

}  // namespace normkit::tools
