#include <cstdio>

#include "src/core/log_lines.h"

namespace normkit {

void WriteLogLine(std::string_view line, bool) {
  std::fprintf(stderr, "normkit: %.*s\n", static_cast<int>(line.size()), line.data());
}

}  // namespace normkit
