#include "normkit/core/tensor.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "src/core/fail.h"

namespace normkit {
namespace {

constexpr size_t kLine = 64, kHugePage = 2 << 20;

}  // namespace

void Tensor::Free::operator()(void* p) const { std::free(p); }

Tensor::Tensor(Layout layout, DType dtype, Begin begin) : type_{dtype, std::move(layout)} {
  const size_t wanted = type_.bytes();
  // Large arrays begin with a huge page and ask for more of them: fewer misses of the page tables,
  // and longer streams for the prefetcher.
  const size_t alignment = wanted >= 2 * kHugePage ? kHugePage : kLine;
  const size_t rounded = std::max(kLine, (wanted + kLine - 1) / kLine * kLine);
  void* memory = nullptr;  // aligned_alloc would want whole multiples of the alignment
  if (posix_memalign(&memory, alignment, rounded) != 0) memory = nullptr;
  storage_.reset(memory);
  if (!storage_) Fail("tensor {}: {} bytes of memory are not to be had", type_.ToString(), rounded);
  if (alignment == kHugePage)  // a wish: where it is not granted nothing is lost
    madvise(storage_.get(), rounded, MADV_HUGEPAGE);
  if (begin == kZero) std::memset(storage_.get(), 0, rounded);
}

Tensor Tensor::Clone() const {
  if (!storage_) return {};
  Tensor copy(layout(), dtype(), kUninitialized);
  std::memcpy(copy.data(), data(), bytes());
  return copy;
}

void Tensor::CheckDType(DType wanted) const {
  if (wanted != dtype())
    Fail("tensor {}: holds {}, asked for {}", layout().ToString(), Name(dtype()), Name(wanted));
}

}  // namespace normkit
