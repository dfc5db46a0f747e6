#include "src/data/npy_format.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>

#include "src/core/fail.h"
#include "src/core/numbers.h"
#include "src/data/file_kind.h"

// Described in NumPy's documentation, numpy.lib.format: the magic string, two bytes of version, the
// length of the header (2 bytes in version 1, 4 in versions 2 and 3), the header (a Python
// dictionary in text), the elements.
namespace normkit {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are kept little-endian");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxRank = 64;  // NumPy's own

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<int64_t>> shape;
};

// Reads the one dictionary that NumPy writes: {'descr': '<f4', 'fortran_order': False, 'shape':
// (2, 3), } in any order and spacing.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  Header Parse() {
    Header header;
    Expect('{');
    while (!Take('}')) {
      ParseEntry(header);
      if (!Take(',') && Peek() != '}') Wrong("',' or '}'");
    }
    if (Peek() != 0) Wrong("the end");
    if (!header.descr) Lacks("descr");
    if (!header.fortran_order) Lacks("fortran_order");
    if (!header.shape) Lacks("shape");
    return header;
  }

 private:
  void ParseEntry(Header& header) {
    const std::string key = String();
    Expect(':');
    if (key == "descr") {
      if (Peek() == '[') Fail("{}: holds structures, expected an array of numbers", where_);
      header.descr = String();
    } else if (key == "fortran_order") {
      header.fortran_order = Bool();
    } else if (key == "shape") {
      header.shape = Shape();
    } else {
      Fail("{}: .npy header: key '{}' is unknown, expected 'descr', 'fortran_order' and 'shape'",
           where_, key);
    }
  }

  [[noreturn]] void Lacks(std::string_view key) {
    Fail("{}: .npy header: '{}' is missing", where_, key);
  }
  [[noreturn]] void Wrong(std::string_view expected) {
    if (Peek() == 0)
      Fail("{}: .npy header, position {}: expected {}, but it ends", where_, position_, expected);
    Fail("{}: .npy header, position {}: expected {}, found byte 0x{:02x}", where_, position_,
         expected, static_cast<unsigned char>(text_[position_]));
  }

  // The next letter that is not white space; 0 at the end.
  char Peek() {
    while (position_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[position_]) != std::string_view::npos)
      ++position_;
    return position_ < text_.size() ? text_[position_] : '\0';
  }
  bool Take(char letter) {
    if (Peek() != letter) return false;
    ++position_;
    return true;
  }
  void Expect(char letter) {
    if (!Take(letter)) Wrong(fmt::format("'{}'", letter));
  }

  std::string String() {
    const char quote = Peek();
    if (quote != '\'' && quote != '"') Wrong("a string");
    const size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) Wrong("a string that ends");
    const std::string value(text_.substr(position_ + 1, end - position_ - 1));
    position_ = end + 1;
    return value;
  }

  bool Bool() {
    Peek();
    for (const bool value : {false, true}) {
      const std::string_view name = value ? "True" : "False";
      if (!text_.substr(position_).starts_with(name)) continue;
      position_ += name.size();
      return value;
    }
    Wrong("True or False");
  }

  std::vector<int64_t> Shape() {
    std::vector<int64_t> shape;
    Expect('(');
    while (!Take(')')) {
      shape.push_back(Size());
      if (shape.size() > kMaxRank)
        Fail("{}: has more than {} dimensions, NumPy's limit", where_, kMaxRank);
      if (!Take(',') && Peek() != ')') Wrong("',' or ')'");
    }
    return shape;
  }

  int64_t Size() {
    Peek();
    const std::string_view rest = text_.substr(position_);
    const std::string_view digits = rest.substr(0, rest.find_first_not_of("0123456789"));
    const std::optional<int64_t> value = ParseNumber<int64_t>(digits);
    if (!value) Wrong("a size from 0 to 2^63 - 1");
    position_ += digits.size();
    Take('L');  // as Python 2 wrote long integers
    return *value;
  }

  std::string_view text_, where_;
  size_t position_ = 0;
};

uint64_t LittleEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// Takes the header off the front of `bytes`.
Header TakeHeader(std::string_view& bytes, std::string_view where) {
  const std::string_view kind = bytes.starts_with(kMagic) ? "" : FileKind(bytes);
  if (!kind.empty()) Fail("{}: is {}, expected an .npy file (what numpy.save writes)", where, kind);
  if (!bytes.starts_with(kMagic) || bytes.size() < kMagic.size() + 2)
    Fail("{}: is not an .npy file (it does not begin with \\x93NUMPY and a version)", where);
  const int major = bytes[6], minor = bytes[7];
  if (major < 1 || major > 3 || minor != 0)
    Fail("{}: .npy version {}.{}, expected 1.0, 2.0 or 3.0", where, major, minor);
  const size_t digits = major == 1 ? 2 : 4;
  bytes.remove_prefix(kMagic.size() + 2);
  if (bytes.size() < digits) Fail("{}: ends inside the .npy header", where);
  const uint64_t length = LittleEndian(bytes.substr(0, digits));
  bytes.remove_prefix(digits);
  if (length > bytes.size())
    Fail("{}: the .npy header has {} bytes, but only {} follow", where, length, bytes.size());
  const Header header = HeaderParser(bytes.substr(0, length), where).Parse();
  bytes.remove_prefix(length);
  return header;
}

// Bytes that the elements of `shape` take; an empty array does not excuse an impossible shape.
uint64_t BytesOf(const std::vector<int64_t>& shape, int64_t element, std::string_view where) {
  int64_t product = element;
  bool empty = false;
  for (int64_t size : shape) {
    if (size == 0) empty = true;
    if (size > 0 && product > std::numeric_limits<int64_t>::max() / size)
      Fail("{}: shape [{}] has more elements than memory can hold", where, fmt::join(shape, ","));
    if (size > 0) product *= size;
  }
  return empty ? 0 : static_cast<uint64_t>(product);
}

void SwapBytes(std::vector<std::byte>& data, int64_t unit) {
  for (auto at = data.begin(); at != data.end(); at += unit) std::reverse(at, at + unit);
}

// Elements of an array of `shape`, whose axes lie `strides` bytes apart in `data`, in C order.
std::vector<std::byte> Gather(const std::vector<std::byte>& data, const std::vector<int64_t>& shape,
                              const std::vector<int64_t>& strides, int64_t element) {
  std::vector<std::byte> out(data.size());
  std::vector<int64_t> index(shape.size(), 0);
  int64_t from = 0;
  for (size_t to = 0; to < out.size(); to += static_cast<size_t>(element)) {
    std::memcpy(&out[to], &data[static_cast<size_t>(from)], static_cast<size_t>(element));
    for (size_t axis = shape.size(); axis-- > 0;) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

// From column-major to row-major order.
std::vector<std::byte> FromFortranOrder(const std::vector<std::byte>& data,
                                        const std::vector<int64_t>& shape, int64_t element) {
  std::vector<int64_t> strides(shape.size(), element);
  for (size_t i = 1; i < shape.size(); ++i) strides[i] = strides[i - 1] * shape[i - 1];
  return Gather(data, shape, strides, element);
}

}  // namespace

std::string ElementType::descr() const {
  const bool ordered = unit > 1;
  return fmt::format("{}{}{}", ordered ? '<' : '|', kind, kind == 'U' ? size / 4 : size);
}

ElementType ParseElementType(std::string_view descr, std::string_view where) {
  ElementType type{'|', 0, 0, 0};
  std::string_view rest = descr;
  if (!rest.empty() && std::string_view("<>|=").find(rest[0]) != std::string_view::npos) {
    type.order = rest[0] == '=' ? '<' : rest[0];
    rest.remove_prefix(1);
  }
  const auto among = [&](std::initializer_list<int64_t> sizes) {
    return std::find(sizes.begin(), sizes.end(), type.size) != sizes.end();
  };
  bool known = false;
  if (rest.size() >= 2 && rest.size() <= 8) {
    type.kind = rest[0];
    type.size = type.unit = ParseNumber<int64_t>(rest.substr(1)).value_or(0);
    switch (type.kind) {
      case 'b':
        known = among({1});
        break;
      case 'i':
      case 'u':
        known = among({1, 2, 4, 8});
        break;
      case 'f':
        known = among({2, 4, 8});
        break;
      case 'V':
        known = among({2});
        break;
      case 'c':
        known = among({8, 16});
        type.unit = type.size / 2;
        break;
      case 'S':
        known = type.size > 0;
        type.unit = 1;
        break;
      case 'U':
        known = type.size > 0;
        type.size *= 4;
        type.unit = 4;
        break;
    }
  }
  if (!known)
    Fail(
        "{}: element type '{}' is not supported, expected b1, i1 to i8, u1 to u8, f2, f4, f8, "
        "bfloat16 (V2), c8, c16, S or U{}",
        where, descr,
        descr.ends_with('O')
            ? " (sequences of unequal lengths go in one array, [sum of lengths,C], "
              "with their lengths beside it)"
            : "");
  return type;
}

NpyInfo ParseNpyInfo(std::string_view bytes, std::string_view where) {
  Header header = TakeHeader(bytes, where);
  const ElementType type = ParseElementType(*header.descr, where);
  BytesOf(*header.shape, type.size, where);
  return {type.descr(), std::move(*header.shape)};
}

NpyArray Transposed(const NpyArray& array, const std::vector<size_t>& order) {
  const int64_t element = ParseElementType(array.descr, "transposing an array").size;
  std::vector<int64_t> from(array.shape.size(), element);
  for (size_t i = from.size(); i-- > 1;) from[i - 1] = from[i] * array.shape[i];
  NpyArray out{array.descr, {}, {}};
  std::vector<int64_t> strides;
  for (const size_t axis : order) {
    out.shape.push_back(array.shape[axis]);
    strides.push_back(from[axis]);
  }
  out.data = Gather(array.data, out.shape, strides, element);
  return out;
}

NpyArray ParseNpy(std::string_view bytes, std::string_view where) {
  const size_t total = bytes.size();
  Header header = TakeHeader(bytes, where);
  const ElementType type = ParseElementType(*header.descr, where);
  NpyArray array{type.descr(), std::move(*header.shape), {}};
  const uint64_t expected = BytesOf(array.shape, type.size, where);
  // More than that is not needed: NumPy reads several arrays from one file, one after the other.
  if (bytes.size() < expected)
    Fail("{}: has {} bytes of elements (from byte {} on), expected {} ({} [{}])", where,
         bytes.size(), total - bytes.size(), expected, *header.descr, fmt::join(array.shape, ","));
  const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
  array.data.assign(begin, begin + expected);
  if (type.order == '>' && type.unit > 1) SwapBytes(array.data, type.unit);
  if (*header.fortran_order && array.shape.size() > 1)
    array.data = FromFortranOrder(array.data, array.shape, type.size);
  return array;
}

std::string SerializeNpy(const NpyArray& array, std::string_view where) {
  const ElementType type = ParseElementType(array.descr, where);
  if (type.order == '>')
    Fail("{}: element type '{}', expected the byte order of this machine", where, array.descr);
  if (array.shape.size() > kMaxRank ||
      std::any_of(array.shape.begin(), array.shape.end(), [](int64_t size) { return size < 0; }))
    Fail("{}: shape [{}] is given, expected at most {} sizes >= 0", where,
         fmt::join(array.shape, ","), kMaxRank);
  const uint64_t expected = BytesOf(array.shape, type.size, where);
  if (array.data.size() != expected)
    Fail("{}: {} bytes of elements are given, expected {} ({} [{}])", where, array.data.size(),
         expected, array.descr, fmt::join(array.shape, ","));
  const std::string_view comma = array.shape.size() == 1 ? "," : "";
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                   type.descr(), fmt::join(array.shape, ", "), comma);
  const size_t before = kMagic.size() + 4;                         // magic, version, length
  const size_t end = (before + header.size() + 1 + 63) / 64 * 64;  // elements are 64-byte aligned
  header.append(end - before - header.size() - 1, ' ');
  header += '\n';
  std::string bytes(kMagic);
  bytes +=
      {'\1', '\0', static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(array.data.data()), array.data.size());
  return bytes;
}

}  // namespace normkit
