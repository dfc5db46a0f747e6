#include "src/simd/convert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/simd/convert.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "src/simd/load_store-inl.h"
#include "src/simd/target.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::simd {
namespace HWY_NAMESPACE {

template <class T>
void Convert(const void* from, int64_t n, float added, float* to) {
  const Tag<float> d;
  const auto* values = static_cast<const T*>(from);
  const auto put = [=](auto part) HWY_ATTR {
    const auto value = part.Load(values);
    part.Store(added == 0 ? value : hn::Add(value, hn::Set(d, added)), to);  // -0 stays
  };
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<float>()));
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) put(WholeVector<float>{i});
  if (i < n) put(PartOfVector<float>{i, static_cast<size_t>(n - i)});
}

void ToFloats(const void* from, DType dtype, int64_t n, float added, float* to) {
  switch (dtype) {
    case DType::kBF16:
      return Convert<BFloat16>(from, n, added, to);
    case DType::kF16:
      return Convert<Float16>(from, n, added, to);
    default:
      return Convert<float>(from, n, added, to);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace normkit::simd {

HWY_EXPORT(ToFloats);

void ToFloats(const void* from, DType dtype, int64_t n, float added, float* to) {
  ChooseTarget();
  HWY_DYNAMIC_DISPATCH(ToFloats)(from, dtype, n, added, to);
}

}  // namespace normkit::simd
#endif
