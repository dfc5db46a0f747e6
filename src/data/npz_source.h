// Observations in an .npz file.
#pragma once

#include <string>

#include "normkit/data/source.h"

namespace normkit {

// `part`: train, val or test, of a file that has several; "": the first there is.
DataPtr OpenNpz(const std::string& path, const OpenOptions& options, const std::string& part = "");

}  // namespace normkit
