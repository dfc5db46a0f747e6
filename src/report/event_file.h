// Files that TensorBoard reads: scalars by their steps.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace normkit {

// CRC-32C (Castagnoli; RFC 3720, appendix B.4).
uint32_t Crc32c(std::string_view bytes);

// One event file, "events.out.tfevents.SECONDS.HOST.PID.N", in the format of TensorFlow: records of
// a length, its checksum, an Event (a protobuf message) and its checksum; checksums are CRC-32C,
// turned and shifted.
class EventFile {
 public:
  // Makes the folder where it is missing. Throws Error where the file cannot be written.
  explicit EventFile(const std::string& folder);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // Events of a run before from this step on are void: training goes on from a checkpoint.
  void BeginAt(int64_t step);
  // Allocates nothing once it has been called. What cannot be written any more (a full disk) is a
  // warning, once.
  void Add(int64_t step, std::string_view tag, double value);
  // Hands on what was added, at most once a second; `now`: in any case.
  void Flush(bool now = false);

 private:
  void Write(std::string_view event);

  std::string path_, record_, event_, summary_;
  std::FILE* file_ = nullptr;
  double flushed_ = 0;
  bool lost_ = false;
};

}  // namespace normkit
