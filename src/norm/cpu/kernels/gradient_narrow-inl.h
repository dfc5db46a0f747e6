// The backward pass of short rows in element form, some taken as one long row (narrow-inl.h): the
// same sums in the same order as row by row.
#if defined(NORMKIT_GRADIENT_NARROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_GRADIENT_NARROW_INL_H_
#undef NORMKIT_GRADIENT_NARROW_INL_H_
#else
#define NORMKIT_GRADIENT_NARROW_INL_H_
#endif

#include "src/norm/cpu/kernels/gradient-inl.h"
#include "src/norm/cpu/kernels/narrow-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// w, and w * (x - hi) on the side.
template <class Terms, class R>
struct BothTerms {
  Terms terms;
  R* second;

  template <class Part>
  HWY_INLINE Vector<R> operator()(Part p) const {
    Vector<R> first, product;
    terms(p, &first, &product);
    p.Store(product, second);
    return first;
  }
};

// dx, and on the side dy * xhat and dy of each element.
template <class T, bool kRelu>
struct NarrowDx {
  using R = Real<T>;
  using Form = ElementForm<T, true, true>;
  Gradient<T, Form, kRelu> dx;
  R* dgamma;
  R* dbeta;

  template <class Part>
  HWY_INLINE Vector<T> operator()(Part p) const {
    const GradientAt<Form, kRelu> at = dx.in.At(p);
    p.Store(hn::Mul(at.dy, at.form.Xhat(at.deviation)), dgamma);
    p.Store(at.dy, dbeta);
    return dx.Dx(p, at);
  }
};

// sums[i] += the i-th of each of some rows of n terms, in order, by whole vectors: `sums` has room
// for them.
template <class R>
HWY_INLINE void AddRows(const R* HWY_RESTRICT terms, int64_t rows, int64_t n,
                        R* HWY_RESTRICT sums) {
  const Tag<R> d;
  for (int64_t i = 0; i < n; i += static_cast<int64_t>(hn::MaxLanes(Tag<R>()))) {
    auto sum = hn::LoadU(d, sums + i);
    for (int64_t row = 0; row < rows; ++row) sum = hn::Add(sum, hn::LoadU(d, terms + row * n + i));
    hn::StoreU(sum, d, sums + i);
  }
}

template <class T, bool kRelu>
class NarrowGradient {
  using R = Real<T>;
  using Each = Coefficient<R, true>;
  using Form = ElementForm<T, true, true>;

  // Of 16 elements and more, to turn two arrays takes as long as row by row.
  static constexpr int64_t kMost = 8;

 public:
  HWY_INLINE NarrowGradient(const BackwardJob& job, int64_t rows)
      : job_(job), forms_(job, std::min(job.group, rows)) {}

  bool fits() const { return forms_.fits() && job_.dx && forms_.n() <= kMost; }

  // Sums of w and w * (x - hi) of rows [first, last).
  HWY_NOINLINE void Sum(int64_t first, int64_t last, double* w, double* w_x) {
    const int64_t n = forms_.n(), rows = last - first;
    forms_.Fill(first, last);
    using Terms = GradientTerms<T, Form, kRelu>;
    StoreRun(BothTerms<Terms, R>{TermsFrom(first), second_}, first_, rows * n);
    SumRows(first_, rows, w);
    SumRows(second_, rows, w_x);
  }

  // dx of the same rows; then first() and second() are dy * xhat and dy.
  HWY_NOINLINE void Write(int64_t first, int64_t last, RunWriter<T>& writer) {
    const int64_t n = forms_.n(), rows = last - first;
    if (job_.fixed) forms_.Fill(first, last);
    R b[kMaxGroup], e[kMaxGroup];
    for (int64_t row = 0; row < rows; ++row) {
      const auto through = ThroughOf<R>(job_, first + row);
      b[row] = through.b, e[row] = through.e;
    }
    forms_.Spread(b, rows, b_);
    forms_.Spread(e, rows, e_);
    T* dx = job_.dx.template At<T>(first * n);
    const Gradient<T, Form, kRelu> gradient{TermsFrom(first), Each(b_), Each(e_),
                                            job_.accumulate ? dx : nullptr};
    writer.Write(NarrowDx<T, kRelu>{gradient, first_, second_}, dx, rows * n);
  }
  // The terms of rows [from, to) of those that were written, added to the sums of the parameters.
  HWY_INLINE void AddTerms(int64_t from, int64_t to, R* dgamma, R* dbeta) const {
    const int64_t n = forms_.n();
    AddRows(first_ + from * n, to - from, n, dgamma);
    AddRows(second_ + from * n, to - from, n, dbeta);
  }

 private:
  HWY_INLINE GradientTerms<T, Form, kRelu> TermsFrom(int64_t row) const {
    const int64_t at = row * forms_.n();
    return {job_.x.template At<T>(at), job_.dy.template At<T>(at), forms_.Get()};
  }

  HWY_INLINE void SumRows(const R* terms, int64_t rows, double* sums) {
    using D = hn::ScalableTag<double>;
    constexpr auto kStep = static_cast<int64_t>(hn::MaxLanes(D()));
    HWY_ALIGN double all[kMaxGroup];
    columns_.Load(terms, forms_.n(), rows);
    for (int64_t row = 0; row < rows; row += kStep)
      hn::Store(TreeOf(columns_, forms_.n(), row), D(), all + row);
    std::copy_n(all, rows, sums);
  }

  const BackwardJob& job_;
  RowForms<T> forms_;
  NarrowColumns<R> columns_;
  HWY_ALIGN R b_[RowForms<T>::kRoom], e_[RowForms<T>::kRoom];
  HWY_ALIGN R first_[RowForms<T>::kRoom], second_[RowForms<T>::kRoom];
};

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_GRADIENT_NARROW_INL_H_
