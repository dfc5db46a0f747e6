#include "src/report/event_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/log.h"

namespace normkit {
namespace {

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = MakeTable();

// As the format wants it: a checksum of bytes that hold checksums would be a poor one.
uint32_t Masked(uint32_t crc) { return std::rotr(crc, 15) + 0xa282ead8U; }

template <class T>
void PutBytes(std::string& out, T value) {
  static_assert(std::endian::native == std::endian::little);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Fields of protobuf messages: a key (number and wire type), then the value.
enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

void PutVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}
void PutKey(std::string& out, uint64_t number, WireType type) {
  PutVarint(out, number << 3 | type);
}
void PutText(std::string& out, uint64_t number, std::string_view text) {
  PutKey(out, number, kLength);
  PutVarint(out, text.size());
  out += text;
}

double SecondsSince1970() {
  const std::chrono::duration<double> seconds = std::chrono::system_clock::now().time_since_epoch();
  return seconds.count();
}

// Event { double wall_time = 1; int64 step = 2; ... }
void BeginEvent(std::string& event, int64_t step) {
  event.clear();
  PutKey(event, 1, kFixed64);
  PutBytes(event, SecondsSince1970());
  PutKey(event, 2, kVarint);
  PutVarint(event, static_cast<uint64_t>(step));
}

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  return name;
}

}  // namespace

uint32_t Crc32c(std::string_view bytes) {
  uint32_t crc = ~0U;
  for (const char byte : bytes)
    crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~crc;
}

EventFile::EventFile(const std::string& folder) {
  static std::atomic<int> count{0};
  MakeFolder(folder);
  path_ = fmt::format("{}/events.out.tfevents.{:010.0f}.{}.{}.{}", folder, SecondsSince1970(),
                      HostName(), getpid(), count++);
  file_ = std::fopen(path_.c_str(), "wbxe");
  if (!file_) Fail("{}: cannot be written: {}", path_, std::strerror(errno));
  BeginEvent(event_, 0);
  PutText(event_, 3, "brain.Event:2");  // file_version
  Write(event_);
  Flush(true);
  if (lost_) {
    std::fclose(file_);
    Fail("{}: cannot be written", path_);
  }
}

EventFile::~EventFile() {
  Flush(true);
  std::fclose(file_);
}

// SessionLog { status = 1; START = 1 } is field 7.
void EventFile::BeginAt(int64_t step) {
  BeginEvent(event_, step);
  std::string_view start("\x08\x01", 2);
  PutText(event_, 7, start);
  Write(event_);
}

// Event.summary = 5; Summary.value = 1; Value { tag = 1; float simple_value = 2 }
void EventFile::Add(int64_t step, std::string_view tag, double value) {
  summary_.clear();
  PutText(summary_, 1, tag);
  PutKey(summary_, 2, kFixed32);
  PutBytes(summary_, static_cast<float>(value));
  record_.clear();
  PutText(record_, 1, summary_);
  BeginEvent(event_, step);
  PutText(event_, 5, record_);
  Write(event_);
}

void EventFile::Write(std::string_view event) {
  record_.clear();
  PutBytes(record_, uint64_t{event.size()});
  PutBytes(record_, Masked(Crc32c(record_)));
  record_ += event;
  PutBytes(record_, Masked(Crc32c(event)));
  if (lost_ || std::fwrite(record_.data(), 1, record_.size(), file_) == record_.size()) return;
  lost_ = true;
  Warn("{}: cannot be written: {}; it ends here, training goes on", path_, std::strerror(errno));
}

void EventFile::Flush(bool now) {
  const double time = SecondsSince1970();
  if (lost_ || (!now && time - flushed_ < 1 && time >= flushed_)) return;
  flushed_ = time;
  if (std::fflush(file_) == 0) return;
  lost_ = true;
  Warn("{}: cannot be written: {}; it ends here, training goes on", path_, std::strerror(errno));
}

}  // namespace normkit
