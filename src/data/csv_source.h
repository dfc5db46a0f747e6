// Tables as text (.csv): a row an observation, or a step of one sequence.
#pragma once

#include <string>

#include "normkit/data/source.h"

namespace normkit {

DataPtr OpenCsv(const std::string& path, const OpenOptions& options);

}  // namespace normkit
