// Where lines of the log go. libnormkit and the program: spdlog (log_spdlog.cc); libnormkit_norm,
// which stands on nothing: stderr (standalone/log_stderr.cc).
#pragma once

#include <string_view>

namespace normkit {

// Writes "normkit: LINE".
void WriteLogLine(std::string_view line, bool detail);

}  // namespace normkit
