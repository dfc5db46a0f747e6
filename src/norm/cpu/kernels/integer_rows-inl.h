// From x to int8 or uint8 with a given scale, without y in between: rows of f32 that share all
// parameters.
#if defined(NORMKIT_INTEGER_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_INTEGER_ROWS_INL_H_
#undef NORMKIT_INTEGER_ROWS_INL_H_
#else
#define NORMKIT_INTEGER_ROWS_INL_H_
#endif

#include <algorithm>

#include "src/norm/cpu/kernels/forward-inl.h"
#include "src/norm/cpu/kernels/quantize-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

// To the bits of Normalized, then of Quantize.
template <bool kCenter>
class IntegerRows {
  using D = Tag<float>;
  using Form = ElementForm<float, false, true>;
  using One = Coefficient<float, false>;
  using Each = Coefficient<float, true>;
  static constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(D())), kStep = 4 * kWidth;
  static constexpr uintptr_t kLine = 64;

 public:
  HWY_INLINE IntegerRows(const ForwardJob& job, const ToIntegers& to, uint8_t* out)
      : job_(job), n_(job.geometry->run_length), to_(to), out_(out) {}

  // Rows [first, last), while as many behind them come from memory.
  HWY_NOINLINE void Write(int64_t first, int64_t last) const {
    const auto* gamma = static_cast<const float*>(job_.gamma);
    const auto* beta = static_cast<const float*>(job_.beta);
    for (int64_t row = first; row < last; ++row) {
      const auto k = CoefficientsOfStat<float>(job_.mean[row], job_.rstd[row]);
      const Form form{One(&k.hi), One(&k.r), One(&k.e), Each(gamma), Each(beta)};
      WriteRow(row * n_, form, (row + last - first) * n_, out_ + row * n_);
    }
  }

 private:
  // That begins at element `at`; asks for as much from `next` on.
  HWY_INLINE void WriteRow(int64_t at, const Form& form, int64_t next, uint8_t* out) const {
    const D d;
    const hn::RebindToSigned<D> di;
    const hn::Repartition<uint16_t, D> d16;
    const hn::Repartition<uint8_t, D> d8;
    const auto* x = job_.x.At<float>(at);
    const Fetcher<float> ahead(NextOf(job_, next, sizeof(float)));
    const bool lines = (reinterpret_cast<uintptr_t>(out) | static_cast<uintptr_t>(n_)) % kLine == 0;
    const bool stream = job_.stream && lines;
    const auto sure = hn::Set(di, to_.Sure());
    const auto zero_point = hn::Set(d8, to_.zero_point());
    for (int64_t begin = 0; begin < n_; begin += kStep) {
      const int64_t i = std::min(begin, n_ - kStep);  // the last ones once more: the same
      ahead.Fetch(i, kStep);
      auto farthest = hn::Zero(di);
      const auto code = [&](int64_t v) HWY_ATTR {
        const WholeVector<float> p{i + v * kWidth};
        const auto here = form.Get(p);
        const auto of_x = p.Load(x);
        // Without a mean hi is 0 and e is -0, which change nothing.
        const auto y = kCenter ? here.Z(hn::Sub(of_x, here.hi))
                               : hn::Add(hn::Mul(hn::Mul(of_x, here.r), here.gamma), here.beta);
        return hn::BitCast(d16, to_.ByInverse<true>(d, y, farthest));
      };
      const auto c0 = code(0), c1 = code(1), c2 = code(2), c3 = code(3);
      if (HWY_UNLIKELY(!hn::AllTrue(di, hn::Lt(farthest, sure)))) {
        Divide(x, form, i, out);
        continue;
      }
      const auto low = hn::BitCast(d8, hn::ConcatEven(d16, c1, c0));
      const auto high = hn::BitCast(d8, hn::ConcatEven(d16, c3, c2));
      const auto codes = hn::Add(hn::ConcatEven(d8, high, low), zero_point);
      stream ? hn::Stream(codes, d8, out + i) : hn::StoreU(codes, d8, out + i);
    }
  }
  // kStep elements from `begin` on.
  HWY_NOINLINE void Divide(const float* x, Form form, int64_t begin, uint8_t* out) const {
    HWY_ALIGN float y[kStep];
    form.Advance(begin);
    StoreRun(Normalize<float, Form, false>{x + begin, form, 0}, y, kStep);
    QuantizeVectors(y, 0, kStep, to_, out + begin);
  }

  const ForwardJob& job_;
  const int64_t n_;
  const ToIntegers to_;
  uint8_t* const out_;
};

template <bool kCenter>
HWY_NOINLINE void ForwardIntegerRows(const ForwardJob& job, const ToIntegers& to, int64_t first,
                                     int64_t last, uint8_t* out) {
  const RowBlocks blocks(job.geometry->reduce);
  const IntegerRows<kCenter> rows(job, to, out);
  for (int64_t unit = first, end; unit < last; unit = end) {
    end = EndOfGroup(job, unit, job.group, last);
    PrepareUnits<float>(job, unit, end);
    GroupStatistics<float, kCenter>(job, blocks, unit, end);
    rows.Write(unit, end);
  }
  if (job.stream) hwy::FlushStream();
}

inline bool ForwardIntegers(const ForwardJob& job, const Quantizer& to, int64_t first, int64_t last,
                            uint8_t* out) {
  constexpr int64_t kLeast = 256;  // shorter rows are turned, or end too often
  if (to.type != OutputType::kInt8 && to.type != OutputType::kUint8) return false;
  const ToIntegers integers(to);
  if (!integers.HasInverse() || !AreRowsAlike(job) || job.geometry->run_length < kLeast ||
      job.finishes || job.relu)
    return false;
  job.center ? ForwardIntegerRows<true>(job, integers, first, last, out)
             : ForwardIntegerRows<false>(job, integers, first, last, out);
  return true;
}
#endif

// The kernel of a table; null where there is none.
template <class T>
constexpr decltype(KernelTable::forward_integers) IntegersOf() {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  if constexpr (std::is_same_v<T, float>) return ForwardIntegers;
#endif
  return nullptr;
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_INTEGER_ROWS_INL_H_
