#include "normkit/core/tensor.h"

#include <cstdlib>
#include <cstring>

#include "src/core/fail.h"

namespace normkit {

void Tensor::Free::operator()(void* p) const { std::free(p); }

Tensor::Tensor(Layout layout, DType dtype) : layout_(std::move(layout)), dtype_(dtype) {
  const size_t wanted = static_cast<size_t>(layout_.size()) * SizeOf(dtype_);
  const size_t rounded = wanted ? (wanted + 63) / 64 * 64 : 64;
  storage_.reset(std::aligned_alloc(64, rounded));
  if (!storage_)
    Fail("tensor {} {}: {} bytes of memory are not to be had", Name(dtype_), layout_.ToString(),
         rounded);
  std::memset(storage_.get(), 0, rounded);
}

Tensor Tensor::Clone() const {
  if (!storage_) return {};
  Tensor copy(layout_, dtype_);
  std::memcpy(copy.data(), data(), bytes());
  return copy;
}

void Tensor::CheckDType(DType wanted) const {
  if (wanted != dtype_)
    Fail("tensor {}: holds {}, asked for {}", layout_.ToString(), Name(dtype_), Name(wanted));
}

}  // namespace normkit
