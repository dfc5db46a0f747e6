// Reading and writing whole files, safely.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace normkit {

// The bytes of a file. Throws Error "PATH: cannot be read: No such file or directory", and where
// the file is larger than max_bytes.
std::string ReadFile(const std::string& path, uint64_t max_bytes = uint64_t{1} << 34);

// Writes to a temporary name beside `path`, syncs and renames: whoever interrupts leaves the old
// file or the new one. Throws Error with the path and the system's reason.
void WriteFile(const std::string& path, std::string_view bytes);

// Makes a folder and its parents. Throws Error with the path and the system's reason.
void MakeFolder(const std::string& path);

}  // namespace normkit
