// Arrays of anyone who speaks DLPack or the buffer protocol: where they lie, and as what.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <string>

#include "python/src/module.h"
#include "src/core/fail.h"

namespace normkit::python {

namespace nb = nanobind;

namespace {

// "f32", or "int64" and the like for what no normalization takes.
std::string NameOf(nb::dlpack::dtype dtype) {
  const bool is_float = dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Float);
  if (dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Bfloat)) return "bf16";
  if (is_float) return "f" + std::to_string(dtype.bits);
  const char* kind = dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Int)    ? "int"
                     : dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::UInt) ? "uint"
                     : dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Bool)
                         ? "bool of bits "
                         : "type of bits ";
  return kind + std::to_string(dtype.bits);
}

// Keeps an array of `Array`'s kind as long as Python wants.
template <class Array>
struct Owner {
  Array array;
};

// (address, shape, strides in elements, dtype, owner): who keeps the owner keeps the elements.
template <class Array>
nb::tuple Lies(const Array& array) {
  nb::list shape, strides;
  for (size_t i = 0; i < array.ndim(); ++i) {
    shape.append(array.shape(i));
    strides.append(array.stride(i));
  }
  return nb::make_tuple(reinterpret_cast<uintptr_t>(array.data()), nb::tuple(shape),
                        nb::tuple(strides), NameOf(array.dtype()), Owner<Array>{array});
}

}  // namespace

void AddArrays(nb::module_& m) {
  using Read = nb::ndarray<nb::ro, nb::device::cpu>;
  using Written = nb::ndarray<nb::device::cpu>;
  nb::class_<Owner<Read>>(m, "ReadOwner");
  nb::class_<Owner<Written>>(m, "WrittenOwner");
  m.def("lies", Lies<Read>, nb::arg("array").noconvert());
  m.def("lies_writable", Lies<Written>, nb::arg("array").noconvert());
}

}  // namespace normkit::python
