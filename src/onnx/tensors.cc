#include "src/onnx/tensors.h"

#include <bit>
#include <cstring>

#include "src/core/fail.h"

namespace normkit {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is copied as it is");

template <class T>
onnx::TensorProto Make(const std::string& name, onnx::TensorProto::DataType type,
                       std::span<const int64_t> shape, std::span<const T> values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(type);
  for (int64_t size : shape) tensor.add_dims(size);
  tensor.set_raw_data(values.data(), values.size_bytes());
  return tensor;
}

std::string TypeName(int type) {
  return onnx::TensorProto::DataType_IsValid(type)
             ? onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(type))
             : fmt::format("number {}", type);
}

template <class T, class Repeated>
std::vector<T> Values(const onnx::TensorProto& tensor, onnx::TensorProto::DataType expected,
                      const Repeated& listed, const std::string& where) {
  if (tensor.data_type() != expected)
    Fail("{}: tensor '{}' has type {}, expected {}", where, tensor.name(),
         TypeName(tensor.data_type()), TypeName(expected));
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL || tensor.external_data_size() > 0)
    Fail("{}: tensor '{}' lies in another file, expected its data in this one", where,
         tensor.name());
  int64_t count = 1;
  for (int64_t size : ShapeOf(tensor, where)) count *= size;
  const uint64_t expected_bytes = static_cast<uint64_t>(count) * sizeof(T);
  const bool raw = tensor.has_raw_data();
  const uint64_t bytes =
      raw ? tensor.raw_data().size() : static_cast<uint64_t>(listed.size()) * sizeof(T);
  if (bytes != expected_bytes)
    Fail("{}: tensor '{}' holds {} bytes, expected {} (shape [{}])", where, tensor.name(), bytes,
         expected_bytes, fmt::join(tensor.dims(), ","));
  if (!raw) return {listed.begin(), listed.end()};
  std::vector<T> values(static_cast<size_t>(count));
  if (bytes > 0) std::memcpy(values.data(), tensor.raw_data().data(), bytes);
  return values;
}

}  // namespace

onnx::TensorProto MakeTensor(const std::string& name, std::span<const int64_t> shape,
                             std::span<const float> values) {
  return Make(name, onnx::TensorProto::FLOAT, shape, values);
}

onnx::TensorProto MakeTensor(const std::string& name, std::span<const int64_t> shape,
                             std::span<const int64_t> values) {
  return Make(name, onnx::TensorProto::INT64, shape, values);
}

onnx::TensorProto MakeTensor(const std::string& name, std::span<const int64_t> shape,
                             std::span<const double> values) {
  return Make(name, onnx::TensorProto::DOUBLE, shape, values);
}

std::vector<float> FloatValues(const onnx::TensorProto& tensor, const std::string& where) {
  return Values<float>(tensor, onnx::TensorProto::FLOAT, tensor.float_data(), where);
}

std::vector<int64_t> IntValues(const onnx::TensorProto& tensor, const std::string& where) {
  return Values<int64_t>(tensor, onnx::TensorProto::INT64, tensor.int64_data(), where);
}

std::vector<int64_t> ShapeOf(const onnx::TensorProto& tensor, const std::string& where) {
  constexpr int64_t kMostElements = int64_t{1} << 40;
  const std::vector<int64_t> shape(tensor.dims().begin(), tensor.dims().end());
  int64_t product = 1;
  for (int64_t size : shape) {
    if (size < 0 || size > kMostElements || (size > 0 && product > kMostElements / size))
      Fail("{}: tensor '{}' has shape [{}], expected sizes of at least 0 and at most 2^40 elements",
           where, tensor.name(), fmt::join(shape, ","));
    product *= size;
  }
  return shape;
}

}  // namespace normkit
