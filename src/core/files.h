// Reading and writing whole files, safely.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace normkit {

// The bytes of a regular file. Throws Error "PATH: cannot be read: No such file or directory",
// where it is larger than max_bytes, and where it is a folder, a named pipe, a device or a socket:
// these have no end that one could wait for.
std::string ReadFile(const std::string& path, uint64_t max_bytes = uint64_t{1} << 34);

// The same, of the first `bytes` bytes only (all of them where there are fewer).
std::string ReadFileStart(const std::string& path, uint64_t bytes);

// What a path is that is no regular file: "a folder", "a named pipe", "a device", "a socket", "a
// link to nothing", or "" for regular files and what is not there.
std::string IrregularKind(const std::string& path);

// Writes to a temporary file beside `path`, syncs and renames: whoever interrupts leaves the old
// file or the new one. A link stays one: what it points at is replaced. Pipes and devices
// (/dev/null, /dev/stdout) are written to as they are; folders, sockets, disks and pipes that
// nobody reads are refused. Throws Error with the path and the system's reason.
void WriteFile(const std::string& path, std::string_view bytes);

// Throws the Error that WriteFile of so many bytes would throw now. Leaves nothing behind, not even
// where the process is killed.
void CheckWritable(const std::string& path, uint64_t bytes);

// Throws Error where the folder has no room for new files of these sizes, all at once. Likewise.
void CheckRoom(const std::string& folder, std::span<const uint64_t> bytes);

// Makes a folder and its parents. Throws Error with the path and the system's reason.
void MakeFolder(const std::string& path);

// Whether both paths name the same file, which is there; or would, were it made.
bool SameFile(const std::string& a, const std::string& b);

}  // namespace normkit
