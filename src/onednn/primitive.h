// A oneDNN primitive with its arguments, for both of the library's interfaces (v2 and v3). Included
// by nothing outside this folder.
#pragma once

#include <initializer_list>
#include <utility>
#include <vector>

#include "src/onednn/engine.h"

namespace normkit {

// Primitive descriptors that keep their temporary memory with the caller.
dnnl::primitive_attr UserScratchpad();

// The two interfaces take the same arguments in the same order, in two steps (v2) or one (v3).
// Called under OneThread. `hint` is the forward descriptor of a backward primitive.
#if DNNL_VERSION_MAJOR >= 3
template <class Primitive, class... Args>
typename Primitive::primitive_desc Describe(const Args&... args) {
  return {CpuEngine(), args..., UserScratchpad()};
}
template <class Primitive, class Hint, class... Args>
typename Primitive::primitive_desc DescribeBackward(const Hint& hint, const Args&... args) {
  return {CpuEngine(), args..., hint, UserScratchpad()};
}
#else
template <class Primitive, class... Args>
typename Primitive::primitive_desc Describe(const Args&... args) {
  return {typename Primitive::desc(args...), UserScratchpad(), CpuEngine()};
}
template <class Primitive, class Hint, class... Args>
typename Primitive::primitive_desc DescribeBackward(const Hint& hint, const Args&... args) {
  return {typename Primitive::desc(args...), UserScratchpad(), CpuEngine(), hint};
}
#endif

// One primitive and the arrays it works on, bound once and pointed elsewhere at each call.
class PrimitiveCall {
 public:
  PrimitiveCall(dnnl::primitive primitive,
                std::initializer_list<std::pair<int, dnnl::memory::desc>> arguments);

  // The arrays in the order of `arguments`. Does not throw.
  dnnl_status_t Run(std::initializer_list<const void*> arrays);

 private:
  dnnl::primitive primitive_;
  dnnl::stream stream_;
  std::vector<dnnl::memory> memories_;
  std::vector<const void*> arrays_;  // what the memories point at
  std::vector<dnnl_exec_arg_t> arguments_;
};

// Copies between two orders of the same array.
PrimitiveCall MakeReorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to);

// Equal, 64-byte aligned parts of scratch memory, one for each piece of a batch.
struct Region {
  size_t offset = 0, stride = 0;
  template <class T = float>
  T* At(std::byte* scratch, int64_t piece = 0) const {
    return reinterpret_cast<T*>(scratch + offset + stride * static_cast<size_t>(piece));
  }
};

// Adds up the scratch memory of a pass.
class ScratchLayout {
 public:
  Region Add(size_t bytes, int64_t count = 1);
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_ = 0;
};

}  // namespace normkit
