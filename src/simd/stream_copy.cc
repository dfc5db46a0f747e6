#include "src/simd/stream_copy.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/simd/stream_copy.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "src/simd/target.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void StreamCopy(const void* from, int64_t from_step, int64_t rows, int64_t bytes, void* to,
                int64_t to_step) {
  const hn::ScalableTag<uint8_t> d;
  constexpr int64_t kLine = 64;
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(d));
  const auto* in = static_cast<const uint8_t*>(from);
  auto* out = static_cast<uint8_t*>(to);
  for (int64_t row = 0; row < rows; ++row, in += from_step, out += to_step) {
    const auto misfit = static_cast<int64_t>(reinterpret_cast<uintptr_t>(out) % kLine);
    const int64_t begin = std::min(bytes, misfit == 0 ? 0 : kLine - misfit);
    const int64_t end = begin + (bytes - begin) / kLine * kLine;
    if (begin > 0) std::memcpy(out, in, static_cast<size_t>(begin));
    for (int64_t i = begin; i < end; i += kWidth) hn::Stream(hn::LoadU(d, in + i), d, out + i);
    if (end < bytes) std::memcpy(out + end, in + end, static_cast<size_t>(bytes - end));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <hwy/cache_control.h>

namespace normkit::simd {

HWY_EXPORT(StreamCopy);

void StreamCopy(const void* from, int64_t from_step, int64_t rows, int64_t bytes, void* to,
                int64_t to_step) {
  ChooseTarget();
  HWY_DYNAMIC_DISPATCH(StreamCopy)(from, from_step, rows, bytes, to, to_step);
}

void EndStreams() { hwy::FlushStream(); }

}  // namespace normkit::simd
#endif
