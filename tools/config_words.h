// Options from a file, --config, and defaults of another program, --defaults, as words of the
// command line: what is wrong with them is said as of any option, and any command may have them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/command.h"

namespace normkit::tools {

// Declares both. A file is a JSON object of options, named as on the command line or as in C++ or
// the toolbox: {"max-epochs": 5, "norm": "group:8"}. What the command line says counts more than a
// file, which counts more than the defaults.
void AddConfigOptions(const Command& command);

// What stands in the file and the defaults that `words`, those behind the name of the command, name
// and that they do not say themselves: words that go before them. `sources` gets the files by the
// options that come from them. Throws Error where a file cannot be read or has an option that the
// command has not.
std::vector<std::string> WordsOfConfig(const Command& command,
                                       const std::vector<std::string>& words,
                                       std::map<std::string, std::string>& sources);

// A value as a shell takes it, which has uses of its own for * and blanks.
std::string ForShell(const std::string& value);

}  // namespace normkit::tools
