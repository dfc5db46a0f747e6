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

#include "src/norm/cpu/kernels/table.h"
#include "src/norm/cpu/kernels/write_run-inl.h"
#include "src/norm/quantize.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// To the bit what quantize.h makes of each element, in vectors; f64 element by element. Bytes of
// int8 and uint8 are alike: only what they end at differs.
class ToIntegers {
 public:
  explicit ToIntegers(const Quantizer& to)
      : exact_scale_(to.scale),
        scale_(static_cast<float>(to.scale)),
        inverse_(1 / scale_),
        zero_point_(to.zero_point),
        least_(to.type == OutputType::kUint8 ? 0 : -128) {}

  HWY_INLINE uint8_t operator()(double y) const {
    return static_cast<uint8_t>(
        QuantizedTo<double>(y, exact_scale_, zero_point_, least_, least_ + 255));
  }
  template <class D>
  HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> operator()(D d, hn::Vec<D> y) const {
    const auto quotient = hn::Div(y, hn::Set(d, scale_));
    const auto number = hn::IfThenElseZero(hn::Eq(quotient, quotient), quotient);
    const hn::RebindToUnsigned<D> du;
    return hn::Add(hn::BitCast(du, hn::Add(Within(d, number), hn::Set(d, kWhole))),
                   hn::Set(du, static_cast<uint32_t>(zero_point_)));
  }

  // Whether y * (1 / scale) is near enough to y / scale.
  bool HasInverse() const { return std::isnormal(scale_) && std::isnormal(inverse_); }
  // By that, without the zero point. Where it is not clamped the product is off the quotient by 3 u
  // of it at most (2 u of its own, 1 u of the quotient's rounding). So both have the same whole
  // number but where the product lies as near as that to the middle between two; `farthest` has the
  // bits of how far it is from its whole number, of all lanes so far, and of NaN those of NaN,
  // which is farther: a maximum keeps its second operand then. What is no larger than 127 times the
  // scale is not clamped.
  template <bool kClamps, class D>
  HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> ByInverse(
      D d, hn::Vec<D> y, hn::Vec<hn::RebindToSigned<D>>& farthest) const {
    const hn::RebindToSigned<D> di;
    const auto product = hn::Mul(y, hn::Set(d, inverse_));
    const auto within = kClamps ? Within(d, product) : product;
    const auto sum = hn::Add(within, hn::Set(d, kWhole));
    const auto off = hn::Sub(within, hn::Sub(sum, hn::Set(d, kWhole)));
    farthest = hn::Max(farthest, hn::BitCast(di, hn::Abs(off)));
    return hn::BitCast(hn::RebindToUnsigned<D>(), sum);
  }
  // Of `farthest`: below this the whole numbers are those of quotients.
  int32_t Sure() const {
    const float most = std::max(-Least(), Most()) + 1;
    return std::bit_cast<int32_t>(0.5f - 0x1p-22f * most);
  }
  uint8_t zero_point() const { return static_cast<uint8_t>(zero_point_); }

 private:
  static constexpr float kWhole = 0x1.8p23f;  // as Rounded of quantize.h; its last 8 bits are 0

  float Least() const { return static_cast<float>(least_ - zero_point_); }
  float Most() const { return static_cast<float>(least_ + 255 - zero_point_); }
  template <class D>
  HWY_INLINE hn::Vec<D> Within(D d, hn::Vec<D> quotient) const {
    return hn::Min(hn::Set(d, Most()), hn::Max(hn::Set(d, Least()), quotient));
  }

  const double exact_scale_;
  const float scale_, inverse_;
  const int32_t zero_point_, least_;
};

struct ToFloat8s {
  const Quantizer to;

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
template <class D>
HWY_INLINE void StoreBytes(D, hn::Vec<D> codes, uint8_t* out) {
  const hn::Rebind<uint8_t, D> narrow;
  hn::StoreU(hn::TruncateTo(narrow, codes), narrow, out);
}

template <class T, class Convert>
HWY_INLINE void QuantizeVectors(const T* y, int64_t begin, int64_t n, const Convert& convert,
                                uint8_t* out) {
  const Tag<T> d;
  const hn::RebindToUnsigned<Tag<T>> du;
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>()));
  int64_t i = begin;
  for (; i + kWidth <= n; i += kWidth) StoreBytes(du, convert(d, LoadAny(d, y + i)), out + i);
  if (i >= n) return;
  HWY_ALIGN uint8_t rest[kWidth];
  const auto count = static_cast<size_t>(n - i);
  StoreBytes(du, convert(d, LoadPartial(d, y + i, count)), rest);
  for (size_t lane = 0; lane < count && lane < kWidth; ++lane)
    out[static_cast<size_t>(i) + lane] = rest[lane];
}

template <class T, class Convert>
HWY_NOINLINE void QuantizeRun(const T* y, int64_t n, const Convert convert, uint8_t* out) {
  if constexpr (std::is_same_v<T, double>) {
    for (int64_t i = 0; i < n; ++i) out[i] = convert(y[i]);
  } else {
    QuantizeVectors(y, 0, n, convert, out);
  }
}

#if HWY_TARGET != HWY_SCALAR
// Asks for elements of arrays, into the L1 cache.
template <class T>
class Fetcher {
 public:
  HWY_INLINE explicit Fetcher(const NextInput& next)
      : x_(static_cast<const T*>(next.x)), residual_(static_cast<const T*>(next.residual)) {}
  // Elements [i, i + n).
  HWY_INLINE void Fetch(int64_t i, int64_t n) const {
    constexpr int64_t kLine = 64 / sizeof(T);
    if (x_)
      for (int64_t k = i; k < i + n; k += kLine) __builtin_prefetch(x_ + k, 0, 3);
    if (residual_)
      for (int64_t k = i; k < i + n; k += kLine) __builtin_prefetch(residual_ + k, 0, 3);
  }

 private:
  const T* x_;
  const T* residual_;
};

// Without divisions but where a quotient may lie in the middle of two whole numbers: of int8, one
// in 250 times.
template <class T, bool kClamps>
HWY_NOINLINE void QuantizeByInverse(const T* y, int64_t n, const ToIntegers convert, uint8_t* out,
                                    const NextInput& next) {
  const Tag<T> d;
  const hn::RebindToSigned<Tag<T>> di;
  const hn::Repartition<uint16_t, Tag<T>> d16;
  const hn::Repartition<uint8_t, Tag<T>> d8;
  constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(Tag<T>())), kStep = 4 * kWidth;
  const Fetcher<T> fetcher(next);
  const auto sure = hn::Set(di, convert.Sure());
  const auto zero_point = hn::Set(d8, convert.zero_point());
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    fetcher.Fetch(i, kStep);
    auto farthest = hn::Zero(di);
    const auto code = [&](int64_t k) HWY_ATTR {
      const auto y_k = LoadAny(d, y + i + k * kWidth);
      return hn::BitCast(d16, convert.template ByInverse<kClamps>(d, y_k, farthest));
    };
    const auto c0 = code(0), c1 = code(1), c2 = code(2), c3 = code(3);
    if (HWY_UNLIKELY(!hn::AllTrue(di, hn::Lt(farthest, sure)))) {
      QuantizeVectors(y, i, i + kStep, convert, out);
      continue;
    }
    const auto low = hn::BitCast(d8, hn::ConcatEven(d16, c1, c0));
    const auto high = hn::BitCast(d8, hn::ConcatEven(d16, c3, c2));
    hn::StoreU(hn::Add(hn::ConcatEven(d8, high, low), zero_point), d8, out + i);
  }
  QuantizeVectors(y, i, n, convert, out);
}
#endif

template <class T>
void Quantize(const Quantizer& to, const void* values, int64_t n, void* result,
              [[maybe_unused]] const NextInput& next) {
  const T* y = static_cast<const T*>(values);
  auto* out = static_cast<uint8_t*>(result);
  if (to.type == OutputType::kFloat8E4M3) return QuantizeRun(y, n, ToFloat8s{to}, out);
  const ToIntegers convert(to);
#if HWY_TARGET != HWY_SCALAR
  if constexpr (!std::is_same_v<T, double>) {
    if (convert.HasInverse())
      return to.type == OutputType::kInt8PerStatistic
                 ? QuantizeByInverse<T, false>(y, n, convert, out, next)
                 : QuantizeByInverse<T, true>(y, n, convert, out, next);
  }
#endif
  QuantizeRun(y, n, convert, out);
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
    const auto all = hn::MaxOfLanes(di, hn::Max(even, odd));
    return static_cast<double>(std::bit_cast<float>(hn::GetLane(all)));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_QUANTIZE_INL_H_
