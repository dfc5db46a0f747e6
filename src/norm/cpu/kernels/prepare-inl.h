// What comes before the statistics, and before the sums of the gradient, in the same pass over
// memory: a sum with a residual, what of a gradient passes an activation.
#if defined(NORMKIT_PREPARE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_PREPARE_INL_H_
#undef NORMKIT_PREPARE_INL_H_
#else
#define NORMKIT_PREPARE_INL_H_
#endif

#include "src/norm/cpu/kernels/apply-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// source + residual.
template <class T>
struct Sum {
  const T* source;
  const T* residual;

  template <class Part>
  HWY_INLINE Vector<T> operator()(Part p) const {
    return hn::Add(p.Load(source), p.Load(residual));
  }
};

// dz times the slope of the activation where it wrote y: `slope` (0 for ReLU) where y <= 0, else 1.
template <class T>
struct Passed {
  static constexpr Nans kNans = Nans::kAny;  // dz as it is
  using V = Vector<T>;
  const T* dz;
  const T* y;  // null: all of dz passes
  V slope;
  bool leaky;

  template <class Part>
  HWY_INLINE V operator()(Part p) const {
    const V gradient = p.Load(dz);
    if (!y) return gradient;
    const auto closed = hn::Le(p.Load(y), hn::Zero(Tag<T>()));
    const V passed = hn::IfThenZeroElse(closed, gradient);
    return leaky ? hn::IfThenElse(closed, hn::Mul(gradient, slope), gradient) : passed;
  }
};

// What is computed before the statistics see it. Through the caches: it is read again at once.
template <class T>
struct SumPart {
  const ForwardJob& job;
  T* Out(int64_t at) const { return job.sum.At<T>(at); }

  HWY_INLINE void operator()(int64_t run, int64_t begin, int64_t end, RunWriter<T>& writer) const {
    const int64_t at = run * job.geometry->run_length + begin;
    const Sum<T> sum{job.source.At<T>(at), job.residual.At<T>(at)};
    writer.Write(sum, Out(at), end - begin);
  }
};
template <class T>
struct PassedPart {
  const BackwardJob& job;
  T* Out(int64_t at) const { return job.passed.At<T>(at); }

  HWY_INLINE void operator()(int64_t run, int64_t begin, int64_t end, RunWriter<T>& writer) const {
    if (job.activates)
      return WithForm<T>(job, run, begin, ApplyForm<T, BackwardJob>{job, run, begin, end, writer});
    const int64_t at = run * job.geometry->run_length + begin;
    const T* y = job.activated ? job.activated.At<T>(at) : nullptr;
    const auto slope = hn::Set(Tag<T>(), static_cast<Real<T>>(job.activation_parameter));
    const Passed<T> passed{job.dz.At<T>(at), y, slope, job.activation == Activation::kLeakyRelu};
    writer.Write(passed, Out(at), end - begin);
  }
};
template <class T>
SumPart<T> Prepared(const ForwardJob& job) {
  return {job};
}
template <class T>
PassedPart<T> Prepared(const BackwardJob& job) {
  return {job};
}

template <class T, class DirectedJob>
void PrepareRuns(const DirectedJob& job, const RunTask& task) {
  RunWriter<T> writer(false);
  for (int64_t run = task.first_run; run < task.last_run; ++run)
    Prepared<T>(job)(run, task.begin, task.end, writer);
}

// Units [first, last) of rows.
template <class T, class DirectedJob>
void PrepareUnits(const DirectedJob& job, int64_t first, int64_t last) {
  if (!job.prepares()) return;
  Job untiled = job;
  untiled.tiled_runs = 1;
  RunWriter<T> writer(false);
  WriteUnits(untiled, first, last, Prepared<T>(job), writer);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_PREPARE_INL_H_
