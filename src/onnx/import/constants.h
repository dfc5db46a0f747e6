// Arrays of model files of any type, as the types that graphs compute with.
#pragma once

#include <onnx.pb.h>

#include <map>
#include <memory>
#include <string>

#include "normkit/core/tensor.h"

namespace normkit {

// Floating-point types become f32, whole numbers i64, bool stays. Data in other files are looked
// for in the model's folder, nowhere else.
class ConstantReader {
 public:
  explicit ConstantReader(std::string folder) : folder_(std::move(folder)) {}

  // Throws Error that begins with `where`: a type that is none of these, sizes that do not fit the
  // data, a file that is not there.
  Tensor Read(const onnx::TensorProto& tensor, const std::string& where);
  int64_t elements() const { return elements_; }  // read so far

 private:
  std::string_view External(const onnx::TensorProto& tensor, const std::string& where);

  struct File {
    std::string bytes;
    uint64_t named = 0;  // bytes that tensors have named so far, some of them more than once
  };

  int64_t elements_ = 0;
  std::string folder_;                 // "": there is none
  std::map<std::string, File> files_;  // what was read, by name
};

// The type that elements of ONNX type `type` have here. Throws Error where there is none.
DType ImportedType(int type, const std::string& where);

}  // namespace normkit
