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
class ToIntegers {
 public:
  explicit ToIntegers(const Quantizer& to)
      : to_(to), scale_(static_cast<float>(to.scale)), inverse_(1 / scale_) {}

  HWY_INLINE Out operator()(double y) const {
    return static_cast<Out>(QuantizedTo<double>(y, to_.scale, to_.zero_point, kLeast, kMost));
  }
  template <class D>
  HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> operator()(D d, hn::Vec<D> y) const {
    return Whole(d, Within(d, hn::Div(y, hn::Set(d, scale_)))).code;
  }

  // Whether y * (1 / scale) is near enough to y / scale.
  bool HasInverse() const { return std::isnormal(scale_) && std::isnormal(inverse_); }
  // By that. Where it is not clamped, below 384 in magnitude, the product is off the quotient by 3
  // u of it at most, 2^-13.8 (2 u of its own, 1 u of the quotient's rounding). So both have the
  // same whole number but where the product lies as near as that to the middle between two;
  // `farthest` is how far it is from its whole number, of all lanes so far.
  template <class D>
  HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> ByInverse(D d, hn::Vec<D> y,
                                                        hn::Vec<D>& farthest) const {
    const auto within = Within(d, hn::Mul(y, hn::Set(d, inverse_)));
    const auto whole = Whole(d, within);
    farthest = hn::Max(farthest, hn::Abs(hn::Sub(within, whole.rounded)));
    return whole.code;
  }
  static constexpr float kSure = 0.5f - 0x1p-13f;  // of `farthest`

 private:
  template <class D>
  struct Rounded {
    hn::Vec<D> rounded;
    hn::Vec<hn::RebindToUnsigned<D>> code;  // its last 8 bits are those of the number
  };
  template <class D>
  HWY_INLINE hn::Vec<D> Within(D d, hn::Vec<D> quotient) const {
    const auto zero_point = static_cast<float>(to_.zero_point);
    const auto number = hn::IfThenElseZero(hn::Eq(quotient, quotient), quotient);
    return hn::Min(hn::Max(number, hn::Set(d, kLeast - zero_point)),
                   hn::Set(d, kMost - zero_point));
  }
  template <class D>
  HWY_INLINE Rounded<D> Whole(D d, hn::Vec<D> within) const {
    const hn::RebindToUnsigned<D> du;
    const auto whole = hn::Set(d, 0x1.8p23f);  // as Rounded of quantize.h; its last 8 bits are 0
    const auto sum = hn::Add(within, whole);
    const auto zero_point = hn::Set(du, static_cast<uint32_t>(to_.zero_point));
    return {hn::Sub(sum, whole), hn::Add(hn::BitCast(du, sum), zero_point)};
  }

  static constexpr float kLeast = std::numeric_limits<Out>::min();
  static constexpr float kMost = std::numeric_limits<Out>::max();
  const Quantizer& to_;
  const float scale_, inverse_;
};

struct ToFloat8s {
  const Quantizer& to;

  HWY_INLINE uint8_t operator()(double y) const { return ToFloat8(y / to.scale); }
  template <class D>
  HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> operator()(D d, hn::Vec<D> y) const {
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
    return hn::Or(hn::BitCast(du, code), sign);
  }
};

// The last 8 bits of each lane.
template <class D, class Out>
HWY_INLINE void StoreBytes(D, hn::Vec<D> codes, Out* out) {
  const hn::Rebind<uint8_t, D> narrow;
  hn::StoreU(hn::TruncateTo(narrow, codes), narrow, reinterpret_cast<uint8_t*>(out));
}

template <class T, class Out, class Convert>
HWY_INLINE void QuantizeVectors(const T* y, int64_t begin, int64_t n, const Convert& convert,
                                Out* out) {
  const Tag<T> d;
  const hn::RebindToUnsigned<Tag<T>> du;
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
  int64_t i = begin;
  for (; i + kWidth <= n; i += kWidth) StoreBytes(du, convert(d, LoadAny(d, y + i)), out + i);
  if (i >= n) return;
  HWY_ALIGN Out rest[kWidth];
  const auto count = static_cast<size_t>(n - i);
  StoreBytes(du, convert(d, LoadPartial(d, y + i, count)), rest);
  for (size_t lane = 0; lane < count && lane < kWidth; ++lane)
    out[static_cast<size_t>(i) + lane] = rest[lane];
}

template <class T, class Out, class Convert>
HWY_NOINLINE void QuantizeRun(const T* y, int64_t n, const Convert& convert, Out* out) {
  if constexpr (std::is_same_v<T, double>) {
    for (int64_t i = 0; i < n; ++i) out[i] = convert(y[i]);
  } else {
    QuantizeVectors(y, 0, n, convert, out);
  }
}

// Without divisions but where a quotient may lie in the middle of two whole numbers: one in 64
// times.
template <class T, class Out>
HWY_NOINLINE void QuantizeRun(const T* y, int64_t n, const ToIntegers<Out>& convert, Out* out) {
  if constexpr (std::is_same_v<T, double>) {
    for (int64_t i = 0; i < n; ++i) out[i] = convert(y[i]);
  } else {
    const Tag<T> d;
    const hn::RebindToUnsigned<Tag<T>> du;
    constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>())), kStep = 4 * kWidth;
    const auto sure = hn::Set(d, ToIntegers<Out>::kSure);
    int64_t i = 0;
    for (; convert.HasInverse() && i + kStep <= n; i += kStep) {
      auto farthest = hn::Zero(d);
      const auto c0 = convert.ByInverse(d, LoadAny(d, y + i), farthest);
      const auto c1 = convert.ByInverse(d, LoadAny(d, y + i + kWidth), farthest);
      const auto c2 = convert.ByInverse(d, LoadAny(d, y + i + 2 * kWidth), farthest);
      const auto c3 = convert.ByInverse(d, LoadAny(d, y + i + 3 * kWidth), farthest);
      if (HWY_UNLIKELY(!hn::AllTrue(d, hn::Lt(farthest, sure)))) {
        QuantizeVectors(y, i, i + kStep, convert, out);
        continue;
      }
      StoreBytes(du, c0, out + i);
      StoreBytes(du, c1, out + i + kWidth);
      StoreBytes(du, c2, out + i + 2 * kWidth);
      StoreBytes(du, c3, out + i + 3 * kWidth);
    }
    QuantizeVectors(y, i, n, convert, out);
  }
}

template <class T>
void Quantize(const Quantizer& to, const void* values, int64_t n, void* out) {
  const T* y = static_cast<const T*>(values);
  switch (to.type) {
    case OutputType::kUint8:
      return QuantizeRun(y, n, ToIntegers<uint8_t>(to), static_cast<uint8_t*>(out));
    case OutputType::kFloat8E4M3:
      return QuantizeRun(y, n, ToFloat8s{to}, static_cast<uint8_t*>(out));
    default:
      return QuantizeRun(y, n, ToIntegers<int8_t>(to), static_cast<int8_t*>(out));
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
