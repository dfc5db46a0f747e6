// What is reduced together, and short runs of it in a row.
#if defined(NORMKIT_UNITS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_UNITS_INL_H_
#undef NORMKIT_UNITS_INL_H_
#else
#define NORMKIT_UNITS_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "src/norm/cpu/job.h"
#include "src/norm/cpu/kernels/row_blocks.h"
#include "src/simd/load_store-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

using namespace simd::HWY_NAMESPACE;

template <class T>
HWY_INLINE double ToDouble(T value) {
  if constexpr (sizeof(T) == 2)
    return ToFloat(value);
  else
    return static_cast<double>(value);
}

// The first and the last W of `bytes`, which may overlap.
template <class W>
HWY_INLINE void CopyEnds(const char* from, char* HWY_RESTRICT to, size_t bytes) {
  W first, last;
  std::memcpy(&first, from, sizeof(W));
  std::memcpy(&last, from + bytes - sizeof(W), sizeof(W));
  std::memcpy(to, &first, sizeof(W));
  std::memcpy(to + bytes - sizeof(W), &last, sizeof(W));
}

// A few elements, at least one: memcpy takes longer than they do.
template <class T>
HWY_INLINE void CopyFew(const T* x, T* HWY_RESTRICT row, int64_t n) {
  const auto bytes = static_cast<size_t>(n) * sizeof(T);
  const auto* from = reinterpret_cast<const char*>(x);
  auto* to = reinterpret_cast<char*>(row);
  if (bytes >= 16) {
    size_t i = 0;
    for (; i + 32 < bytes; i += 16) std::memcpy(to + i, from + i, 16);
    return CopyEnds<std::array<uint64_t, 2>>(from + i, to + i, bytes - i);
  }
  if (bytes >= 8) return CopyEnds<uint64_t>(from, to, bytes);
  if (bytes >= 4) return CopyEnds<uint32_t>(from, to, bytes);
  CopyEnds<uint16_t>(from, to, bytes);
}

// What is reduced together: elements of an array, from `start` on.
template <class T>
class UnitOf {
 public:
  UnitOf() = default;
  HWY_INLINE UnitOf(const InputArray& array, int64_t start)
      : first_(static_cast<const T*>(array.data()) + (array.pitch() ? 0 : start)),
        pitch_(array.pitch()),
        start_(start) {}

  HWY_INLINE const T* At(int64_t offset) const {
    return first_ + (HWY_UNLIKELY(pitch_) ? pitch_->Offset(start_ + offset) : offset);
  }
  // Where `count` of its rows begin, which have these offsets.
  HWY_INLINE void Rows(const int64_t* offsets, int64_t count, const T** rows) const {
    if (HWY_LIKELY(!pitch_))
      for (int64_t i = 0; i < count; ++i) rows[i] = first_ + offsets[i];
    else
      for (int64_t i = 0; i < count; ++i) rows[i] = At(offsets[i]);
  }
  // Null where it is not dense.
  HWY_INLINE const T* dense() const { return pitch_ ? nullptr : first_; }

 private:
  const T* first_ = nullptr;  // of the array, where it has a pitch
  const Pitch* pitch_ = nullptr;
  int64_t start_ = 0;
};

// Elements to be written: as an array, those of 16 bits would become zero first, which took a fifth
// of the time of a row of 512.
template <class T, int64_t kCount>
class RoomFor {
 public:
  HWY_INLINE T* get() { return reinterpret_cast<T*>(bytes_); }

 private:
  HWY_ALIGN std::byte bytes_[sizeof(T) * kCount];
};

// The first runs of a block in a row; how many elements they are.
template <class T>
HWY_INLINE int64_t Pack(const RowBlocks& blocks, const UnitOf<T>& unit, const Block& block,
                        int64_t runs, T* HWY_RESTRICT row) {
  if (const T* dense = unit.dense()) {
    for (int64_t k = 0; k < runs; ++k)
      CopyFew(dense + blocks.Offset(block, k), row + k * block.length, block.length);
    return runs * block.length;
  }
  for (int64_t k = 0; k < runs; ++k)
    CopyFew(unit.At(blocks.Offset(block, k)), row + k * block.length, block.length);
  return runs * block.length;
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_UNITS_INL_H_
