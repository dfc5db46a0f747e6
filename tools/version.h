// What `normkit --version` prints.
#pragma once

#include <string>

namespace normkit::tools {

// The version and licence of normkit and of every library behind it; the version of the library in
// use where it can be asked, else that of its headers.
std::string VersionText();

}  // namespace normkit::tools
