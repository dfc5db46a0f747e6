// NumPy's .npy and .npz files.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "normkit/core/dtype.h"
#include "normkit/core/export.h"

namespace normkit {

// A dense array as a file holds it, in C order.
struct NpyArray {
  std::string descr;  // NumPy's type string: "<f4", "<f8", "<f2", "|u1", "<i8", ...
  std::vector<int64_t> shape;
  std::vector<std::byte> data;

  int64_t size() const;                 // product of the shape
  std::vector<float> AsFloats() const;  // converts any numeric type
  DType dtype() const;  // throws Error where it is not a floating-point type normkit stores
};

// Reads versions 1 to 3, both byte orders and Fortran order (turned into C order). bfloat16 is what
// ml_dtypes writes: "<V2" (taken as bf16). Throws Error naming file, position, given and expected.
NORMKIT_API NpyArray ReadNpy(const std::string& path);
NORMKIT_API void WriteNpy(const std::string& path, const NpyArray& array);
NORMKIT_API NpyArray MakeNpy(DType dtype, std::vector<int64_t> shape, const void* data);

// Members by name, without ".npy". Stored and deflated members.
NORMKIT_API std::map<std::string, NpyArray> ReadNpz(const std::string& path);
NORMKIT_API void WriteNpz(const std::string& path, const std::map<std::string, NpyArray>& arrays);

}  // namespace normkit
