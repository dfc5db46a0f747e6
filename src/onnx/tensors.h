// ONNX tensors (TensorProto) and plain arrays.
#pragma once

#include <onnx.pb.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace normkit {

// An f32 tensor with its bits as raw data, little endian as ONNX demands.
onnx::TensorProto MakeTensor(const std::string& name, std::span<const int64_t> shape,
                             std::span<const float> values);
onnx::TensorProto MakeTensor(const std::string& name, std::span<const int64_t> shape,
                             std::span<const int64_t> values);
onnx::TensorProto MakeTensor(const std::string& name, std::span<const int64_t> shape,
                             std::span<const double> values);

// The values of an f32 (i64) tensor, however they are stored in it. `where` begins the messages of
// errors: a type that is not expected, data outside the file, a size that does not fit the shape.
std::vector<float> FloatValues(const onnx::TensorProto& tensor, const std::string& where);
std::vector<int64_t> IntValues(const onnx::TensorProto& tensor, const std::string& where);

// The tensor's shape. Throws Error on a negative size or a product beyond 2^40.
std::vector<int64_t> ShapeOf(const onnx::TensorProto& tensor, const std::string& where);

}  // namespace normkit
