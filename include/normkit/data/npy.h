// NumPy's .npy and .npz files.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "normkit/core/dtype.h"
#include "normkit/core/error.h"
#include "normkit/core/export.h"

namespace normkit {

// A dense array as a file holds it, in C order.
struct NORMKIT_API NpyArray {
  std::string
      descr;  // NumPy's type string: "<f4", "<f8", "<f2", "|u1", "<i8", ...; bfloat16 is "<V2"
  std::vector<int64_t> shape;
  std::vector<std::byte> data;

  int64_t size() const;                     // product of the shape
  std::vector<float> AsFloats() const;      // converts any real type; throws Error for the others
  bool IsIntegral() const;                  // integers and booleans
  std::vector<int64_t> AsIntegers() const;  // throws Error where not integral
  std::vector<std::string> AsTexts()
      const;            // of S (ASCII) and U, as UTF-8; throws Error for others
  DType dtype() const;  // throws Error where it is not a floating-point type normkit stores
};

// Reads versions 1 to 3, both byte orders (turned into little-endian) and Fortran order (turned
// into C order); booleans, integers, floating-point and complex numbers, text (S, U) and bfloat16
// as ml_dtypes writes it, "<V2". Throws Error naming file, position, given and expected.
NORMKIT_API NpyArray ReadNpy(const std::string& path);
NORMKIT_API void WriteNpy(const std::string& path, const NpyArray& array);
NORMKIT_API NpyArray MakeNpy(DType dtype, std::vector<int64_t> shape, const void* data);

// Members by name, without ".npy"; other members are passed over. Stored and deflated members,
// ZIP64 too. What is read is bounded by the file's size: check sums and claimed sizes are checked
// first.
NORMKIT_API std::map<std::string, NpyArray> ReadNpz(const std::string& path);
// Stored members; equal arrays give equal bytes. Throws Error above 4 GiB.
NORMKIT_API void WriteNpz(const std::string& path, const std::map<std::string, NpyArray>& arrays);

}  // namespace normkit
