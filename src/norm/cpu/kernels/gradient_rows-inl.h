// The backward pass of layer and RMS normalization: one statistic a unit of contiguous runs, one
// parameter for each element of a run.
#if defined(NORMKIT_GRADIENT_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_GRADIENT_ROWS_INL_H_
#undef NORMKIT_GRADIENT_ROWS_INL_H_
#else
#define NORMKIT_GRADIENT_ROWS_INL_H_
#endif

#include "src/norm/cpu/kernels/gradient-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit {
namespace HWY_NAMESPACE {

// What elements of a run share in element form.
template <class T>
struct RowForm {
  using D = Tag<T>;
  using R = Real<T>;
  Vector<T> hi, r, e;

  RowForm(const Job& job, int64_t stat) {
    const SplitMean<R> mean(job.mean[stat]);
    hi = hn::Set(D(), mean.hi);
    r = hn::Set(D(), static_cast<R>(job.rstd[stat]));
    e = hn::Set(D(), static_cast<R>(-mean.lo * job.rstd[stat]));
  }
  HWY_INLINE Vector<T> Xhat(Vector<T> x) const { return hn::Add(hn::Mul(hn::Sub(x, hi), r), e); }
};

// w = gamma * dy and w * (x - hi).
template <class T, bool kRelu>
struct RowGradientTerms {
  using D = Tag<T>;
  using V = Vector<T>;
  using R = Real<T>;
  const T* x;
  const T* dy;
  const R* gamma;
  const R* beta;
  RowForm<T> form;

  HWY_INLINE void Value(V value, V gradient, V g, V b, V* first, V* second) const {
    if (kRelu)
      gradient = PassGradient<true>(D(), hn::Add(hn::Mul(form.Xhat(value), g), b), gradient);
    *first = hn::Mul(gradient, g);
    *second = hn::Mul(*first, hn::Sub(value, form.hi));
  }
  HWY_INLINE void At(int64_t i, V* first, V* second) const {
    const V g = hn::LoadU(D(), gamma + i);
    Value(LoadAny(D(), x + i), LoadAny(D(), dy + i), g, kRelu ? hn::LoadU(D(), beta + i) : g, first,
          second);
  }
  HWY_INLINE void Partial(int64_t i, size_t n, V* first, V* second) const {
    Value(LoadPartial(D(), x + i, n), LoadPartial(D(), dy + i, n), LoadPartial(D(), gamma + i, n),
          LoadPartial(D(), beta + i, n), first, second);
  }
};

// dx of a run; on the way dy and dy * xhat are added to the sums of the parameters.
template <class T, bool kRelu>
struct RowGradient {
  using D = Tag<T>;
  using V = Vector<T>;
  using R = Real<T>;
  RowGradientTerms<T, kRelu> in;
  const T* dx;  // what is added to; null: nothing
  V b, constant;
  R* dgamma;
  R* dbeta;

  HWY_INLINE V Value(V value, V gradient, V g, V beta, V* scale_sum, V* offset_sum) const {
    const V xhat = in.form.Xhat(value);
    gradient = PassGradient<kRelu>(D(), hn::Add(hn::Mul(xhat, g), beta), gradient);
    *scale_sum = hn::Add(*scale_sum, hn::Mul(gradient, xhat));
    *offset_sum = hn::Add(*offset_sum, gradient);
    const V direct = hn::Mul(hn::Mul(gradient, g), in.form.r);
    return hn::Sub(direct, hn::Add(hn::Mul(hn::Sub(value, in.form.hi), b), constant));
  }
  HWY_INLINE V At(int64_t i) const {
    const D d;
    V scale_sum = hn::LoadU(d, dgamma + i), offset_sum = hn::LoadU(d, dbeta + i);
    const V g = hn::LoadU(d, in.gamma + i);
    const V value = Value(LoadAny(d, in.x + i), LoadAny(d, in.dy + i), g,
                          kRelu ? hn::LoadU(d, in.beta + i) : g, &scale_sum, &offset_sum);
    hn::StoreU(scale_sum, d, dgamma + i);
    hn::StoreU(offset_sum, d, dbeta + i);
    return dx ? hn::Add(value, LoadAny(d, dx + i)) : value;
  }
  HWY_INLINE V Partial(int64_t i, size_t n) const {
    const D d;
    V scale_sum = LoadPartial(d, dgamma + i, n), offset_sum = LoadPartial(d, dbeta + i, n);
    const V value = Value(LoadPartial(d, in.x + i, n), LoadPartial(d, in.dy + i, n),
                          LoadPartial(d, in.gamma + i, n), LoadPartial(d, in.beta + i, n),
                          &scale_sum, &offset_sum);
    StorePartial(scale_sum, d, dgamma + i, n);
    StorePartial(offset_sum, d, dbeta + i, n);
    return dx ? hn::Add(value, LoadPartial(d, dx + i, n)) : value;
  }
};

// Writes dx of elements [begin, end) of a run; adds to the sums of the parameters.
template <class T, bool kRelu>
struct RowGradientPart {
  using D = Tag<T>;
  using R = Real<T>;
  const Job& job;
  int64_t runs_per_unit;
  R* dgamma;
  R* dbeta;
  T* Out() const { return static_cast<T*>(job.dx); }

  RowGradientTerms<T, kRelu> Terms(int64_t run, int64_t begin) const {
    const int64_t at = run * job.geometry->run_length + begin;
    return {static_cast<const T*>(job.x) + at, static_cast<const T*>(job.dy) + at,
            static_cast<const R*>(job.gamma) + begin, static_cast<const R*>(job.beta) + begin,
            RowForm<T>(job, run / runs_per_unit)};
  }

  HWY_INLINE void operator()(int64_t run, int64_t begin, int64_t end, RunWriter<T>& writer) const {
    const auto through = ThroughOf<R>(job, run / runs_per_unit);
    const auto terms = Terms(run, begin);
    T* dx = Out() + run * job.geometry->run_length + begin;
    const T* old = job.accumulate ? dx : nullptr;
    writer.Write(RowGradient<T, kRelu>{terms, old, hn::Set(D(), through.b), hn::Set(D(), through.e),
                                       dgamma + begin, dbeta + begin},
                 dx, end - begin);
  }
};

struct RowSumsTag;

// Takes units one after the other; the sums of the parameters are kept in the arithmetic's type for
// a few runs, then go to f64.
template <class T, bool kRelu>
class RowBackward {
  using R = Real<T>;
  static constexpr int64_t kRuns = 32;
  static constexpr int64_t kLanesOfLine = 64 / sizeof(R);

 public:
  RowBackward(const Job& job, double* dgamma, double* dbeta)
      : job_(job),
        length_(job.geometry->run_length),
        runs_(job.geometry->statistics.inner / length_),
        dgamma_(dgamma),
        dbeta_(dbeta),
        padded_((length_ + kLanesOfLine - 1) / kLanesOfLine * kLanesOfLine),
        sums_(Scratch<RowSumsTag, R>(static_cast<size_t>(2 * padded_))),
        part_{job, runs_, sums_, sums_ + padded_},
        writer_(job.stream) {
    std::fill_n(sums_, 2 * padded_, R(0));
  }

  void Units(int64_t first, int64_t last) {
    PrepareUnits<T>(job_, first, last);
    for (int64_t unit = first; unit < last && !job_.fixed; ++unit) Reduce(unit);
    for (int64_t run = first * runs_, end; run < last * runs_; run = end) {
      end = std::min(run + kRuns - pending_, last * runs_);
      WriteRuns(job_, run, end, part_, writer_);
      pending_ += end - run;
      if (pending_ == kRuns) Flush();
    }
  }

  void Flush() {
    pending_ = 0;
    for (int64_t i = 0; i < length_; ++i) dgamma_[i] += static_cast<double>(sums_[i]);
    for (int64_t i = 0; i < length_; ++i) dbeta_[i] += static_cast<double>(sums_[padded_ + i]);
    std::fill_n(sums_, 2 * padded_, R(0));
  }

 private:
  // E[w] and E[w * xhat] of the unit.
  HWY_NOINLINE void Reduce(int64_t unit) const {
    double sum_w = 0, sum_w_x = 0;
    for (int64_t run = unit * runs_; run < (unit + 1) * runs_; ++run) {
      for (int64_t begin = 0; begin < length_; begin += RowBlocks::kBlock) {
        LaneSums<R> lanes;
        lanes.AddRun(part_.Terms(run, begin), std::min(RowBlocks::kBlock, length_ - begin));
        sum_w += lanes.First();
        sum_w_x += lanes.Second();
      }
    }
    const auto n = static_cast<double>(job_.geometry->plan.num_reduced);
    const SplitMean<R> mean(job_.mean[unit]);
    job_.mean_w[unit] = job_.center ? sum_w / n : 0;
    job_.mean_w_xhat[unit] = job_.rstd[unit] * (sum_w_x - mean.lo * sum_w) / n;
  }

  const Job& job_;
  const int64_t length_, runs_;
  double* dgamma_;
  double* dbeta_;
  const int64_t padded_;  // length_ in whole cache lines
  R* sums_;
  RowGradientPart<T, kRelu> part_;
  RunWriter<T> writer_;
  int64_t pending_ = 0;
};

template <class T, bool kRelu>
void BackwardUnits(const Job& job, int64_t first, int64_t last, double* dgamma, double* dbeta) {
  RowBackward<T, kRelu> backward(job, dgamma, dbeta);
  for (int64_t unit = first; unit < last; unit += job.group)
    backward.Units(unit, std::min(unit + job.group, last));
  backward.Flush();
}

// Units [first, last): dx, and what they add to dgamma and dbeta.
template <class T>
void BackwardRows(const Job& job, int64_t first, int64_t last, double* dgamma, double* dbeta) {
  job.relu ? BackwardUnits<T, true>(job, first, last, dgamma, dbeta)
           : BackwardUnits<T, false>(job, first, last, dgamma, dbeta);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_GRADIENT_ROWS_INL_H_
