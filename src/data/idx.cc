#include "src/data/idx.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <limits>
#include <memory>
#include <set>
#include <utility>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/data/array_source.h"
#include "src/data/inflate.h"
#include "src/data/labels.h"

// The format is described at the end of MNIST's page (LeCun, Cortes, Burges): two zero bytes, the
// element type (8: unsigned byte), the rank, the sizes as 32-bit big-endian numbers, the elements.
namespace normkit {
namespace {

namespace fs = std::filesystem;

constexpr unsigned char kUnsignedByte = 8;

int64_t BigEndian(std::string_view bytes) {
  int64_t value = 0;
  for (char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

// The sizes in a header, and how many bytes of elements they ask for.
struct IdxHeader {
  std::vector<int64_t> shape;
  uint64_t bytes = 1;
};

size_t HeaderSize(int rank) { return 4 + 4 * static_cast<size_t>(rank); }

IdxHeader ParseHeader(std::string_view bytes, int rank, const std::string& where) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const size_t size = HeaderSize(rank);
  if (bytes.size() < size)
    Fail("{}: ends after {} bytes, inside the IDX header of {}", where, bytes.size(), size);
  if (at(0) != 0 || at(1) != 0 || at(2) != kUnsignedByte || at(3) != rank)
    Fail(
        "{}: begins with {:02x} {:02x} {:02x} {:02x}, expected 00 00 08 {:02x} (IDX, unsigned "
        "bytes, {} dimensions)",
        where, at(0), at(1), at(2), at(3), rank, rank);
  IdxHeader header;
  for (size_t i = 4; i < size; i += 4) {
    const int64_t length = BigEndian(bytes.substr(i, 4));
    if (length > 0 && header.bytes > std::numeric_limits<int64_t>::max() / uint64_t(length))
      Fail("{}: its sizes have more elements than memory can hold", where);
    header.shape.push_back(length);
    header.bytes *= static_cast<uint64_t>(length);
  }
  return header;
}

void CheckSize(uint64_t have, const IdxHeader& header, const std::string& where) {
  if (have < header.bytes)
    Fail("{}: has {} bytes of elements, expected {} (sizes [{}])", where, have, header.bytes,
         fmt::join(header.shape, ","));
}

// Of plain or compressed bytes; throws Error where they cannot hold the elements.
IdxHeader HeaderOf(std::string_view bytes, int rank, const std::string& where) {
  if (!IsGzip(bytes)) {
    IdxHeader header = ParseHeader(bytes, rank, where);
    CheckSize(bytes.size() - HeaderSize(rank), header, where);
    return header;
  }
  IdxHeader header = ParseHeader(InflateGzip(bytes, HeaderSize(rank), where), rank, where);
  if (header.bytes / kMaxDeflateRatio > bytes.size())
    Fail("{}: sizes [{}] are claimed, which {} compressed bytes cannot hold", where,
         fmt::join(header.shape, ","), bytes.size());
  return header;
}

// A file of a pair, by its name.
struct NamedFile {
  std::string path, prefix;
  std::string key;  // of both files of a pair: the prefix, whatever its letters and separators
  bool images = false;
};

// Nothing where the name is not that of a file of a pair.
std::optional<NamedFile> TakeApart(const fs::path& path) {
  std::string name = path.filename().string();
  for (char& letter : name)
    letter = letter == '.' || letter == '_'
                 ? '-'
                 : static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  if (name.ends_with("-gz")) name.resize(name.size() - 3);
  for (const bool images : {true, false}) {
    const std::string_view ending = images ? "images-idx3-ubyte" : "labels-idx1-ubyte";
    if (!name.ends_with(ending)) continue;
    size_t size = name.size() - ending.size();
    if (size > 0 && name[size - 1] != '-') continue;  // "myimages"
    if (size > 0) --size;
    const std::string prefix = path.filename().string().substr(0, size);
    return NamedFile{path.string(), (path.parent_path() / prefix).string(), name.substr(0, size),
                     images};
  }
  return std::nullopt;
}

fs::path FolderOf(const std::string& spec) {
  const fs::path parent = fs::path(spec).parent_path();
  return parent.empty() ? "." : parent;
}

// All files of pairs in a folder, sorted: plain ones before those with .gz.
std::vector<NamedFile> NamedFilesIn(const fs::path& folder) {
  std::vector<NamedFile> files;
  std::error_code error;  // what cannot be looked at is not there
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (auto file = TakeApart(at->path()); file && at->is_regular_file(error))
      files.push_back(std::move(*file));
  }
  std::sort(files.begin(), files.end(),
            [](const NamedFile& a, const NamedFile& b) { return a.path < b.path; });
  return files;
}

// What `spec` names, the folder aside: a file, or the prefix of files.
bool IsMeant(const NamedFile& file, const std::string& spec) {
  const std::string name = fs::path(spec).filename().string();
  return fs::path(file.path).filename() == name ||
         (!name.empty() && fs::path(file.prefix).filename() == name);
}

}  // namespace

std::vector<int64_t> ParseIdxShape(std::string_view bytes, int rank, const std::string& where) {
  return HeaderOf(bytes, rank, where).shape;
}

IdxArray ParseIdx(std::string_view bytes, int rank, const std::string& where) {
  const size_t header_size = HeaderSize(rank);
  IdxHeader header = HeaderOf(bytes, rank, where);
  std::string values =
      IsGzip(bytes) ? InflateGzip(bytes, header_size + header.bytes, where) : std::string(bytes);
  CheckSize(values.size() - header_size, header, where);
  values.resize(header_size + header.bytes);
  values.erase(0, header_size);
  return {std::move(header.shape), std::move(values)};
}

std::optional<IdxFiles> FindIdxFiles(const std::string& spec) {
  const std::vector<NamedFile> files = NamedFilesIn(FolderOf(spec));
  const auto meant = std::find_if(files.begin(), files.end(),
                                  [&](const NamedFile& file) { return IsMeant(file, spec); });
  if (meant == files.end()) return std::nullopt;
  const auto other = std::find_if(files.begin(), files.end(), [&](const NamedFile& file) {
    return file.images != meant->images && file.key == meant->key;
  });
  if (other == files.end())
    Fail("data '{}': {} has no {} beside it, expected {}-{}[.gz]", spec, meant->path,
         meant->images ? "labels" : "images", meant->prefix,
         meant->images ? "labels-idx1-ubyte" : "images-idx3-ubyte");
  return meant->images ? IdxFiles{meant->path, other->path} : IdxFiles{other->path, meant->path};
}

std::vector<std::string> IdxPrefixesIn(const std::string& folder) {
  std::set<std::string> prefixes;
  for (const NamedFile& file : NamedFilesIn(folder))
    if (file.images) prefixes.insert(file.prefix.ends_with('/') ? file.path : file.prefix);
  return {prefixes.begin(), prefixes.end()};
}

DataPtr OpenIdx(const IdxFiles& files, const std::string& description) {
  auto bytes = std::make_shared<std::string>(ReadFile(files.images));
  const std::vector<int64_t> shape = ParseIdxShape(*bytes, 3, files.images);
  const IdxArray labels = ParseIdx(ReadFile(files.labels), 1, files.labels);
  if (shape[0] != labels.shape[0])
    Fail("{}: has {} labels, expected {} (the images of {})", files.labels, labels.shape[0],
         shape[0], files.images);
  if (std::find(shape.begin(), shape.end(), 0) != shape.end())
    Fail("{}: has no images (sizes [{}])", files.images, fmt::join(shape, ","));
  std::vector<int64_t> numbers;
  for (char label : labels.values) numbers.push_back(static_cast<unsigned char>(label));
  Labels classes = LabelsOfNumbers(std::move(numbers), files.labels + ": label ");
  Arrays<uint8_t> arrays;
  arrays.layout = Layout::Make("BSSC", std::vector<int64_t>{1, shape[1], shape[2], 1});
  arrays.labels = std::move(classes.labels);
  arrays.classes = std::move(classes.classes);
  arrays.notes = std::move(classes.notes);
  arrays.description = fmt::format("{} ({} images)", description, shape[0]);
  arrays.count = shape[0];
  arrays.decode = [bytes = std::move(bytes), path = files.images]() mutable {
    const IdxArray images = ParseIdx(*bytes, 3, path);
    bytes.reset();
    return std::vector<uint8_t>(images.values.begin(), images.values.end());
  };
  return std::make_shared<ArraySource<uint8_t>>(std::move(arrays));
}

}  // namespace normkit
