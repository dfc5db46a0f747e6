#include "src/live/dependencies.h"

#include <httplib.h>

namespace normkit {

std::vector<Dependency> LiveDependencies() { return {{"cpp-httplib", CPPHTTPLIB_VERSION, "MIT"}}; }

}  // namespace normkit
