// y of rows of bf16 by vectors of even and of odd places, with the parameters in the same order.
#if defined(NORMKIT_PAIRED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_PAIRED_INL_H_
#undef NORMKIT_PAIRED_INL_H_
#else
#define NORMKIT_PAIRED_INL_H_
#endif

#include <algorithm>

#include "src/core/scratch.h"
#include "src/norm/cpu/kernels/apply-inl.h"
#include "src/norm/cpu/kernels/narrow-inl.h"
#include "src/norm/cpu/kernels/reduce_row-inl.h"
#include "src/norm/cpu/wanted_schedule.h"
#include "src/simd/cache.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// No rows are.
template <class T, bool = kPaired<T>>
class PairedRows {
 public:
  HWY_INLINE PairedRows(const ForwardJob&, int64_t) {}
  HWY_INLINE bool fits() const { return false; }
  HWY_INLINE int64_t group() const { return 1; }
  HWY_INLINE void Write(int64_t, int64_t, RunWriter<T>&) const {}
};

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
struct SortedTag;

// Rows in element form that share all parameters, to the bits of Normalized; nothing behind them
// but a ReLU.
template <class T>
class PairedRows<T, true> {
  using D = Tag<T>;
  static constexpr auto kWidth = static_cast<int64_t>(hn::MaxLanes(D()));

 public:
  // Of a task of `rows` rows: of few, to sort the parameters takes longer than it saves.
  HWY_INLINE PairedRows(const ForwardJob& job, int64_t rows)
      : job_(job), n_(job.geometry->run_length), group_(job.group) {
    fits_ = AreDenseRowsAlike(job) && !job.finishes && rows >= kLeastRows && n_ > kSpreadLength &&
            n_ <= kMost && n_ % (2 * kWidth) == 0 &&
            reinterpret_cast<uintptr_t>(job.y.data()) % (kWidth * sizeof(float)) == 0;
    if (!fits_) return;
    const WantedSchedule& wanted = GetWantedSchedule();
    const bool alone = simd::HasLargeL1() && n_ >= kLongRow;
    if (job.stream && !alone && !wanted.group && !wanted.group_to)
      group_ = std::clamp<int64_t>(kFetched / 2 / n_, job.group, kMaxGroup);
    float* sorted = Scratch<SortedTag, float>(static_cast<size_t>(2 * n_));
    gamma_ = sorted, beta_ = sorted + n_;
    Sort(static_cast<const float*>(job.gamma), sorted);
    Sort(static_cast<const float*>(job.beta), sorted + n_);
  }
  HWY_INLINE bool fits() const { return fits_; }
  // How many rows are reduced and then written together: where those of the next group are fetched
  // meanwhile, that many, if NORMKIT_SCHEDULE does not say.
  HWY_INLINE int64_t group() const { return group_; }

  // Rows [first, last).
  HWY_NOINLINE void Write(int64_t first, int64_t last, RunWriter<T>&) const {
    for (int64_t row = first; row < last; ++row)
      job_.relu ? WriteRow<true>(row) : WriteRow<false>(row);
  }

 private:
  static constexpr int64_t kMost = 16384, kLeastRows = 4;
  static constexpr int64_t kFetched = 20 << 10;  // bytes
  // Elements of rows that go one by one from memory where the L1 cache is large: [4096,4096] takes
  // .85 of the time of two by two, rows of 3,072 .9 of three by three, of 2,048 the same.
  static constexpr int64_t kLongRow = 3072;

  void Sort(const float* values, float* HWY_RESTRICT to) const {
    const D d;
    for (int64_t i = 0; i < n_; i += 2 * kWidth) {
      const auto two = ToPairs(d, hn::LoadU(d, values + i), hn::LoadU(d, values + i + kWidth));
      const auto even = WithShortNans<T>(two.even), odd = WithShortNans<T>(two.odd);
      hn::Store(even, d, to + i);
      hn::Store(odd, d, to + i + kWidth);
    }
  }

  template <bool kRelu>
  HWY_INLINE void WriteRow(int64_t row) const {
    const D d;
    using One = Coefficient<float, false>;
    using Each = Coefficient<float, true>;
    const auto k = CoefficientsOfStat<float>(job_.mean[row], job_.rstd[row]);
    const auto one = [&](float value) HWY_ATTR { return One(WithShortNans<T>(hn::Set(d, value))); };
    const ElementForm<T, false, true> form{one(k.hi), one(k.r), one(k.e), Each(gamma_),
                                           Each(beta_)};
    const T* x = job_.x.At<T>(row * n_);
    auto* y = reinterpret_cast<uint32_t*>(job_.y.At<T>(row * n_));
    const bool stream = job_.stream;
    const int64_t ahead = stream ? std::max(group_ * n_, kFetched / 2) : 0;
    const auto result = [&](int64_t i) HWY_ATTR {
      FetchAhead(x + i, ahead);
      const auto values = LoadPairs(d, x + i);
      const auto even = form.Get(WholeVector<float>{i});
      const auto odd = form.Get(WholeVector<float>{i + kWidth});
      return NarrowPairs<D, Nans::kShort>(
          d, {Activate<kRelu>(d, even.Z(hn::Sub(values.even, even.hi))),
              Activate<kRelu>(d, odd.Z(hn::Sub(values.odd, odd.hi)))});
    };
    const auto store = [&](auto v, int64_t i) HWY_ATTR {
      const hn::Rebind<uint32_t, D> d32;
      stream ? hn::Stream(v, d32, y + i / 2) : hn::Store(v, d32, y + i / 2);
    };
    int64_t i = 0;
    // Loads before stores, as RunWriter has them.
    for (; i + 4 * kWidth <= n_; i += 4 * kWidth) {
      const auto v0 = result(i), v1 = result(i + 2 * kWidth);
      store(v0, i), store(v1, i + 2 * kWidth);
    }
    if (i < n_) store(result(i), i);
  }

  const ForwardJob& job_;
  const int64_t n_;
  int64_t group_;
  bool fits_;
  const float *gamma_, *beta_;
};
#endif

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_PAIRED_INL_H_
