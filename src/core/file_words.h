// What messages about files say of them.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

namespace normkit {

// Why the last call of the system failed.
inline std::string Reason() { return std::strerror(errno); }

// "a folder", "a named pipe"; "" for a regular file.
inline std::string_view KindOfFile(mode_t mode) {
  if (S_ISREG(mode)) return "";
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a named pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace normkit
