// A folder of pictures, or of sequences, with a folder a class.
#pragma once

#include <string>

#include "normkit/data/source.h"

namespace normkit {

// Pictures of all classes up to this many bytes are decoded once, when the folder is opened, and
// kept; above, each is decoded whenever it is read.
inline constexpr int64_t kMaxKeptBytes = int64_t{1} << 30;

DataPtr OpenFolder(const std::string& path, const OpenOptions& options,
                   int64_t max_kept_bytes = kMaxKeptBytes);

}  // namespace normkit
