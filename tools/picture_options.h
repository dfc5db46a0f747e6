// Pictures that a command line names, and what it says of them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tools/command.h"

namespace normkit::tools {

// Files, and the pictures in folders; a line tells what is in these. Folders without any count as
// failed.
std::vector<std::string> PictureFiles(const std::vector<std::string>& paths, size_t& failed);

// --range: the value of white, 255 or 1; with `may_be_auto` also 0, "auto".
void AddRangeOption(const Command& command, double& largest, bool may_be_auto,
                    const std::string& description);

}  // namespace normkit::tools
