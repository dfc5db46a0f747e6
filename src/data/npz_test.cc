#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "normkit/data/npy.h"
#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/data/array_samples.h"

namespace normkit {
namespace {

std::string Written(const std::map<std::string, NpyArray>& arrays) {
  const TestFolder folder;
  WriteNpz(folder / "a.npz", arrays);
  return ReadFile(folder / "a.npz");
}

TEST(NpzTest, RoundTrip) {
  const std::string bytes =
      Written({{"x", ByteArray({2, 3}, "abcdef")}, {"y", ByteArray({0}, "")}});
  const auto arrays = ParseNpz(bytes, "a.npz");
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_EQ(arrays.at("x").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(arrays.at("x").AsIntegers().back(), 'f');
  EXPECT_EQ(arrays.at("y").size(), 0);
  EXPECT_EQ(ParseNpz(bytes + "", "a.npz").size(), 2u);
  EXPECT_TRUE(ParseNpz(Written({}), "a.npz").empty());
}

TEST(NpzTest, ReadsDeflatedMembersZip64AndComments) {
  ZipParts archive;
  EXPECT_EQ(ParseNpz(archive.ToString(), "a").at("x").AsIntegers()[2], 'c');
  std::string commented = archive.ToString();
  commented[commented.size() - 2] = 7;
  EXPECT_EQ(ParseNpz(commented + "comment", "a").size(), 1u);
  archive.zip64 = true;
  EXPECT_EQ(ParseNpz(archive.ToString(), "a").at("x").AsIntegers()[2], 'c');
}

TEST(NpzTest, OtherMembersArePassedOver) {
  std::string bytes = ZipParts().ToString();
  for (size_t at; (at = bytes.find("x.npy")) != bytes.npos;) bytes.replace(at, 5, "x.txt");
  EXPECT_TRUE(ParseNpz(bytes, "a").empty());
}

TEST(NpzTest, DamageIsNamed) {
  const auto parse = [](const ZipParts& archive) { ParseNpz(archive.ToString(), "a.npz"); };
  EXPECT_ERROR(ParseNpz("PK", "a.npz"), "a.npz: is not an .npz file (no ZIP archive)");
  EXPECT_ERROR(ParseNpz(std::string(100'000, 'x'), "a.npz"),
               "a.npz: is not an .npz file (no ZIP archive)");
  ZipParts archive;
  archive.flags = 1;
  EXPECT_ERROR(parse(archive), "a.npz: member 'x.npy': is encrypted, expected a plain one");
  archive.flags = 0;
  archive.method = 12;
  EXPECT_ERROR(parse(archive),
               "a.npz: member 'x.npy': compression method 12, expected 0 (stored) or 8 (deflated)");
  archive.method = 8;
  archive.crc = 1;
  EXPECT_ERROR(parse(archive), fmt::format("a.npz: member 'x.npy': its check sum is 0x{:08x}, "
                                           "expected 0x00000001",
                                           ZipParts().crc));
  archive = ZipParts();
  archive.size = 3;
  EXPECT_ERROR(parse(archive), "a.npz: member 'x.npy': has more than 3 bytes, expected 3");
  archive.size = 1000;
  EXPECT_ERROR(parse(archive), "a.npz: member 'x.npy': has 131 bytes, expected 1000");
  archive.size = 4'000'000'000;
  EXPECT_ERROR(parse(archive),
               fmt::format("a.npz: member 'x.npy': 4000000000 bytes cannot come from {} compressed "
                           "ones",
                           archive.compressed.size()));
  archive = ZipParts();
  archive.compressed.resize(10);
  EXPECT_ERROR(parse(archive),
               "a.npz: member 'x.npy': the compressed data ends too early, after 9 bytes "
               "decompressed");
  archive.compressed = "\xff\xff\xff";
  EXPECT_ERROR(parse(archive),
               "a.npz: member 'x.npy': the compressed data is corrupt after 0 bytes decompressed "
               "(invalid block type)");
}

TEST(NpzTest, DamagedDirectoryIsNamed) {
  const std::string good = ZipParts().ToString();
  const size_t entry = good.find("PK\1\2"), end = good.size() - 22;
  const auto with = [&](size_t at, const std::string& bytes) {
    return std::string(good).replace(at, bytes.size(), bytes);
  };
  EXPECT_ERROR(ParseNpz(with(entry, "QK"), "a.npz"),
               fmt::format("a.npz: damaged ZIP archive: a directory entry at byte {} begins with "
                           "0x02014b51, expected 0x02014b50",
                           entry));
  EXPECT_ERROR(ParseNpz(with(0, "QK"), "a.npz"),
               "a.npz: damaged ZIP archive: a member at byte 0 begins with 0x04034b51, expected "
               "0x04034b50");
  EXPECT_ERROR(ParseNpz(with(end + 16, Number(99999, 4)), "a.npz"),
               fmt::format("a.npz: damaged ZIP archive: 51 bytes are expected at byte 99999, but "
                           "the file has {}",
                           good.size()));
  EXPECT_ERROR(ParseNpz(with(end + 10, Number(2, 2)), "a.npz"),
               "a.npz: damaged ZIP archive: 2 members do not fit a directory of 51 bytes");
}

TEST(NpzTest, MembersMayNotShareBytesOrNames) {
  std::string bytes = Written({{"w", ByteArray({200}, std::string(200, 'a'))},
                               {"x", ByteArray({200}, std::string(200, 'b'))}});
  const size_t second = bytes.rfind("x.npy");
  std::string twice = bytes;
  twice[second] = 'w';
  EXPECT_ERROR(ParseNpz(twice, "a.npz"), "a.npz: has two members 'w.npy'");
  std::string large = bytes;
  const size_t first = bytes.find("PK\1\2");
  large.replace(first + 20, 4, Number(bytes.size(), 4));
  EXPECT_ERROR(ParseNpz(large, "a.npz"), "a.npz: damaged ZIP archive: its members overlap");
}

// Many entries that all point at the same large member.
TEST(NpzTest, OverlappingMembersAreRefused) {
  const ZipParts archive;
  const std::string one = archive.ToString();
  const size_t begin = one.find("PK\1\2"), end = one.size() - 22;
  std::string bytes = one.substr(0, begin);
  for (int i = 0; i < 100; ++i) {
    std::string entry = one.substr(begin, end - begin);
    entry[46] = static_cast<char>('A' + i);
    entry.replace(20, 4, Number(begin / 2, 4));  // compressed
    entry.replace(24, 4, Number(begin / 2, 4));
    entry.replace(10, 2, Number(0, 2));
    bytes += entry;
  }
  std::string tail = one.substr(end);
  tail.replace(10, 2, Number(100, 2));
  tail.replace(12, 4, Number(100 * (end - begin), 4));
  EXPECT_THROW(ParseNpz(bytes + tail, "a.npz"), Error);
}

TEST(NpzTest, WritingErrors) {
  const NpyArray wrong{"<f4", {2}, std::vector<std::byte>(4)};
  EXPECT_ERROR(WriteNpz("a.npz", {{"x", wrong}}),
               "a.npz: member 'x.npy': 4 bytes of elements are given, expected 8 (<f4 [2])");
  const std::string name(70'000, 'n');
  EXPECT_ERROR(WriteNpz("a.npz", {{name, ByteArray({0}, "")}}),
               "a.npz: member '" + name +
                   ".npy': does not fit, an .npz is written with up to 65534 members and 4 GiB in "
                   "all");
}

}  // namespace
}  // namespace normkit
