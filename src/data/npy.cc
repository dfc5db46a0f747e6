#include "normkit/data/npy.h"

#include <cstring>
#include <limits>
#include <numeric>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/data/npy_format.h"

namespace normkit {
namespace {

// Calls convert(T) for each element stored as T and collects the results.
template <class T, class Out, class Convert>
std::vector<Out> Map(const std::vector<std::byte>& data, const Convert& convert) {
  std::vector<Out> out(data.size() / sizeof(T));
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, &data[i * sizeof(T)], sizeof(T));
    out[i] = convert(value);
  }
  return out;
}

// The same with T from the type string; an empty result where it is no integer type.
template <class Out, class Convert>
std::vector<Out> MapIntegers(const NpyArray& array, const ElementType& type,
                             const Convert& convert) {
  const bool is_signed = type.kind == 'i';
  switch (type.size) {
    case 1:
      return is_signed ? Map<int8_t, Out>(array.data, convert)
                       : Map<uint8_t, Out>(array.data, convert);
    case 2:
      return is_signed ? Map<int16_t, Out>(array.data, convert)
                       : Map<uint16_t, Out>(array.data, convert);
    case 4:
      return is_signed ? Map<int32_t, Out>(array.data, convert)
                       : Map<uint32_t, Out>(array.data, convert);
    default:
      return is_signed ? Map<int64_t, Out>(array.data, convert)
                       : Map<uint64_t, Out>(array.data, convert);
  }
}

bool IsInteger(const ElementType& type) {
  return type.kind == 'i' || type.kind == 'u' || type.kind == 'b';
}

// The bytes of one text, zeros at its end left out.
std::string TextOfBytes(const char* begin, int64_t size, const std::string& name) {
  std::string text(begin, static_cast<size_t>(size));
  text.erase(text.find_last_not_of('\0') + 1);
  for (char c : text)
    if (static_cast<unsigned char>(c) >= 0x80)
      Fail("{}: holds the byte 0x{:02x}, expected ASCII in texts of bytes (S)", name,
           static_cast<unsigned char>(c));
  return text;
}

void AppendUtf8(std::string& text, uint32_t point) {
  constexpr uint32_t kFirst[] = {0, 0xc0, 0xe0, 0xf0};
  const int rest = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  text += static_cast<char>(kFirst[rest] | point >> 6 * rest);
  for (int i = rest - 1; i >= 0; --i) text += static_cast<char>(0x80 | (point >> 6 * i & 0x3f));
}

// The same for code points.
std::string TextOfPoints(const char* begin, int64_t size, const std::string& name) {
  std::vector<uint32_t> points(static_cast<size_t>(size) / 4);
  std::memcpy(points.data(), begin, points.size() * 4);
  while (!points.empty() && points.back() == 0) points.pop_back();
  std::string text;
  for (uint32_t point : points) {
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
      Fail("{}: holds the code point 0x{:x}, expected those of Unicode", name, point);
    AppendUtf8(text, point);
  }
  return text;
}

std::string Describe(const NpyArray& array) {
  return fmt::format("array {} [{}]", array.descr, fmt::join(array.shape, ","));
}

}  // namespace

int64_t NpyArray::size() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

std::vector<float> NpyArray::AsFloats() const {
  const std::string name = Describe(*this);
  const ElementType type = ParseElementType(descr, name);
  if (IsInteger(type))
    return MapIntegers<float>(*this, type, [](auto value) { return static_cast<float>(value); });
  if (type.kind == 'V') return Map<BFloat16, float>(data, [](BFloat16 v) { return ToFloat(v); });
  if (type.kind != 'f') Fail("{}: holds no real numbers", name);
  switch (type.size) {
    case 2:
      return Map<Float16, float>(data, [](Float16 value) { return ToFloat(value); });
    case 4:
      return Map<float, float>(data, [](float value) { return value; });
    default:
      return Map<double, float>(data, [](double value) { return static_cast<float>(value); });
  }
}

bool NpyArray::IsIntegral() const { return IsInteger(ParseElementType(descr, Describe(*this))); }

bool IsRowOfNumbers(const NpyArray& array) {
  return array.shape.size() == 1 && array.IsIntegral() && !array.descr.ends_with("b1");
}

std::vector<int64_t> NpyArray::AsIntegers() const {
  const std::string name = Describe(*this);
  const ElementType type = ParseElementType(descr, name);
  if (!IsInteger(type)) Fail("{}: holds no integers", name);
  return MapIntegers<int64_t>(*this, type, [&](auto value) {
    if (std::cmp_greater(value, std::numeric_limits<int64_t>::max()))
      Fail("{}: {} is larger than 2^63 - 1", name, value);
    return static_cast<int64_t>(value);
  });
}

std::vector<std::string> NpyArray::AsTexts() const {
  const std::string name = Describe(*this);
  const ElementType type = ParseElementType(descr, name);
  if (type.kind != 'S' && type.kind != 'U') Fail("{}: holds no texts (S or U)", name);
  const auto read = type.kind == 'S' ? TextOfBytes : TextOfPoints;
  std::vector<std::string> texts;
  for (size_t at = 0; at < data.size(); at += static_cast<size_t>(type.size))
    texts.push_back(read(reinterpret_cast<const char*>(&data[at]), type.size, name));
  return texts;
}

DType NpyArray::dtype() const {
  const std::string name = Describe(*this);
  const ElementType type = ParseElementType(descr, name);
  if (type.kind == 'f')
    return type.size == 2 ? DType::kF16 : type.size == 4 ? DType::kF32 : DType::kF64;
  if (type.kind == 'V') return DType::kBF16;
  Fail("{}: expected floating-point elements (f2, f4, f8, or V2 for bfloat16)", name);
}

NpyArray ReadNpy(const std::string& path) { return ParseNpy(ReadFile(path), path); }

void WriteNpy(const std::string& path, const NpyArray& array) {
  WriteFile(path, SerializeNpy(array, path));
}

NpyArray MakeNpy(DType dtype, std::vector<int64_t> shape, const void* data) {
  // In the order of DType.
  constexpr const char* kDescr[] = {"<f4", "<f8", "<V2", "<f2", "<i8", "<i4", "|u1", "|b1"};
  NpyArray array;
  array.descr = kDescr[static_cast<size_t>(dtype)];
  array.shape = std::move(shape);
  const auto* begin = static_cast<const std::byte*>(data);
  array.data.assign(begin, begin + static_cast<size_t>(array.size()) * SizeOf(dtype));
  return array;
}

}  // namespace normkit
