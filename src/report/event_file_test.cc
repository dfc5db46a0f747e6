#include "src/report/event_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <filesystem>

#include "normkit/core/error.h"
#include "src/core/files.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

TEST(Crc32cTest, IsThatOfTheStandard) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

template <class T>
T At(const std::string& bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// The messages of a file, whose lengths and checksums are right.
std::vector<std::string> ReadRecords(const std::string& bytes) {
  std::vector<std::string> records;
  const auto check = [](const std::string& part, uint32_t masked) {
    EXPECT_EQ(std::rotl(masked - 0xa282ead8u, 15), Crc32c(part));
  };
  for (size_t at = 0; at < bytes.size();) {
    const auto size = At<uint64_t>(bytes, at);
    check(bytes.substr(at, 8), At<uint32_t>(bytes, at + 8));
    records.push_back(bytes.substr(at + 12, size));
    check(records.back(), At<uint32_t>(bytes, at + 12 + size));
    at += 16 + size;
  }
  return records;
}

std::string OnlyFile(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().string());
  EXPECT_EQ(names.size(), 1u);
  return names.at(0);
}

TEST(EventFileTest, HoldsScalarsByStep) {
  const TestFolder folder;
  const std::string inner = folder.path() + "/a/b";
  {
    EventFile file(inner);
    file.BeginAt(300);
    file.Add(300, "loss", 0.5);
  }
  const std::string name = OnlyFile(inner);
  EXPECT_THAT(name, testing::ContainsRegex("/events.out.tfevents.[0-9]{10}.[^/]+.[0-9]+.[0-9]+$"));
  const std::vector<std::string> records = ReadRecords(ReadFile(name));
  ASSERT_EQ(records.size(), 3u);
  // wall_time (9 bytes), step, what: 3 file_version, 7 session_log, 5 summary.
  EXPECT_EQ(records[0].substr(9), std::string("\x10\x00\x1a\x0d", 4) + "brain.Event:2");
  EXPECT_EQ(records[1].substr(9), std::string("\x10\xac\x02\x3a\x02\x08\x01", 7));
  EXPECT_EQ(records[2].substr(9), std::string("\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04"
                                              "loss\x15\x00\x00\x00\x3f",
                                              18));
  EXPECT_GT(At<double>(records[2], 1), 1.7e9);
}

TEST(EventFileTest, EachHasANameOfItsOwn) {
  const TestFolder folder;
  const EventFile one(folder.path()), other(folder.path());
  EXPECT_THROW(EventFile("/dev/null/x"), Error);
}

}  // namespace
}  // namespace normkit
