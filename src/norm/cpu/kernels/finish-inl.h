// What comes behind the normalization, and before it, in the same pass over memory.
#if defined(NORMKIT_FINISH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_FINISH_INL_H_
#undef NORMKIT_FINISH_INL_H_
#else
#define NORMKIT_FINISH_INL_H_
#endif

#include "src/norm/cpu/kernels/activation-inl.h"
#include "src/norm/cpu/kernels/write_run-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit {
namespace HWY_NAMESPACE {

inline constexpr int64_t kFinishTile = 1024;  // elements of a buffer that stays in the L1 cache

// values (and an array) through an activation.
template <class T, Activation kActivation>
struct Finished {
  using D = Tag<T>;
  using V = Vector<T>;
  const Real<T>* values;
  const T* addend;  // null: nothing
  V slope;

  HWY_INLINE V Value(V z) const {
    if constexpr (kActivation == Activation::kRelu) return Activate<true>(D(), z);
    if constexpr (kActivation == Activation::kLeakyRelu) return LeakyRelu(D(), z, slope);
    if constexpr (kActivation == Activation::kGelu) return Gelu(D(), z);
    return z;
  }
  HWY_INLINE V At(int64_t i) const {
    const V z = hn::LoadU(D(), values + i);
    return Value(addend ? hn::Add(z, LoadAny(D(), addend + i)) : z);
  }
  HWY_INLINE V Partial(int64_t i, size_t n) const {
    const V z = LoadPartial(D(), values + i, n);
    return Value(addend ? hn::Add(z, LoadPartial(D(), addend + i, n)) : z);
  }
};

// Finishes n values, of elements from `at` on.
template <class T>
HWY_NOINLINE void FinishTile(const Job& job, const Real<T>* values, int64_t at, int64_t n,
                             RunWriter<T>& writer) {
  T* out = static_cast<T*>(job.y) + at;
  const T* addend = job.addend ? static_cast<const T*>(job.addend) + at : nullptr;
  const auto slope = hn::Set(Tag<T>(), static_cast<Real<T>>(job.negative_slope));
  switch (job.activation) {
    case Activation::kNone:
      return writer.Write(Finished<T, Activation::kNone>{values, addend, slope}, out, n);
    case Activation::kRelu:
      return writer.Write(Finished<T, Activation::kRelu>{values, addend, slope}, out, n);
    case Activation::kLeakyRelu:
      return writer.Write(Finished<T, Activation::kLeakyRelu>{values, addend, slope}, out, n);
    case Activation::kGelu:
      return writer.Write(Finished<T, Activation::kGelu>{values, addend, slope}, out, n);
  }
}

// source + residual.
template <class T>
struct Sum {
  using D = Tag<T>;
  const T* source;
  const T* residual;

  HWY_INLINE Vector<T> At(int64_t i) const {
    return hn::Add(LoadAny(D(), source + i), LoadAny(D(), residual + i));
  }
  HWY_INLINE Vector<T> Partial(int64_t i, size_t n) const {
    return hn::Add(LoadPartial(D(), source + i, n), LoadPartial(D(), residual + i, n));
  }
};

// dz times the slope of the activation where it wrote y: `slope` (0 for ReLU) where y <= 0, else 1.
template <class T>
struct Passed {
  using D = Tag<T>;
  using V = Vector<T>;
  const T* dz;
  const T* y;
  V slope;
  bool leaky;

  HWY_INLINE V Value(V gradient, V activated) const {
    const auto closed = hn::Le(activated, hn::Zero(D()));
    const V passed = hn::IfThenZeroElse(closed, gradient);
    return leaky ? hn::IfThenElse(closed, hn::Mul(gradient, slope), gradient) : passed;
  }
  HWY_INLINE V At(int64_t i) const {
    const V gradient = LoadAny(D(), dz + i);
    return y ? Value(gradient, LoadAny(D(), y + i)) : gradient;
  }
  HWY_INLINE V Partial(int64_t i, size_t n) const {
    const V gradient = LoadPartial(D(), dz + i, n);
    return y ? Value(gradient, LoadPartial(D(), y + i, n)) : gradient;
  }
};

// Through the caches: what is prepared is read again at once.
template <class T>
struct PreparePart {
  const Job& job;
  // What the statistics then read.
  T* Out() const { return static_cast<T*>(const_cast<void*>(job.residual ? job.x : job.dy)); }

  HWY_INLINE void operator()(int64_t run, int64_t begin, int64_t end, RunWriter<T>& writer) const {
    const int64_t at = run * job.geometry->run_length + begin, n = end - begin;
    if (job.residual) {
      const Sum<T> sum{static_cast<const T*>(job.source) + at,
                       static_cast<const T*>(job.residual) + at};
      writer.Write(sum, Out() + at, n);
    } else {
      const T* y = job.activated ? static_cast<const T*>(job.activated) + at : nullptr;
      const auto slope = hn::Set(Tag<T>(), static_cast<Real<T>>(job.negative_slope));
      const Passed<T> passed{static_cast<const T*>(job.dz) + at, y, slope,
                             job.activation == Activation::kLeakyRelu};
      writer.Write(passed, Out() + at, n);
    }
  }
};

template <class T>
void PrepareRuns(const Job& job, const RunTask& task) {
  RunWriter<T> writer(false);
  for (int64_t run = task.first_run; run < task.last_run; ++run)
    PreparePart<T>{job}(run, task.begin, task.end, writer);
}

// Units [first, last) of rows.
template <class T>
void PrepareUnits(const Job& job, int64_t first, int64_t last) {
  if (!job.prepares) return;
  Job untiled = job;
  untiled.tiled_runs = 1;
  RunWriter<T> writer(false);
  WriteUnits(untiled, first, last, PreparePart<T>{job}, writer);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_FINISH_INL_H_
