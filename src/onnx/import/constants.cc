#include "src/onnx/import/constants.h"

#include <cstring>
#include <filesystem>
#include <optional>

#include "src/core/fail.h"
#include "src/core/files.h"
#include "src/core/numbers.h"
#include "src/onnx/tensors.h"

namespace normkit {
namespace {

using onnx::TensorProto;

constexpr int kMostAxes = 8;
constexpr uint64_t kMostShared = 16;

// How a type is stored: as raw bytes of `Stored`, or in one of the lists.
template <class Stored, class List, class Convert, class T>
void ReadElements(const TensorProto& tensor, std::optional<std::string_view> raw, const List& list,
                  const std::string& where, const Convert& convert, std::span<T> to) {
  const size_t given = raw ? raw->size() : static_cast<size_t>(list.size()) * sizeof(Stored),
               expected = to.size() * sizeof(Stored);
  if (given != expected)
    Fail("{}: tensor '{}' holds {} bytes, expected {} (shape [{}])", where, tensor.name(), given,
         expected, fmt::join(tensor.dims(), ","));
  for (size_t i = 0; i < to.size(); ++i) {
    Stored stored;
    if (raw)
      std::memcpy(&stored, raw->data() + i * sizeof(Stored), sizeof(Stored));
    else
      stored = static_cast<Stored>(list[static_cast<int>(i)]);
    to[i] = static_cast<T>(convert(stored));
  }
}

}  // namespace

DType ImportedType(int type, const std::string& where) {
  switch (type) {
    case TensorProto::FLOAT:
    case TensorProto::DOUBLE:
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16:
      return DType::kF32;
    case TensorProto::INT64:
    case TensorProto::INT32:
    case TensorProto::INT16:
    case TensorProto::INT8:
    case TensorProto::UINT8:
    case TensorProto::UINT16:
    case TensorProto::UINT32:
      return DType::kI64;
    case TensorProto::BOOL:
      return DType::kBool;
    default:
      break;
  }
  Fail("{}: has elements of type {}, expected floating-point or whole numbers, or bool", where,
       onnx::TensorProto::DataType_IsValid(type)
           ? onnx::TensorProto::DataType_Name(static_cast<TensorProto::DataType>(type))
           : fmt::format("number {}", type));
}

std::string_view ConstantReader::External(const TensorProto& tensor, const std::string& where) {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
  for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() != "offset" && entry.key() != "length") continue;
    const std::optional<uint64_t> number = ParseNumber<uint64_t>(entry.value());
    if (!number)
      Fail("{}: tensor '{}': {} of its data is '{}', expected a number", where, tensor.name(),
           entry.key(), entry.value());
    if (entry.key() == "offset")
      offset = *number;
    else
      length = number;
  }
  const std::filesystem::path path(location);
  bool inside = !location.empty() && path.is_relative() && !folder_.empty();
  for (const auto& part : path) inside &= part != "..";
  if (!inside)
    Fail("{}: tensor '{}' lies in file '{}', expected one beside the model", where, tensor.name(),
         location);
  auto found = files_.find(location);
  if (found == files_.end())
    found = files_.emplace(location, File{ReadFile((folder_ / path).string())}).first;
  auto& [bytes, named] = found->second;
  if (offset > bytes.size() || length.value_or(0) > bytes.size() - offset)
    Fail("{}: tensor '{}' lies at bytes {} to {} of '{}', which has {}", where, tensor.name(),
         offset, offset + length.value_or(0), location, bytes.size());
  const uint64_t size = length.value_or(bytes.size() - offset);
  named += size;  // tied weights may share bytes; thousands that do would fill the memory
  if (named > kMostShared * bytes.size())
    Fail("{}: tensor '{}': more than {} times the {} bytes of '{}' are named by tensors", where,
         tensor.name(), kMostShared, bytes.size(), location);
  return std::string_view(bytes).substr(offset, size);
}

Tensor ConstantReader::Read(const TensorProto& t, const std::string& where) {
  const DType dtype = ImportedType(t.data_type(), fmt::format("{}: tensor '{}'", where, t.name()));
  const std::vector<int64_t> shape = ShapeOf(t, where);
  if (shape.size() > kMostAxes)
    Fail("{}: tensor '{}' has {} axes, expected at most {}", where, t.name(), shape.size(),
         kMostAxes);
  std::optional<std::string_view> raw;
  if (t.data_location() == TensorProto::EXTERNAL)
    raw = External(t, where);
  else if (t.has_raw_data())
    raw = t.raw_data();
  // No more is allocated than the file has bytes for.
  const size_t listed =
      static_cast<size_t>(t.float_data_size() + t.double_data_size() + t.int64_data_size() +
                          t.int32_data_size() + t.uint64_data_size());
  const Layout layout = Layout::Unlabelled(shape);
  const size_t most = raw ? raw->size() : listed;
  if (static_cast<size_t>(layout.size()) > most)
    Fail("{}: tensor '{}' holds {} {}, too few for its shape [{}]", where, t.name(), most,
         raw ? "bytes" : "elements", fmt::join(shape, ","));
  elements_ += layout.size();
  Tensor tensor(layout, dtype);
  const auto read = [&]<class Stored>(Stored, const auto& list, const auto& convert) {
    if (dtype == DType::kF32)
      ReadElements<Stored>(t, raw, list, where, convert, tensor.values<float>());
    else if (dtype == DType::kI64)
      ReadElements<Stored>(t, raw, list, where, convert, tensor.values<int64_t>());
    else
      ReadElements<Stored>(t, raw, list, where, convert, tensor.values<bool>());
  };
  const auto number = [](auto x) { return static_cast<float>(x); };
  const auto whole = [](auto x) { return static_cast<int64_t>(x); };
  switch (t.data_type()) {
    case TensorProto::FLOAT:
      read(float{}, t.float_data(), number);
      break;
    case TensorProto::DOUBLE:
      read(double{}, t.double_data(), number);
      break;
    case TensorProto::FLOAT16:
      read(uint16_t{}, t.int32_data(), [](uint16_t x) { return ToFloat(Float16{x}); });
      break;
    case TensorProto::BFLOAT16:
      read(uint16_t{}, t.int32_data(), [](uint16_t x) { return ToFloat(BFloat16{x}); });
      break;
    case TensorProto::INT64:
      read(int64_t{}, t.int64_data(), whole);
      break;
    case TensorProto::INT32:
      read(int32_t{}, t.int32_data(), whole);
      break;
    case TensorProto::INT16:
      read(int16_t{}, t.int32_data(), whole);
      break;
    case TensorProto::INT8:
      read(int8_t{}, t.int32_data(), whole);
      break;
    case TensorProto::UINT8:
      read(uint8_t{}, t.int32_data(), whole);
      break;
    case TensorProto::UINT16:
      read(uint16_t{}, t.int32_data(), whole);
      break;
    case TensorProto::UINT32:
      read(uint32_t{}, t.uint64_data(), whole);
      break;
    default:  // bool
      read(uint8_t{}, t.int32_data(), [](uint8_t x) { return x != 0; });
      break;
  }
  return tensor;
}

}  // namespace normkit
