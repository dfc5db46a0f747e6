// Observations in an .npz file.
#pragma once

#include <string>

#include "normkit/data/source.h"

namespace normkit {

DataPtr OpenNpz(const std::string& path, const OpenOptions& options);

}  // namespace normkit
