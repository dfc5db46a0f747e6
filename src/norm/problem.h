// What one Normalization object was made for.
#pragma once

#include <atomic>
#include <string>

#include "normkit/norm/normalization.h"
#include "src/norm/plan.h"
#include "src/norm/strides.h"

namespace normkit {

// Everything about one normalization that does not change from call to call.
struct Problem {
  // Throws Error where `options` are out of range or the layout has no channels.
  Problem(const NormSpec& spec, const Layout& layout, DType dtype, const NormOptions& options);

  NormSpec spec;
  Layout layout;
  DType dtype;
  NormOptions options;
  Plan plan;  // by kept x affine
  StridedArrays strides;
  // The bytes of the array that it is a part of (parts.h, slabs.h), which decide whether it comes
  // from memory. 0: of its own.
  int64_t whole_bytes = 0;
  bool is_leaf = false;  // other parts have a share of its statistics

  DType parameter_dtype() const { return options.parameter_dtype.value_or(ParameterDType(dtype)); }

  // Added to variances that `divisor` has made of squares: without one they are 0, and rstd is 1.
  double epsilon() const { return spec.divisor == NormDivisor::kNone ? 1 : options.epsilon; }

  bool quantizes() const { return options.output != OutputType::kSame; }
  // Bytes of an element of one of the arrays of the shape of x.
  size_t ElementBytes(NormArray array) const {
    return quantizes() && array == NormArray::kY ? 1 : SizeOf(dtype);
  }

  // Who speaks, in messages.
  std::string Title() const;

  // Says once that one value is its own mean, where `count` is 1: y says nothing about it.
  void WarnOfOneValue(double count) const;
  void Silence() { warned_.test_and_set(); }

  // Throws Error where y cannot be written as the options want.
  void CheckOutput() const;

  // Gradients of the parameters from their sums, over or on top of what is there: of all, and of n
  // from the `first` on.
  void StoreGradients(const Normalization::BackwardArgs& args, const double* dgamma,
                      const double* dbeta) const;
  void StoreGradients(const Normalization::BackwardArgs& args, int64_t first, int64_t n,
                      const double* dgamma, const double* dbeta) const;

 private:
  mutable std::atomic_flag warned_ = ATOMIC_FLAG_INIT;
};

}  // namespace normkit
