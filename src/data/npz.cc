#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/data/inflate.h"
#include "src/data/npy_format.h"

// An .npz is a ZIP archive of .npy members. The layout of its records: PKWARE's APPNOTE.TXT,
// sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14 to 4.3.16 (its end), 4.5.3
// (ZIP64).
namespace normkit {
namespace npz {  // named: NpzReader::Archive holds them

// Numbers at positions of the file; every access is checked.
class ZipBytes {
 public:
  ZipBytes(std::string_view bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  std::string_view Part(uint64_t at, uint64_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at)
      Fail("{}: damaged ZIP archive: {} bytes are expected at byte {}, but the file has {}", path_,
           size, at, bytes_.size());
    return bytes_.substr(at, size);
  }
  template <class T>
  T Get(uint64_t at) const {
    T value;
    std::memcpy(&value, Part(at, sizeof value).data(), sizeof value);
    return value;
  }
  void ExpectSignature(uint64_t at, uint32_t signature, std::string_view what) const {
    const auto found = Get<uint32_t>(at);
    if (found != signature)
      Fail("{}: damaged ZIP archive: {} at byte {} begins with 0x{:08x}, expected 0x{:08x}", path_,
           what, at, found, signature);
  }
  uint64_t size() const { return bytes_.size(); }
  const std::string& path() const { return path_; }

 private:
  std::string_view bytes_;
  const std::string& path_;
};

struct Member {
  std::string name;
  uint16_t flags, method;
  uint32_t crc;
  uint64_t compressed, size, local_header;
};

}  // namespace npz

namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50, kEnd = 0x06054b50,
                   kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr size_t kLocalSize = 30, kCentralSize = 46, kEndSize = 22, kEnd64Size = 56,
                 kLocatorSize = 20;
constexpr uint32_t kFull32 = 0xffffffff;
constexpr uint16_t kFull16 = 0xffff;
constexpr uint16_t kStored = 0, kDeflated = 8;

// Where the central directory lies.
struct Directory {
  uint64_t count, size, offset;
  uint64_t moved = 0;  // offsets count from here, where something stands before the archive
};

Directory FindDirectory(const npz::ZipBytes& zip) {
  // The end record is last but for a comment of up to 64 KiB.
  if (zip.size() < kEndSize) Fail("{}: is not an .npz file (no ZIP archive)", zip.path());
  uint64_t end = zip.size() - kEndSize;
  const uint64_t stop = end > kFull16 ? end - kFull16 : 0;
  while (zip.Get<uint32_t>(end) != kEnd ||
         end + kEndSize + zip.Get<uint16_t>(end + 20) > zip.size())
    if (end-- == stop) Fail("{}: is not an .npz file (no ZIP archive)", zip.path());
  Directory directory{zip.Get<uint16_t>(end + 10), zip.Get<uint32_t>(end + 12),
                      zip.Get<uint32_t>(end + 16)};
  const bool zip64 =
      directory.count == kFull16 || directory.size == kFull32 || directory.offset == kFull32;
  if (zip64 && end >= kLocatorSize && zip.Get<uint32_t>(end - kLocatorSize) == kLocator64) {
    const auto at = zip.Get<uint64_t>(end - kLocatorSize + 8);
    zip.Part(at, kEnd64Size);
    zip.ExpectSignature(at, kEnd64, "the ZIP64 end record");
    directory = {zip.Get<uint64_t>(at + 32), zip.Get<uint64_t>(at + 40),
                 zip.Get<uint64_t>(at + 48)};
  } else if (directory.size <= end && directory.offset < end - directory.size) {
    directory.moved = end - directory.size - directory.offset;
    directory.offset += directory.moved;
  }
  zip.Part(directory.offset, directory.size);
  if (directory.count > directory.size / kCentralSize)
    Fail("{}: damaged ZIP archive: {} members do not fit a directory of {} bytes", zip.path(),
         directory.count, directory.size);
  return directory;
}

// Sizes of 32 one bits stand in the ZIP64 extra field instead, in this order.
void ReadZip64Field(const npz::ZipBytes& zip, uint64_t at, uint64_t end, npz::Member& member) {
  while (at + 4 <= end) {
    const auto id = zip.Get<uint16_t>(at), size = zip.Get<uint16_t>(at + 2);
    at += 4;
    if (id == 1) {
      const uint64_t stop = std::min<uint64_t>(end, at + size);
      for (uint64_t* value : {&member.size, &member.compressed, &member.local_header})
        if (*value == kFull32 && at + 8 <= stop) *value = zip.Get<uint64_t>(at), at += 8;
      return;
    }
    at += size;
  }
}

// Reads the directory's entry at `at` and moves it on.
npz::Member ReadDirectoryEntry(const npz::ZipBytes& zip, uint64_t moved, uint64_t& at) {
  zip.ExpectSignature(at, kCentralHeader, "a directory entry");
  const auto name_size = zip.Get<uint16_t>(at + 28), extra_size = zip.Get<uint16_t>(at + 30),
             comment_size = zip.Get<uint16_t>(at + 32);
  npz::Member member{.name = std::string(zip.Part(at + kCentralSize, name_size)),
                     .flags = zip.Get<uint16_t>(at + 8),
                     .method = zip.Get<uint16_t>(at + 10),
                     .crc = zip.Get<uint32_t>(at + 16),
                     .compressed = zip.Get<uint32_t>(at + 20),
                     .size = zip.Get<uint32_t>(at + 24),
                     .local_header = zip.Get<uint32_t>(at + 42)};
  const uint64_t extra = at + kCentralSize + name_size;
  zip.Part(extra, extra_size);
  ReadZip64Field(zip, extra, extra + extra_size, member);
  member.local_header += moved;
  at = extra + extra_size + comment_size;
  return member;
}

uint32_t Crc(std::string_view bytes) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::string WhereOf(const npz::ZipBytes& zip, const npz::Member& member) {
  return fmt::format("{}: member '{}'", zip.path(), member.name);
}

// The member's bytes as they lie in the archive.
std::string_view StoredBytes(const npz::ZipBytes& zip, const npz::Member& member,
                             const std::string& where) {
  if (member.flags & 1) Fail("{}: is encrypted, expected a plain one", where);
  if (member.method != kStored && member.method != kDeflated)
    Fail("{}: compression method {}, expected 0 (stored) or 8 (deflated)", where, member.method);
  zip.ExpectSignature(member.local_header, kLocalHeader, "a member");
  const uint64_t begin = member.local_header + kLocalSize +
                         zip.Get<uint16_t>(member.local_header + 26) +
                         zip.Get<uint16_t>(member.local_header + 28);
  if (member.method == kDeflated && member.size / kMaxDeflateRatio > member.compressed)
    Fail("{}: {} bytes cannot come from {} compressed ones", where, member.size, member.compressed);
  return zip.Part(begin, member.compressed);
}

NpyArray ReadMember(const npz::ZipBytes& zip, const npz::Member& member) {
  const std::string where = WhereOf(zip, member);
  std::string_view bytes = StoredBytes(zip, member, where);
  std::string inflated;
  if (member.method == kDeflated) {
    inflated = InflateRaw(bytes, member.size + 1, where);
    bytes = inflated;
  }
  if (bytes.size() != member.size)
    Fail("{}: has {}{} bytes, expected {}", where, bytes.size() > member.size ? "more than " : "",
         std::min<uint64_t>(bytes.size(), member.size), member.size);
  if (const uint32_t crc = Crc(bytes); crc != member.crc)
    Fail("{}: its check sum is 0x{:08x}, expected 0x{:08x}", where, crc, member.crc);
  return ParseNpy(bytes, where);
}

NpyInfo ReadMemberInfo(const npz::ZipBytes& zip, const npz::Member& member) {
  constexpr uint64_t kStart = uint64_t{1} << 17;  // headers of NumPy have at most 64 KiB
  const std::string where = WhereOf(zip, member);
  const std::string_view bytes = StoredBytes(zip, member, where);
  if (member.method == kStored) return ParseNpyInfo(bytes, where);
  return ParseNpyInfo(InflateRaw(bytes, kStart, where), where);
}

template <class T>
void Put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// What the local header and the directory entry have in common, from "version needed" on.
void PutCommonHeader(std::string& out, std::string_view name, uint32_t size, uint32_t crc) {
  Put<uint16_t>(out, 20);       // version needed
  Put<uint16_t>(out, 0);        // flags
  Put<uint16_t>(out, kStored);  // method
  Put<uint16_t>(out, 0);        // time
  Put<uint16_t>(out, 0x21);     // date: 1980-01-01, so that equal arrays give equal files
  Put<uint32_t>(out, crc);
  Put<uint32_t>(out, size);  // compressed
  Put<uint32_t>(out, size);
  Put<uint16_t>(out, static_cast<uint16_t>(name.size()));
  Put<uint16_t>(out, 0);  // extra field
}

void PutDirectoryEntry(std::string& out, std::string_view name, uint32_t size, uint32_t crc,
                       uint32_t local_header) {
  Put<uint32_t>(out, kCentralHeader);
  Put<uint16_t>(out, 20);  // version made by
  PutCommonHeader(out, name, size, crc);
  Put<uint16_t>(out, 0);                     // comment
  Put<uint16_t>(out, 0);                     // disk
  Put<uint16_t>(out, 0);                     // internal attributes
  Put<uint32_t>(out, uint32_t{0600} << 16);  // external attributes, as NumPy writes them
  Put<uint32_t>(out, local_header);
  out += name;
}

}  // namespace

struct NpzReader::Archive {
  Archive(std::string_view bytes, const std::string& where) : path(where), zip(bytes, path) {
    const Directory directory = FindDirectory(zip);
    uint64_t at = directory.offset, compressed = 0;
    for (uint64_t i = 0; i < directory.count; ++i) {
      const npz::Member member = ReadDirectoryEntry(zip, directory.moved, at);
      if (!member.name.ends_with(".npy")) continue;
      // Members that share their bytes are how an archive bomb is made.
      compressed += std::min(member.compressed, zip.size());
      if (compressed > zip.size()) Fail("{}: damaged ZIP archive: its members overlap", path);
      members.emplace(member.name.substr(0, member.name.size() - 4), member);
    }
  }

  const npz::Member& Find(const std::string& name) const {
    const auto [begin, end] = members.equal_range(name);
    if (begin == end) Fail("{}: has no array '{}'", path, name);
    if (std::distance(begin, end) > 1) Fail("{}: has two members '{}.npy'", path, name);
    return begin->second;
  }

  std::string path;
  npz::ZipBytes zip;
  std::multimap<std::string, npz::Member> members;
};

NpzReader::NpzReader(std::string_view bytes, const std::string& path)
    : archive_(std::make_unique<Archive>(bytes, path)) {}
NpzReader::~NpzReader() = default;

std::vector<std::string> NpzReader::names() const {
  std::vector<std::string> names;
  for (const auto& [name, member] : archive_->members)
    if (names.empty() || names.back() != name) names.push_back(name);
  return names;
}

NpyInfo NpzReader::Info(const std::string& name) const {
  return ReadMemberInfo(archive_->zip, archive_->Find(name));
}

NpyArray NpzReader::Read(const std::string& name) const {
  return ReadMember(archive_->zip, archive_->Find(name));
}

std::map<std::string, NpyArray> ParseNpz(std::string_view bytes, const std::string& path) {
  const NpzReader reader(bytes, path);
  std::map<std::string, NpyArray> arrays;
  for (const std::string& name : reader.names()) arrays.emplace(name, reader.Read(name));
  return arrays;
}

std::map<std::string, NpyArray> ReadNpz(const std::string& path) {
  return ParseNpz(ReadFile(path), path);
}

void WriteNpz(const std::string& path, const std::map<std::string, NpyArray>& arrays) {
  std::string out, directory;
  for (const auto& [key, array] : arrays) {
    const std::string name = key + ".npy", where = fmt::format("{}: member '{}'", path, name);
    const std::string bytes = SerializeNpy(array, where);
    if (name.size() > kFull16 || out.size() + bytes.size() + name.size() + kLocalSize >= kFull32 ||
        arrays.size() >= kFull16)
      Fail("{}: does not fit, an .npz is written with up to 65534 members and 4 GiB in all", where);
    const auto size = static_cast<uint32_t>(bytes.size());
    const uint32_t crc = Crc(bytes);
    PutDirectoryEntry(directory, name, size, crc, static_cast<uint32_t>(out.size()));
    Put<uint32_t>(out, kLocalHeader);
    PutCommonHeader(out, name, size, crc);
    out += name;
    out += bytes;
  }
  const auto offset = static_cast<uint32_t>(out.size());
  out += directory;
  Put<uint32_t>(out, kEnd);
  Put<uint32_t>(out, 0);  // this disk, the directory's disk
  Put<uint16_t>(out, static_cast<uint16_t>(arrays.size()));
  Put<uint16_t>(out, static_cast<uint16_t>(arrays.size()));
  Put<uint32_t>(out, static_cast<uint32_t>(directory.size()));
  Put<uint32_t>(out, offset);
  Put<uint16_t>(out, 0);  // comment
  WriteFile(path, out);
}

}  // namespace normkit
