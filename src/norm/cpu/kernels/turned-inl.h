// Short rows, turned: a row in each lane from the loads to the statistics, or to the stores.
#if defined(NORMKIT_TURNED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_TURNED_INL_H_
#undef NORMKIT_TURNED_INL_H_
#else
#define NORMKIT_TURNED_INL_H_
#endif

#include <algorithm>
#include <limits>
#include <type_traits>

#include "src/norm/cpu/kernels/apply-inl.h"
#include "src/norm/cpu/kernels/narrow-inl.h"
#include "src/norm/cpu/kernels/small_divisor-inl.h"
#include "src/norm/cpu/kernels/two_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

// Four vectors of four columns become four of rows in each block of 128 bits, and back.
template <class V>
HWY_INLINE void TurnBlocks(V& v0, V& v1, V& v2, V& v3) {
  const hn::DFromV<V> d;
  const V lower0 = hn::InterleaveLower(d, v0, v2), lower1 = hn::InterleaveLower(d, v1, v3);
  const V upper0 = hn::InterleaveUpper(d, v0, v2), upper1 = hn::InterleaveUpper(d, v1, v3);
  v0 = hn::InterleaveLower(d, lower0, lower1), v1 = hn::InterleaveUpper(d, lower0, lower1);
  v2 = hn::InterleaveLower(d, upper0, upper1), v3 = hn::InterleaveUpper(d, upper0, upper1);
}

// get(0) + ... + get(n - 1), as FoldLanes adds lanes up, kSize / 2 < n <= kSize; here of
// every kStep-th from kFirst on. Branches are as those of the call before.
template <int64_t kSize, int64_t kFirst = 0, int64_t kStep = 1, class Get>
HWY_INLINE auto SumOf(const Get& get, int64_t n) {
  if constexpr (kStep == kSize) {
    return get(kFirst);
  } else {
    constexpr int64_t kOther = kFirst + kStep;
    auto sum = SumOf<kSize, kFirst, 2 * kStep>(get, n);
    if (kOther < kSize / 2 || kOther < n) sum = sum + SumOf<kSize, kOther, 2 * kStep>(get, n);
    return sum;
  }
}

// Rows of 2 to kLanes elements, one behind the other, some at a time: their columns, a row in each
// lane, what is saved of them and what they are normalized by. To the bit what RowMoments,
// FinishStatistic and ElementForm make of each.
template <class T>
class TurnedRows {
  using D = Tag<T>;
  using V = Vector<T>;
  using DD = hn::ScalableTag<double>;
  using VD = hn::Vec<DD>;
  using DR = hn::Rebind<float, DD>;
  using VR = hn::Vec<DR>;
  static constexpr auto kMost = static_cast<int64_t>(kLanes<float>);
  static constexpr auto kRows = static_cast<int64_t>(hn::MaxLanes(D()));  // that are turned at once
  static constexpr auto kStep = static_cast<int64_t>(hn::MaxLanes(DD()));

 public:
  HWY_INLINE TurnedRows(const ForwardJob& job, int64_t n)
      : job_(job),
        n_(n),
        alike_(AreRowsAlike(job)),
        by_(static_cast<double>(n)),
        by_divisor_(SquaresDivisor(job.divisor, static_cast<double>(n))) {
    while (size_ < n) size_ *= 2;
    std::fill_n(columns_, kFinishTile, 0.0f);
    const int64_t params = alike_ ? n : 0;
    Copy(job.gamma, params, gamma_), Copy(job.beta, params, beta_);
  }

  int64_t most() const { return kFinishTile / size_; }

  // Statistics of rows [first, last), at most `most` of a task that ends with row `end`. Step by
  // step over all of them: what one row waits for, others fill.
  template <bool kCenter>
  HWY_INLINE void Reduce(int64_t first, int64_t last, int64_t end) {
    const bool tried = good_, by_row = tried && AddUpByRow<kCenter>(first, last);
    if (!by_row) {
      Load(first, last, end);
      AddUp<kCenter>(columns_, 0, last - first);
    }
    good_ = Finish<kCenter>(first, last) && by_row == tried;
  }

  // Rows [first, last) in element form, normalized, straight to where they go, if they are whole
  // vectors and nothing else is to be done.
  HWY_INLINE bool Write(int64_t first, int64_t last) {
    if constexpr (kWhole) {
      if (n_ % kRows != 0 || !alike_ || job_.finishes || job_.relu) return false;
      auto* y = job_.y.template At<float>(first * n_);
      if (job_.stream && reinterpret_cast<uintptr_t>(y) % sizeof(V) != 0) return false;
      job_.stream ? ApplyByRow<true, true>(first, last, y) : ApplyByRow<true>(first, last, y);
      return true;
    }
    return false;
  }

  // The same in a buffer that lasts until the next call.
  HWY_NOINLINE float* Apply(int64_t first, int64_t last) {
    if (alike_) return ApplyTo<true>(first, last);
    ApplyTo<false>(first, last);
    Scale(first, last);
    return y_;
  }

 private:
  // Whether a row is y of vectors of its own, and whether those go where they belong (in f32).
  static constexpr bool kByRow = HWY_TARGET == HWY_AVX3;
  static constexpr bool kWhole = kByRow && std::is_same_v<T, float>;

  HWY_NOINLINE void Load(int64_t first, int64_t last, int64_t end) {
    float* to = columns_;
    for (; first < last; first += kRows, to += size_ * kRows) {
      const T* x = job_.x.At<T>(first * n_);
      Fetch(x + most() * n_);
      // Up to three elements more are read than the rows have.
      if (HWY_LIKELY(first + kRows < end)) {
        Turn(x, to);
        continue;
      }
      T some[kRows * kMost + 4];
      std::fill(std::copy_n(x, (last - first) * n_, some), std::end(some), T());
      Turn(some, to);
    }
  }

  // Adds rows up as they lie in memory, unless that is not worth it. False: they have to be loaded,
  // and added up; so, too, where some are not good.
  template <bool kCenter>
  HWY_INLINE bool AddUpByRow([[maybe_unused]] int64_t first, [[maybe_unused]] int64_t last) {
#if HWY_TARGET == HWY_AVX3
    if constexpr (kWhole) {
      if (!TwoVectors::Suits(n_)) return false;
      const TwoVectors rows(job_.x.template At<T>(first * n_), n_, last - first, most() * n_);
      if constexpr (kCenter) rows.Shifts(by_, hi_);
      return rows.template Sums<kCenter>(hi_, sum_, squares_);
    }
#endif
    return false;
  }

  // Two sums that are made alike.
  struct Sums {
    VD first, second;
    HWY_INLINE Sums operator+(const Sums& other) const {
      return {hn::Add(first, other.first), hn::Add(second, other.second)};
    }
  };

  // xhat, or y where rows are alike.
  template <bool kAlike>
  HWY_INLINE float* ApplyTo(int64_t first, int64_t last) {
    // Rows that fill vectors of their own are not turned back.
    if (kByRow && n_ > kRows / 2) {
      ApplyByRow<kAlike>(first, last, y_);
      return y_;
    }
    return ApplyTurned<kAlike>(last - first);
  }
  template <bool kAlike>
  HWY_NOINLINE float* ApplyTurned(int64_t rows) {
    const D d;
    const float* from = columns_;
    float* to = y_;
    for (int64_t row = 0; row < rows; row += kRows, from += size_ * kRows, to += n_ * kRows) {
      // Of lanes behind the last row whatever was there: nobody reads their y.
      const V hi = hn::Load(d, hi_ + row), r = hn::Load(d, r_ + row), e = hn::Load(d, e_ + row);
      const auto column = [&](int64_t i) HWY_ATTR {
        const V xhat = hn::Add(hn::Mul(hn::Sub(hn::Load(d, from + i * kRows), hi), r), e);
        if constexpr (!kAlike) return xhat;
        return hn::Add(hn::Mul(xhat, hn::Set(d, gamma_[i])), hn::Set(d, beta_[i]));
      };
      if (n_ == 2) {
        hn::StoreInterleaved2(column(0), column(1), d, to);
        continue;
      }
      // What is written beyond a row's end is written again: with the columns before, of the next.
      for (int64_t i = (n_ - 1) / 4 * 4; i >= 0; i -= 4) {
        V v0 = column(i), v1 = column(i + 1), v2 = column(i + 2), v3 = column(i + 3);
        TurnBlocks(v0, v1, v2, v3);
        StoreRows(v0, v1, v2, v3, to + i);
      }
    }
    return y_;
  }
  template <bool kAlike, bool kStream = false>
  HWY_INLINE void ApplyByRow(int64_t first, int64_t last, float* to) {
    n_ > kRows ? ApplyVectors<2, kAlike, kStream>(first, last, to)
               : ApplyVectors<1, kAlike, kStream>(first, last, to);
  }
  // Of kVectors vectors; past the caches if kStream.
  template <int64_t kVectors, bool kAlike, bool kStream>
  HWY_NOINLINE void ApplyVectors(int64_t first, int64_t last, float* to) {
    const D d;
    constexpr int64_t kLast = (kVectors - 1) * kRows;
    const PartOfVector<float> rest{kLast, static_cast<size_t>(n_ - kLast)};
    const V gamma = hn::Load(d, gamma_), beta = hn::Load(d, beta_);
    const V last_gamma = hn::Load(d, gamma_ + kLast), last_beta = hn::Load(d, beta_ + kLast);
    const T* x = job_.x.At<T>(first * n_);
    for (int64_t row = 0; row < last - first; ++row, x += n_, to += n_) {
      const V hi = hn::Set(d, hi_[row]), r = hn::Set(d, r_[row]), e = hn::Set(d, e_[row]);
      const auto z = [&](V v, V by, V add) HWY_ATTR {
        const V xhat = hn::Add(hn::Mul(hn::Sub(v, hi), r), e);
        return kAlike ? hn::Add(hn::Mul(xhat, by), add) : xhat;
      };
      const auto store = [&](V v, float* at)
                             HWY_ATTR { kStream ? hn::Stream(v, d, at) : hn::StoreU(v, d, at); };
      if (kVectors > 1) store(z(LoadAny(d, x), gamma, beta), to);
      // Beyond a row's end, where the next is written.
      store(z(rest.Load(x), last_gamma, last_beta), to + kLast);
    }
  }

  // xhat of rows [first, last) by the parameters that each has.
  HWY_NOINLINE void Scale(int64_t first, int64_t last) {
    const auto* gamma = static_cast<const float*>(job_.gamma);
    const auto* beta = static_cast<const float*>(job_.beta);
    float* y = y_;
    for (int64_t n; first < last; first += n, y += n * n_) {
      const Loops::Pass pass = job_.geometry->kept_param.PassFrom(first);
      n = pass.stride == n_ ? std::min(pass.size, last - first) : 1;
      StoreRun(Scaled{y, gamma + pass.offset, beta + pass.offset}, y, n * n_);
    }
  }
  struct Scaled {
    const float* xhat;
    const float* gamma;
    const float* beta;
    template <class Part>
    HWY_INLINE Vector<float> operator()(Part p) const {
      return hn::Add(hn::Mul(p.Load(xhat), p.Load(gamma)), p.Load(beta));
    }
  };

  static void Copy(const void* from, int64_t n, float* to) {
    std::fill(std::copy_n(static_cast<const float*>(from), n, to), to + kMost, 0.0f);
  }

  // What Load wants next time: while these rows are computed memory would rest ([100000,16] from
  // memory: 6.0 ns a row instead of 8.5).
  HWY_INLINE void Fetch(const T* x) const {
    for (int64_t i = 0; i < n_ * kRows; i += 64 / sizeof(T)) __builtin_prefetch(x + i, 0, 3);
  }
  HWY_INLINE void Turn(const T* x, float* to) const {
    const D d;
    if constexpr (sizeof(T) == sizeof(float))
      if (n_ == 2) {
        V v0, v1;
        hn::LoadInterleaved2(d, x, v0, v1);
        hn::Store(v0, d, to), hn::Store(v1, d, to + kRows);
        return;
      }
    for (int64_t i = 0; i < n_; i += 4, to += 4 * kRows) {
      V v0 = EveryFourth(x + i), v1 = EveryFourth(x + n_ + i), v2 = EveryFourth(x + 2 * n_ + i);
      V v3 = EveryFourth(x + 3 * n_ + i);
      TurnBlocks(v0, v1, v2, v3);
      hn::Store(v0, d, to);
      if (i + 1 < n_) hn::Store(v1, d, to + kRows);
      if (i + 2 < n_) hn::Store(v2, d, to + 2 * kRows);
      if (i + 3 < n_) hn::Store(v3, d, to + 3 * kRows);
    }
  }
  // Four elements of every fourth row.
  HWY_INLINE V EveryFourth(const T* x) const {
    if constexpr (sizeof(T) == 2)
      return Widen(D(), Joined(reinterpret_cast<const uint16_t*>(x)), x);
    else
      return Joined(x);
  }
  template <class U>
  HWY_INLINE hn::Vec<hn::Rebind<U, D>> Joined(const U* x) const {
    const hn::Rebind<U, D> d;
    const hn::CappedTag<U, 4> four;
#if HWY_TARGET == HWY_AVX3
    const hn::Half<hn::Rebind<U, D>> half;
    const auto pair = [&](const U* from) HWY_ATTR {
      return hn::Combine(half, hn::LoadU(four, from + 4 * n_), hn::LoadU(four, from));
    };
    return hn::Combine(d, pair(x + 8 * n_), pair(x));
#else
    return hn::Combine(d, hn::LoadU(four, x + 4 * n_), hn::LoadU(four, x));
#endif
  }
  // Row by row, for what each writes beyond its end.
  template <class H>
  HWY_INLINE void StoreRows(H v0, H v1, H v2, H v3, float* y) const {
    const hn::DFromV<H> d;
    if constexpr (hn::MaxLanes(d) == 4) {
      hn::StoreU(v0, d, y);
      hn::StoreU(v1, d, y + n_);
      hn::StoreU(v2, d, y + 2 * n_);
      hn::StoreU(v3, d, y + 3 * n_);
    } else {
      const hn::Half<hn::DFromV<H>> half;
      StoreRows(hn::LowerHalf(half, v0), hn::LowerHalf(half, v1), hn::LowerHalf(half, v2),
                hn::LowerHalf(half, v3), y);
      StoreRows(hn::UpperHalf(half, v0), hn::UpperHalf(half, v1), hn::UpperHalf(half, v2),
                hn::UpperHalf(half, v3), y + hn::MaxLanes(half) * static_cast<size_t>(n_));
    }
  }

  // Of kStep rows from `row` on; those of a block lie side by side.
  static HWY_INLINE int64_t PlaceOf(int64_t row, int64_t size) {
    return row / kRows * size * kRows + row % kRows;
  }
  // Shifts and sums of rows [begin, end) of `columns`, where they lie as in columns_.
  template <bool kCenter, int64_t kSize>
  HWY_NOINLINE void AddUpRows(const float* columns, int64_t begin, int64_t end) {
    if constexpr (kCenter)
      for (int64_t row = begin; row < end; row += kStep)
        hn::Store(MeanOf<kSize>(columns + PlaceOf(row, kSize)), DR(), hi_ + row);
    for (int64_t row = begin; row < end; row += kStep) {
      const Sums sums = SumsAround<kCenter, kSize>(columns + PlaceOf(row, kSize), hi_ + row);
      if (kCenter) hn::Store(sums.first, DD(), sum_ + row);
      hn::Store(sums.second, DD(), squares_ + row);
    }
  }
  template <bool kCenter>
  HWY_INLINE void AddUp(const float* columns, int64_t begin, int64_t end) {
    switch (size_) {
      case 2:
        return AddUpRows<kCenter, 2>(columns, begin, end);
      case 4:
        return AddUpRows<kCenter, 4>(columns, begin, end);
      case 8:
        return AddUpRows<kCenter, 8>(columns, begin, end);
      case 16:
        return AddUpRows<kCenter, 16>(columns, begin, end);
      default:
        AddUpRows<kCenter, 32>(columns, begin, end);
    }
  }

  // Lanes begin as 0 elsewhere: no sum is -0.
  template <int64_t kSize>
  HWY_INLINE VR MeanOf(const float* columns) const {
    const DD d;
    const auto get = [&](int64_t i) HWY_ATTR {
      return Sums{hn::PromoteTo(d, hn::Load(DR(), columns + i * kRows)), hn::Zero(d)};
    };
    const VD sum = hn::Add(SumOf<kSize>(get, n_).first, hn::Zero(d));
    return hn::DemoteTo(DR(), by_.Divide(sum));
  }
  template <bool kCenter, int64_t kSize>
  HWY_INLINE Sums SumsAround(const float* columns, const float* shifts) const {
    const DD d;
    const VR shift = kCenter ? hn::Load(DR(), shifts) : hn::Zero(DR());
    const Products<float, DR> product;
    const auto get = [&](int64_t i) HWY_ATTR {
      const VR x = hn::Load(DR(), columns + i * kRows), v = kCenter ? hn::Sub(x, shift) : x;
      return Sums{kCenter ? hn::PromoteTo(d, v) : hn::Zero(d), hn::PromoteTo(d, product(v, v))};
    };
    return SumOf<kSize>(get, n_) + Sums{hn::Zero(d), hn::Zero(d)};
  }

  // Whether all of them were good.
  template <bool kCenter>
  HWY_NOINLINE bool Finish(int64_t first, int64_t last) {
    const DD d;
    bool mended = false;
    for (int64_t row = 0; row < last - first; row += kStep) {
      if (HWY_UNLIKELY(!hn::AllTrue(d, AreGoodFrom<kCenter>(row))) && !mended) {
        Mend<kCenter>(row, last - first);
        mended = true;
      }
      const VD sum = SumFrom<kCenter>(row), offset = by_.Divide(sum);
      const VD shift = kCenter ? hn::PromoteTo(d, hn::Load(DR(), hi_ + row)) : hn::Zero(d);
      VD mean = hn::Add(shift, offset);
      VD m2 = hn::Max(hn::Zero(d), hn::Sub(hn::Load(d, squares_ + row), hn::Mul(sum, offset)));
      if (HWY_UNLIKELY(mended)) {
        const VD factor = hn::PromoteTo(d, hn::Load(DR(), r_ + row));
        mean = hn::Mul(mean, factor), m2 = hn::Mul(hn::Mul(m2, factor), factor);
      }
      const VD variance = by_divisor_.Divide(m2);
      const VD root = hn::Sqrt(hn::Add(variance, hn::Set(d, job_.epsilon)));
      const VD rstd = hn::Div(hn::Set(d, 1.0), root);
      const VR hi = hn::DemoteTo(DR(), mean);
      const VD lo = hn::Sub(mean, hn::PromoteTo(d, hi));
      hn::Store(hi, DR(), hi_ + row);
      hn::Store(hn::DemoteTo(DR(), rstd), DR(), r_ + row);
      hn::Store(hn::DemoteTo(DR(), hn::Mul(hn::Neg(lo), rstd)), DR(), e_ + row);
      const int64_t at = first + row, left = last - at;
      Save(mean, job_.saved.mean + at, left);
      Save(rstd, job_.saved.rstd + at, left);
      if (job_.saved.variance) Save(variance, job_.saved.variance + at, left);
    }
    return !mended;
  }
  template <bool kCenter>
  HWY_INLINE VD SumFrom(int64_t row) const {
    return kCenter ? hn::Load(DD(), sum_ + row) : hn::Zero(DD());
  }
  template <bool kCenter>
  HWY_INLINE hn::Mask<DD> AreGoodFrom(int64_t row) const {
    return AreGood<float, kCenter>(static_cast<double>(n_), SumFrom<kCenter>(row),
                                   hn::Load(DD(), squares_ + row));
  }

  // Rows [first, rows), of which some are not good: sums of those once more, scaled where squares
  // leave the range (RowMoments::Scaled); those of good ones beside them become what they were. In
  // r_ what their means are to be multiplied by: NaN where they have none, and zeros to be so.
  //
  // None is summed around another shift, as RowMoments does where sum^2 > 3/4 n squares. These
  // shifts are means rounded to f32. Between a and b, neighbours of the mean in f32, no element
  // lies, so that all (x - a)(x - b) add up to no less than 0: elements vary by no less than the
  // shift is off the mean, sum^2 is at most n/2 squares, and rounding adds 2^-20 of it. Squares of
  // scaled denormal numbers may become 0; but there every x - shift is exact, and a mean by way of
  // their sum the same shift.
  template <bool kCenter>
  HWY_NOINLINE void Mend(int64_t first, int64_t rows) {
    for (int64_t begin = first, end; begin < rows; begin = end) {
      for (end = begin; end < rows && ScaleRows<kCenter>(end);) end += kStep;
      if (end > begin)
        AddUp<kCenter>(y_, begin, end);
      else
        end += kStep;
    }
    for (int64_t row = first; row < rows; row += kStep) Settle<kCenter>(row);
  }
  template <bool kCenter>
  HWY_INLINE void Settle(int64_t row) {
    const DD d;
    const VD nan = hn::Set(d, std::numeric_limits<double>::quiet_NaN()), one = hn::Set(d, 1.0);
    const VD squares = hn::Load(d, squares_ + row);
    const auto finite = hn::Le(squares, hn::Set(d, std::numeric_limits<double>::max()));
    const VD factor = hn::Div(one, hn::PromoteTo(d, hn::Load(DR(), r_ + row)));
    hn::Store(hn::DemoteTo(DR(), hn::IfThenElse(finite, factor, nan)), DR(), r_ + row);
    hn::Store(hn::IfThenElseZero(finite, squares), d, squares_ + row);
    if constexpr (kCenter) {
      const VD shift = hn::PromoteTo(d, hn::Load(DR(), hi_ + row));
      hn::Store(hn::DemoteTo(DR(), hn::IfThenElseZero(finite, shift)), DR(), hi_ + row);
      hn::Store(hn::IfThenElseZero(finite, hn::Load(d, sum_ + row)), d, sum_ + row);
    }
  }
  // kStep rows from `row` on into y_, those that are not good by the scale that their squares call
  // for, which goes to r_. Whether any is to be summed once more: not where NaN comes of it.
  template <bool kCenter>
  HWY_INLINE bool ScaleRows(int64_t row) {
    const DD d;
    const VD squares = hn::Load(d, squares_ + row), one = hn::Set(d, 1.0);
    const VD most = hn::Set(d, std::numeric_limits<double>::max());
    // A shift is finite where all elements are.
    const VD shift = kCenter ? hn::PromoteTo(d, hn::Load(DR(), hi_ + row)) : hn::Zero(d);
    const auto numbers = hn::And(hn::Eq(squares, squares), hn::Le(hn::Abs(shift), most));
    const auto good = AreGoodFrom<kCenter>(row);
    const auto tiny = hn::Lt(squares, hn::Set(d, static_cast<double>(n_) * kTinySquare));
    VD scale = hn::IfThenElse(tiny, hn::Set(d, double{kScaleUp}), one);
    scale = hn::IfThenElse(hn::Le(squares, most), scale, hn::Set(d, double{kScaleDown}));
    scale = hn::IfThenElse(good, one, scale);
    hn::Store(hn::DemoteTo(DR(), scale), DR(), r_ + row);
    if (hn::AllFalse(d, hn::AndNot(good, numbers))) return false;
    const int64_t at = PlaceOf(row, size_);
    for (int64_t i = at; i < at + n_ * kRows; i += kRows) {
      // In f64, where no product takes longer for denormal numbers.
      const VD value = hn::PromoteTo(d, hn::Load(DR(), columns_ + i));
      hn::Store(hn::DemoteTo(DR(), hn::Mul(value, scale)), DR(), y_ + i);
    }
    return true;
  }
  static HWY_INLINE void Save(VD value, double* to, int64_t left) {
    if (HWY_LIKELY(left >= kStep))
      hn::StoreU(value, DD(), to);
    else
      StorePartial(value, DD(), to, static_cast<size_t>(left));
  }

  const ForwardJob& job_;
  const int64_t n_;
  const bool alike_;
  const SmallDivisor by_;
  const SmallDivisor by_divisor_;
  bool good_ = true;  // rows are added up as they lie: those before could be, or were not tried
  int64_t size_ = 2;  // of a row with the columns that make it a power of two
  HWY_ALIGN float columns_[kFinishTile], y_[kFinishTile + kRows];
  HWY_ALIGN double sum_[kFinishTile / 2], squares_[kFinishTile / 2];
  HWY_ALIGN float hi_[kFinishTile / 2], r_[kFinishTile / 2], e_[kFinishTile / 2];
  HWY_ALIGN float gamma_[kMost], beta_[kMost];
};

#endif

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_TURNED_INL_H_
