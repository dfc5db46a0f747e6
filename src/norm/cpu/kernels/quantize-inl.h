// y in 8 bits, from y as it would be stored.
#if defined(NORMKIT_QUANTIZE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_QUANTIZE_INL_H_
#undef NORMKIT_QUANTIZE_INL_H_
#else
#define NORMKIT_QUANTIZE_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "src/norm/cpu/kernels/write_run-inl.h"
#include "src/norm/quantize.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// To the bit what quantize.h makes of each element, in vectors; f64 element by element.
template <class Out>
struct ToIntegers {
  const Quantizer& to;

  HWY_INLINE Out operator()(double y) const {
    return static_cast<Out>(QuantizedTo<double>(y, to.scale, to.zero_point, kLeast, kMost));
  }
  template <class D>
  HWY_INLINE hn::Vec<hn::RebindToSigned<D>> operator()(D d, hn::Vec<D> y) const {
    const auto zero_point = static_cast<float>(to.zero_point);
    const auto quotient = hn::Div(y, hn::Set(d, static_cast<float>(to.scale)));
    const auto number = hn::IfThenElseZero(hn::Eq(quotient, quotient), quotient);
    const auto within =
        hn::Min(hn::Max(number, hn::Set(d, kLeast - zero_point)), hn::Set(d, kMost - zero_point));
    const auto whole = hn::Set(d, 0x1.8p23f);  // as Rounded
    const auto rounded = hn::Sub(hn::Add(within, whole), whole);
    return hn::ConvertTo(hn::RebindToSigned<D>(), hn::Add(rounded, hn::Set(d, zero_point)));
  }

 private:
  static constexpr float kLeast = std::numeric_limits<Out>::min();
  static constexpr float kMost = std::numeric_limits<Out>::max();
};

struct ToFloat8s {
  const Quantizer& to;

  HWY_INLINE uint8_t operator()(double y) const { return ToFloat8(y / to.scale); }
  template <class D>
  HWY_INLINE hn::Vec<hn::RebindToSigned<D>> operator()(D d, hn::Vec<D> y) const {
    const hn::RebindToUnsigned<D> du;
    const auto quotient = hn::Div(y, hn::Set(d, static_cast<float>(to.scale)));
    const auto magnitude = hn::Abs(quotient), most = hn::Set(d, 448.0f);
    const auto within = hn::IfThenElse(hn::Lt(magnitude, most), magnitude, most);
    const auto steps = hn::Set(d, 0x1p14f);
    const auto small = hn::Sub(hn::BitCast(du, hn::Add(within, steps)), hn::BitCast(du, steps));
    const auto bits = hn::BitCast(du, within);
    const auto half =
        hn::Add(hn::And(hn::ShiftRight<20>(bits), hn::Set(du, 1)), hn::Set(du, 0x7ffff));
    const auto large = hn::Sub(hn::ShiftRight<20>(hn::Add(bits, half)), hn::Set(du, 120 << 3));
    const auto number = hn::IfThenElse(hn::Lt(within, hn::Set(d, 0x1p-6f)), hn::BitCast(d, small),
                                       hn::BitCast(d, large));
    const auto code =
        hn::IfThenElse(hn::Eq(quotient, quotient), number, hn::BitCast(d, hn::Set(du, 0x7f)));
    const auto sign = hn::And(hn::ShiftRight<24>(hn::BitCast(du, quotient)), hn::Set(du, 0x80));
    return hn::BitCast(hn::RebindToSigned<D>(), hn::Or(hn::BitCast(du, code), sign));
  }
};

template <class T, class Out, class Convert>
HWY_NOINLINE void QuantizeRun(const T* y, int64_t n, const Convert& convert, Out* out) {
  if constexpr (std::is_same_v<T, double>) {
    for (int64_t i = 0; i < n; ++i) out[i] = convert(y[i]);
  } else {
    const Tag<T> d;
    const hn::Rebind<Out, Tag<T>> narrow;
    constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
    int64_t i = 0;
    for (; i + kWidth <= n; i += kWidth)
      hn::StoreU(hn::DemoteTo(narrow, convert(d, LoadAny(d, y + i))), narrow, out + i);
    if (i >= n) return;
    HWY_ALIGN Out rest[kWidth];
    const auto count = static_cast<size_t>(n - i);
    hn::Store(hn::DemoteTo(narrow, convert(d, LoadPartial(d, y + i, count))), narrow, rest);
    for (size_t lane = 0; lane < count && lane < kWidth; ++lane)
      out[static_cast<size_t>(i) + lane] = rest[lane];
  }
}

template <class T>
void Quantize(const Quantizer& to, const void* values, int64_t n, void* out) {
  const T* y = static_cast<const T*>(values);
  switch (to.type) {
    case OutputType::kUint8:
      return QuantizeRun(y, n, ToIntegers<uint8_t>{to}, static_cast<uint8_t*>(out));
    case OutputType::kFloat8E4M3:
      return QuantizeRun(y, n, ToFloat8s{to}, static_cast<uint8_t*>(out));
    default:
      return QuantizeRun(y, n, ToIntegers<int8_t>{to}, static_cast<int8_t*>(out));
  }
}

// The largest |y|; NaN where one is: without their signs, floating-point numbers are in the order
// of the whole numbers that their bits are, NaN behind all others.
template <class T>
double Largest(const void* values, int64_t n) {
  const T* y = static_cast<const T*>(values);
  if constexpr (std::is_same_v<T, double>) {
    int64_t largest = 0;
    for (int64_t i = 0; i < n; ++i)
      largest = std::max(largest, std::bit_cast<int64_t>(std::abs(y[i])));
    return std::bit_cast<double>(largest);
  } else {
    const Tag<T> d;
    const hn::RebindToSigned<Tag<T>> di;
    constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
    const auto bits = [&](hn::Vec<Tag<T>> v) HWY_ATTR { return hn::BitCast(di, hn::Abs(v)); };
    auto even = hn::Zero(di), odd = even;
    int64_t i = 0;
    for (; i + 2 * kWidth <= n; i += 2 * kWidth) {
      even = hn::Max(even, bits(LoadAny(d, y + i)));
      odd = hn::Max(odd, bits(LoadAny(d, y + i + kWidth)));
    }
    for (; i < n; i += kWidth) {
      const auto count = static_cast<size_t>(std::min(kWidth, n - i));
      even = hn::Max(even, bits(LoadPartial(d, y + i, count)));
    }
    HWY_ALIGN int32_t lanes[kWidth];
    hn::Store(hn::Max(even, odd), di, lanes);
    return static_cast<double>(std::bit_cast<float>(*std::max_element(lanes, lanes + kWidth)));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_QUANTIZE_INL_H_
