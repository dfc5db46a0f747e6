// What comes behind the normalization in the same pass over memory, by way of a buffer.
#if defined(NORMKIT_FINISH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_FINISH_INL_H_
#undef NORMKIT_FINISH_INL_H_
#else
#define NORMKIT_FINISH_INL_H_
#endif

#include "src/norm/cpu/kernels/activation-inl.h"
#include "src/norm/cpu/kernels/write_run-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

inline constexpr int64_t kFinishTile = 1024;  // elements of a buffer that stays in the L1 cache

// values (and an array) through an activation that is a comparison.
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
    return z;
  }
  template <class Part>
  HWY_INLINE V operator()(Part p) const {
    const V z = p.Load(values);
    return Value(addend ? hn::Add(z, p.Load(addend)) : z);
  }
};

template <class T>
struct Product {
  const T* dz;
  const Real<T>* slopes;
  template <class Part>
  HWY_INLINE Vector<T> operator()(Part p) const {
    return hn::Mul(p.Load(dz), p.Load(slopes));
  }
};

// n values of a buffer (and an array) through the activation, in place.
template <class T>
HWY_NOINLINE void ActivateBuffer(const Job& job, Real<T>* values, const T* addend, int64_t n) {
  const auto slope = hn::Set(Tag<T>(), static_cast<Real<T>>(job.activation_parameter));
  switch (job.activation) {
    case Activation::kRelu:
      return StoreRun(Finished<T, Activation::kRelu>{values, addend, slope}, values, n);
    case Activation::kLeakyRelu:
      return StoreRun(Finished<T, Activation::kLeakyRelu>{values, addend, slope}, values, n);
    default:
      if (addend) StoreRun(Finished<T, Activation::kNone>{values, addend, slope}, values, n);
      ActivateTile(job.activation, job.activation_parameter, values, n);
  }
}

// Finishes n values of a buffer, of elements from `at` on.
template <class T>
HWY_NOINLINE void FinishTile(const ForwardJob& job, Real<T>* values, int64_t at, int64_t n,
                             RunWriter<T>& writer) {
  T* out = job.y.At<T>(at);
  const T* addend = job.addend ? job.addend.At<T>(at) : nullptr;
  const auto slope = hn::Set(Tag<T>(), static_cast<Real<T>>(job.activation_parameter));
  if (job.gate) {
    ActivateBuffer<T>(job, values, addend, n);
    return writer.Write(Product<T>{job.gate.At<T>(at), values}, out, n);
  }
  switch (job.activation) {
    case Activation::kRelu:
      return writer.Write(Finished<T, Activation::kRelu>{values, addend, slope}, out, n);
    case Activation::kLeakyRelu:
      return writer.Write(Finished<T, Activation::kLeakyRelu>{values, addend, slope}, out, n);
    case Activation::kNone:
      break;
    default:
      ActivateBuffer<T>(job, values, addend, n);
      addend = nullptr;
  }
  writer.Write(Finished<T, Activation::kNone>{values, addend, slope}, out, n);
}

// The gradient of the gate, from what was activated, which becomes what of dz passes both.
template <class T>
HWY_NOINLINE void PassGate(const BackwardJob& job, Real<T>* values, int64_t at, int64_t n,
                           RunWriter<T>& writer) {
  if (job.dgate) {
    HWY_ALIGN Real<T> activated[kFinishTile];
    std::copy_n(values, n, activated);
    ActivateBuffer<T>(job, activated, nullptr, n);
    writer.Write(Product<T>{job.dz.At<T>(at), activated}, job.dgate.At<T>(at), n);
  }
  SlopesOfTile(job.activation, job.activation_parameter, values, n);
  StoreRun(Product<T>{job.gate.At<T>(at), values}, values, n);
}

// What of dz passes the activation of n values of a buffer.
template <class T>
HWY_NOINLINE void FinishTile(const BackwardJob& job, Real<T>* values, int64_t at, int64_t n,
                             RunWriter<T>& writer) {
  const auto none = hn::Zero(Tag<T>());
  if (job.addend) {
    const T* addend = job.addend.At<T>(at);
    StoreRun(Finished<T, Activation::kNone>{values, addend, none}, values, n);
  }
  if (job.gate)
    PassGate(job, values, at, n, writer);
  else
    SlopesOfTile(job.activation, job.activation_parameter, values, n);
  writer.Write(Product<T>{job.dz.At<T>(at), values}, job.passed.At<T>(at), n);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_FINISH_INL_H_
