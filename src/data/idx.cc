#include "src/data/idx.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <set>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/data/array_source.h"
#include "src/data/inflate.h"

// The format is described at the end of MNIST's page (LeCun, Cortes, Burges): two zero bytes, the
// element type (8: unsigned byte), the rank, the sizes as 32-bit big-endian numbers, the elements.
namespace normkit {
namespace {

namespace fs = std::filesystem;

constexpr unsigned char kUnsignedByte = 8;

// The endings that a pair is found under.
struct Endings {
  const char *images, *labels;
};
constexpr Endings kEndings[] = {{"-images-idx3-ubyte", "-labels-idx1-ubyte"},
                                {"-images.idx3-ubyte", "-labels.idx1-ubyte"}};

int64_t BigEndian(std::string_view bytes) {
  int64_t value = 0;
  for (char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

// The sizes in a header, and how many bytes of elements they ask for.
struct Header {
  std::vector<int64_t> shape;
  uint64_t bytes = 1;
};

Header ParseHeader(std::string_view bytes, int rank, const std::string& where) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const size_t size = 4 + 4 * static_cast<size_t>(rank);
  if (bytes.size() < size)
    Fail("{}: ends after {} bytes, inside the IDX header of {}", where, bytes.size(), size);
  if (at(0) != 0 || at(1) != 0 || at(2) != kUnsignedByte || at(3) != rank)
    Fail(
        "{}: begins with {:02x} {:02x} {:02x} {:02x}, expected 00 00 08 {:02x} (IDX, unsigned "
        "bytes, {} dimensions)",
        where, at(0), at(1), at(2), at(3), rank, rank);
  Header header;
  for (size_t i = 4; i < size; i += 4) {
    const int64_t length = BigEndian(bytes.substr(i, 4));
    if (length > 0 && header.bytes > std::numeric_limits<int64_t>::max() / uint64_t(length))
      Fail("{}: its sizes have more elements than memory can hold", where);
    header.shape.push_back(length);
    header.bytes *= static_cast<uint64_t>(length);
  }
  return header;
}

void CheckSize(uint64_t have, const Header& header, const std::string& where) {
  if (have != header.bytes)
    Fail("{}: has {} bytes of elements, expected {} (sizes [{}])", where, have, header.bytes,
         fmt::join(header.shape, ","));
}

std::optional<std::string> WithOrWithoutGz(const std::string& path) {
  std::error_code error;  // what cannot be looked at is not there
  for (const std::string& name : {path, path + ".gz"})
    if (fs::is_regular_file(name, error)) return name;
  return std::nullopt;
}

// The prefix where `name` is that of an images' file, else nothing.
std::optional<std::string> PrefixOf(std::string_view name) {
  if (name.ends_with(".gz")) name.remove_suffix(3);
  for (const Endings& ending : kEndings)
    if (name.ends_with(ending.images))
      return std::string(name.substr(0, name.size() - std::string_view(ending.images).size()));
  return std::nullopt;
}

}  // namespace

IdxArray ParseIdx(std::string_view bytes, int rank, const std::string& where) {
  const size_t header_size = 4 + 4 * static_cast<size_t>(rank);
  if (!IsGzip(bytes)) {
    Header header = ParseHeader(bytes, rank, where);
    CheckSize(bytes.size() - header_size, header, where);
    return {std::move(header.shape), std::string(bytes.substr(header_size))};
  }
  Header header = ParseHeader(InflateGzip(bytes, header_size, where), rank, where);
  if (header.bytes / kMaxDeflateRatio > bytes.size())
    Fail("{}: sizes [{}] are claimed, which {} compressed bytes cannot hold", where,
         fmt::join(header.shape, ","), bytes.size());
  std::string values = InflateGzip(bytes, header_size + header.bytes + 1, where);
  CheckSize(values.size() - header_size, header, where);
  values.erase(0, header_size);
  return {std::move(header.shape), std::move(values)};
}

std::optional<IdxFiles> FindIdxFiles(const std::string& spec) {
  const std::string prefix = PrefixOf(spec).value_or(spec);
  for (const Endings& ending : kEndings) {
    const auto images = WithOrWithoutGz(prefix + ending.images);
    if (!images) continue;
    const auto labels = WithOrWithoutGz(prefix + ending.labels);
    if (!labels)
      Fail("data '{}': {} has no labels beside it, expected {}{}[.gz]", spec, *images, prefix,
           ending.labels);
    return IdxFiles{*images, *labels};
  }
  return std::nullopt;
}

std::vector<std::string> IdxPrefixesIn(const std::string& folder) {
  std::set<std::string> prefixes;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (const auto prefix = PrefixOf(at->path().string())) prefixes.insert(*prefix);
  return {prefixes.begin(), prefixes.end()};
}

DataPtr OpenIdx(const IdxFiles& files, const std::string& description) {
  const IdxArray images = ParseIdx(ReadFile(files.images), 3, files.images);
  const IdxArray labels = ParseIdx(ReadFile(files.labels), 1, files.labels);
  if (images.shape[0] != labels.shape[0])
    Fail("{}: has {} labels, expected {} (the images of {})", files.labels, labels.shape[0],
         images.shape[0], files.images);
  if (images.values.empty())
    Fail("{}: has no images (sizes [{}])", files.images, fmt::join(images.shape, ","));
  Arrays<uint8_t> arrays;
  arrays.layout =
      Layout::Make("BSSC", std::vector<int64_t>{1, images.shape[1], images.shape[2], 1});
  arrays.x.assign(images.values.begin(), images.values.end());
  for (char label : labels.values) arrays.labels.push_back(static_cast<unsigned char>(label));
  const int64_t last = *std::max_element(arrays.labels.begin(), arrays.labels.end());
  for (int64_t i = 0; i <= last; ++i) arrays.classes.push_back(std::to_string(i));
  arrays.description = fmt::format("{} ({} images)", description, images.shape[0]);
  return std::make_shared<ArraySource<uint8_t>>(std::move(arrays));
}

}  // namespace normkit
