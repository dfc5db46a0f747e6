#include "src/norm/cpu/weighted_blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/norm/cpu/weighted_blocks.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>
#include <limits>

#include "src/norm/cpu/kernels/wide-inl.h"
#include "src/simd/target.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

using One = hn::CappedTag<double, 1>;
using WideVec = hn::Vec<Wide>;
constexpr int64_t kLanes = kWideLanes;
constexpr int64_t kVirtual = 16;  // lanes of rows, on every target
constexpr int64_t kInARow = 8;    // numbers that are added up one after the other

// Elements as f64; the first n of a vector, then zeros.
template <class T>
HWY_INLINE WideVec LoadX(const T* x) {
  return ToWide<Real<T>>(LoadAny(hn::Rebind<Real<T>, Wide>(), x));
}
template <class T>
HWY_INLINE WideVec LoadX(const T* x, int64_t n) {
  if (n >= kLanes) return LoadX(x);
  return ToWide<Real<T>>(LoadPartial(hn::Rebind<Real<T>, Wide>(), x, static_cast<size_t>(n)));
}

template <class D>
HWY_INLINE void AddExactly(D, hn::Vec<D> value, hn::Vec<D>& sum, hn::Vec<D>& rest) {
  const auto before = sum, all = hn::Add(before, value), added = hn::Sub(all, before);
  rest = hn::Add(rest, hn::Add(hn::Sub(before, hn::Sub(all, added)), hn::Sub(value, added)));
  sum = all;
}

// Moments of as many statistics as D has lanes.
template <class D>
struct Weighted {
  hn::Vec<D> n, n_rest, mean, mean_rest, m2, m2_rest;

  static HWY_INLINE Weighted Load(D d, const double* from, int64_t pitch) {
    const auto at = [&](int64_t i) HWY_ATTR { return hn::LoadU(d, from + i * pitch); };
    return {at(0), at(1), at(2), at(3), at(4), at(5)};
  }
  HWY_INLINE void Store(D d, double* to, int64_t pitch) const {
    const hn::Vec<D> all[] = {n, n_rest, mean, mean_rest, m2, m2_rest};
    for (int64_t i = 0; i < kWeightedArrays; ++i) hn::StoreU(all[i], d, to + i * pitch);
  }
  // As Moments::Merge. Means differ by little beside themselves: first their sums, then their
  // rests.
  HWY_INLINE void Merge(D d, const Weighted& part) {
    const auto zero = hn::Zero(d);
    const auto before = hn::Add(n, n_rest), more = hn::Add(part.n, part.n_rest);
    const auto total = hn::Add(before, more);
    const auto share = hn::IfThenElseZero(hn::Gt(total, zero), hn::Div(more, total));
    const auto delta = hn::IfThenElseZero(
        hn::Gt(more, zero), hn::Add(hn::Sub(part.mean, mean), hn::Sub(part.mean_rest, mean_rest)));
    const auto is_first = hn::Eq(before, zero);
    AddExactly(d, hn::Mul(delta, share), mean, mean_rest);
    mean = hn::IfThenElse(is_first, part.mean, mean);
    mean_rest = hn::IfThenElse(is_first, part.mean_rest, mean_rest);
    const auto apart = hn::Mul(hn::Mul(delta, hn::Mul(before, share)), delta);
    AddExactly(d, hn::Add(part.m2, hn::IfThenElse(is_first, zero, apart)), m2, m2_rest);
    AddExactly(d, part.n, n, n_rest);
    m2_rest = hn::Add(m2_rest, part.m2_rest);
    n_rest = hn::Add(n_rest, part.n_rest);
  }
};

// Sums of one block around a shift.
template <class D>
struct Sums {
  hn::Vec<D> n, first, square;

  static HWY_INLINE Sums Zeros(D d) { return {hn::Zero(d), hn::Zero(d), hn::Zero(d)}; }
  HWY_INLINE void Add(const Sums& s) {
    n = hn::Add(n, s.n), first = hn::Add(first, s.first), square = hn::Add(square, s.square);
  }
  HWY_INLINE hn::Vec<D> Offset(D d) const {
    return hn::IfThenElseZero(hn::Gt(n, hn::Zero(d)), hn::Div(first, n));
  }
  // Where the shift lies further than 1 / sqrt(8) of a deviation from the mean, squares would
  // cancel by more than an eighth: the better one, else the same. Squares around an outlier may
  // leave the range where those around the mean do not.
  HWY_INLINE hn::Vec<D> BetterShift(D d, hn::Vec<D> shift) const {
    const auto offset = Offset(d), better = hn::Add(shift, offset);
    const auto cancels = hn::Mul(hn::Set(d, 8), hn::Mul(first, offset));
    const auto near = hn::And(hn::Le(cancels, square),
                              hn::Le(square, hn::Set(d, std::numeric_limits<double>::max())));
    const auto finite = hn::Eq(hn::Sub(better, better), hn::Zero(d));
    return hn::IfThenElse(hn::AndNot(near, finite), better, shift);
  }
  // Functions, not inlined: this file is compiled for each target.
  HWY_NOINLINE void AddTo(const hn::Vec<D>& shift, bool center, double* moments,
                          int64_t pitch) const {
    const D d;
    const auto zero = hn::Zero(d);
    const auto offset = center ? Offset(d) : zero;
    const auto m2 = hn::Sub(square, hn::Mul(first, offset));
    auto all = Weighted<D>::Load(d, moments, pitch);
    all.Merge(d, {n, zero, shift, offset, hn::IfThenElse(hn::Lt(m2, zero), zero, m2), zero});
    all.Store(d, moments, pitch);
  }
};

// What one vector of elements adds, of which some may have no weight; without weights.
template <bool kMasked>
HWY_INLINE void AddElements(WideVec x, WideVec weight, WideVec shift, Sums<Wide>& s) {
  auto d = hn::Sub(x, shift);
  if constexpr (kMasked) d = hn::IfThenElseZero(hn::Gt(weight, hn::Zero(Wide())), d);
  const auto product = hn::Mul(weight, d);
  s.n = hn::Add(s.n, weight);
  s.first = hn::Add(s.first, product);
  s.square = hn::Add(s.square, hn::Mul(product, d));
}
HWY_INLINE void AddElements(WideVec x, WideVec shift, Sums<Wide>& s) {
  const auto d = hn::Sub(x, shift);
  s.first = hn::Add(s.first, d);
  s.square = hn::Add(s.square, hn::Mul(d, d));
}

// ---- Rows: virtual lanes of 16, folded at the end of a block.

constexpr int64_t kVectors = kVirtual / kLanes;

// kVirtual elements, and the first n < kVirtual of them.
template <bool kOwnWeights, class T>
HWY_INLINE void AddVectors(const T* x, const float* weights, WideVec shift, Sums<Wide>* lanes) {
#pragma GCC unroll 4
  for (int64_t v = 0; v < kVectors; ++v)
    if constexpr (kOwnWeights)
      AddElements<true>(LoadX(x + v * kLanes), LoadX(weights + v * kLanes), shift, lanes[v]);
    else
      AddElements(LoadX(x + v * kLanes), shift, lanes[v]);
}
template <bool kOwnWeights, class T>
HWY_INLINE void AddVectors(const T* x, const float* weights, int64_t n, WideVec shift,
                           Sums<Wide>* lanes) {
#pragma GCC unroll 4
  for (int64_t v = 0; v < kVectors; ++v) {
    const int64_t left = n - v * kLanes;
    if (left <= 0) continue;
    auto value = LoadX(x + v * kLanes, left);
    if constexpr (kOwnWeights) {  // zeros behind the end
      AddElements<true>(value, LoadX(weights + v * kLanes, left), shift, lanes[v]);
    } else {
      if (left < kLanes)
        value = hn::IfThenElse(hn::FirstN(Wide(), static_cast<size_t>(left)), value, shift);
      AddElements(value, shift, lanes[v]);
    }
  }
}

template <bool kOwnWeights, class T>
HWY_INLINE void SumRun(const T* x, const float* weights, int64_t length, WideVec shift,
                       Sums<Wide>* lanes) {
  const Wide d;
  const auto weight = hn::Set(d, kOwnWeights ? 1.0 : static_cast<double>(*weights));
  constexpr int64_t kStep = kInARow * kVirtual;
  for (int64_t begin = 0; begin < length; begin += kStep) {
    Sums<Wide> own[kVectors];
#pragma GCC unroll 4
    for (auto& s : own) s = Sums<Wide>::Zeros(d);
    const int64_t end = std::min(length, begin + kStep);
    int64_t i = begin;
    for (; i + kVirtual <= end; i += kVirtual)
      AddVectors<kOwnWeights>(x + i, weights + (kOwnWeights ? i : 0), shift, own);
    if (i < end)
      AddVectors<kOwnWeights>(x + i, weights + (kOwnWeights ? i : 0), end - i, shift, own);
#pragma GCC unroll 4
    for (int64_t v = 0; v < kVectors; ++v) {
      if constexpr (!kOwnWeights)
        own[v].first = hn::Mul(own[v].first, weight),
        own[v].square = hn::Mul(own[v].square, weight);
      lanes[v].Add(own[v]);
    }
  }
}

HWY_NOINLINE double FoldLanes(const WideVec* vectors) {
  HWY_ALIGN double lanes[kVirtual];
  for (int64_t v = 0; v < kVectors; ++v) hn::Store(vectors[v], Wide(), lanes + v * kLanes);
  for (int64_t half = kVirtual / 2; half > 0; half /= 2)
    for (int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

template <bool kOwnWeights, class T>
Sums<One> SumRows(const WeightedBlock& block, double shift) {
  const Wide d;
  const One one;
  Sums<Wide> lanes[kVectors];
  for (auto& s : lanes) s = Sums<Wide>::Zeros(d);
  double n = 0;
  for (int64_t run = 0; run < block.runs; ++run) {
    const float* weights = block.weights + run * block.weight_pitch;
    if (!kOwnWeights && *weights == 0) continue;
    if (!kOwnWeights) n += static_cast<double>(*weights) * static_cast<double>(block.length);
    SumRun<kOwnWeights>(static_cast<const T*>(block.x) + run * block.x_pitch, weights, block.length,
                        hn::Set(d, shift), lanes);
  }
  WideVec of_n[kVectors], first[kVectors], square[kVectors];
  for (int64_t v = 0; v < kVectors; ++v)
    of_n[v] = lanes[v].n, first[v] = lanes[v].first, square[v] = lanes[v].square;
  return {hn::Set(one, kOwnWeights ? FoldLanes(of_n) : n), hn::Set(one, FoldLanes(first)),
          hn::Set(one, FoldLanes(square))};
}

// An element with weight, where there is one.
template <class T>
bool FindShift(const WeightedBlock& block, double& shift) {
  const int64_t in_run = block.weight_step ? block.length : 1;
  for (int64_t run = 0; run < block.runs; ++run)
    for (int64_t i = 0; i < in_run; ++i)
      if (block.weights[run * block.weight_pitch + i] > 0) {
        const T* x = static_cast<const T*>(block.x) + run * block.x_pitch + i;
        shift = hn::GetLane(LoadX(x, 1));
        return true;
      }
  return false;
}

template <bool kOwnWeights, class T>
void AddRows(const WeightedBlock& block, bool center, double* moments) {
  const One d;
  double shift = 0;
  if (!FindShift<T>(block, shift)) return;
  if (!center) shift = 0;
  if (center && moments[0] > 0) shift = moments[2] + moments[3];
  auto sums = SumRows<kOwnWeights, T>(block, shift);
  if (center) {
    const double better = hn::GetLane(sums.BetterShift(d, hn::Set(d, shift)));
    if (better != shift) sums = SumRows<kOwnWeights, T>(block, shift = better);
  }
  sums.AddTo(hn::Set(d, shift), center, moments, 1);
}

// ---- Columns: a statistic in each lane.

// The rows of a block that have weight.
template <class T>
struct Rows {
  int64_t count = 0;
  const T* x[kWeightedRows];
  const float* weights[kWeightedRows];
};

// kGroup vectors of columns from `at` on, or, of one, its first n lanes.
template <bool kOwnWeights, int64_t kGroup, class T>
struct Columns {
  const Rows<T>& rows;
  int64_t at, n;

  template <class U>
  HWY_INLINE WideVec Load(const U* row, int64_t v) const {
    if constexpr (kGroup > 1) return LoadX(row + at + v * kLanes);
    return LoadX(row + at, n);
  }
  HWY_NOINLINE void Sum(const WideVec* shift, Sums<Wide>* sums) const {
    const Wide d;
#pragma GCC unroll 2
    for (int64_t v = 0; v < kGroup; ++v) sums[v] = Sums<Wide>::Zeros(d);
    for (int64_t begin = 0; begin < rows.count; begin += kInARow) {
      Sums<Wide> own[kGroup];
      for (auto& s : own) s = Sums<Wide>::Zeros(d);
      for (int64_t r = begin; r < std::min(rows.count, begin + kInARow); ++r)
#pragma GCC unroll 2
        for (int64_t v = 0; v < kGroup; ++v) {
          const auto weight = kOwnWeights ? Load(rows.weights[r], v)
                                          : hn::Set(d, static_cast<double>(*rows.weights[r]));
          AddElements<kOwnWeights>(Load(rows.x[r], v), weight, shift[v], own[v]);
        }
#pragma GCC unroll 2
      for (int64_t v = 0; v < kGroup; ++v) sums[v].Add(own[v]);
    }
  }
  HWY_NOINLINE void AddTo(bool center, double* moments, int64_t pitch) const {
    const Wide d;
    WideVec shift[kGroup];
    Sums<Wide> sums[kGroup];
    for (int64_t v = 0; v < kGroup; ++v) {
      const double* own = moments + v * kLanes;
      // A row's elements first; what has no weight is whatever it is.
      auto x = Load(rows.x[0], v);
      if (kOwnWeights) x = hn::IfThenElseZero(hn::Gt(Load(rows.weights[0], v), hn::Zero(d)), x);
      const auto mean = hn::Add(hn::LoadU(d, own + 2 * pitch), hn::LoadU(d, own + 3 * pitch));
      shift[v] = hn::IfThenElse(hn::Gt(hn::LoadU(d, own), hn::Zero(d)), mean, x);
      if (!center) shift[v] = hn::Zero(d);
    }
    Sum(shift, sums);
    if (center) {
      bool again = false;
      for (int64_t v = 0; v < kGroup; ++v) {
        const auto better = sums[v].BetterShift(d, shift[v]);
        again |= !hn::AllTrue(d, hn::Eq(better, shift[v]));
        shift[v] = better;
      }
      if (again) Sum(shift, sums);
    }
    for (int64_t v = 0; v < kGroup; ++v)
      sums[v].AddTo(shift[v], center, moments + v * kLanes, pitch);
  }
};

template <bool kOwnWeights, class T>
void AddColumns(const WeightedBlock& block, bool center, double* moments) {
  Rows<T> rows;
  for (int64_t row = 0; row < block.runs; ++row) {
    const float* weights = block.weights + row * block.weight_pitch;
    if (!kOwnWeights && *weights == 0) continue;
    rows.weights[rows.count] = weights;
    rows.x[rows.count++] = static_cast<const T*>(block.x) + row * block.x_pitch;
  }
  if (rows.count == 0) return;
  const int64_t length = block.length;
  int64_t i = 0;
  for (; i + 2 * kLanes <= length; i += 2 * kLanes)
    Columns<kOwnWeights, 2, T>{rows, i, kLanes}.AddTo(center, moments + i, length);
  for (; i + kLanes <= length; i += kLanes)
    Columns<kOwnWeights, 1, T>{rows, i, kLanes}.AddTo(center, moments + i, length);
  if (i == length) return;
  // Arrays of whole vectors for what is left.
  double rest[kWeightedArrays * kLanes] = {};
  for (int64_t k = 0; k < kWeightedArrays; ++k)
    std::copy(moments + k * length + i, moments + (k + 1) * length, rest + k * kLanes);
  Columns<kOwnWeights, 1, T>{rows, i, length - i}.AddTo(center, rest, kLanes);
  for (int64_t k = 0; k < kWeightedArrays; ++k)
    std::copy_n(rest + k * kLanes, length - i, moments + k * length + i);
}

template <class T>
void Add(const WeightedBlock& block, bool by_columns, bool center, double* moments) {
  const auto add = by_columns ? block.weight_step ? AddColumns<true, T> : AddColumns<false, T>
                   : block.weight_step ? AddRows<true, T>
                                       : AddRows<false, T>;
  add(block, center, moments);
}

void AddWeighted(DType dtype, const WeightedBlock& block, bool by_columns, bool center,
                 double* moments) {
  switch (dtype) {
    case DType::kF64:
      return Add<double>(block, by_columns, center, moments);
    case DType::kBF16:
      return Add<BFloat16>(block, by_columns, center, moments);
    default:
      return Add<float>(block, by_columns, center, moments);
  }
}

void MergeWeighted(const double* others, int64_t n, double* moments) {
  const One d;
  for (int64_t i = 0; i < n; ++i) {
    auto all = Weighted<One>::Load(d, moments + i, n);
    all.Merge(d, Weighted<One>::Load(d, others + i, n));
    all.Store(d, moments + i, n);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace normkit::norm::cpu {

HWY_EXPORT(AddWeighted);
HWY_EXPORT(MergeWeighted);

void AddWeighted(DType dtype, const WeightedBlock& block, bool by_columns, bool center,
                 double* moments) {
  simd::ChooseTarget();
  HWY_DYNAMIC_DISPATCH(AddWeighted)(dtype, block, by_columns, center, moments);
}

void MergeWeighted(const double* others, int64_t n, double* moments) {
  simd::ChooseTarget();
  HWY_DYNAMIC_DISPATCH(MergeWeighted)(others, n, moments);
}

}  // namespace normkit::norm::cpu
#endif
