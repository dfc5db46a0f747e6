// What computes a normalization: a list in order of preference, each with the reason why it cannot
// serve a problem. Nothing outside this list knows a machine.
#pragma once

#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "src/norm/divisor.h"
#include "src/norm/problem.h"

namespace normkit {

using NormForwardArgs = Normalization::ForwardArgs;
using NormBackwardArgs = Normalization::BackwardArgs;

// Statistics that a call is given instead of taking them from x: an array of each, of
// ParameterDType(dtype).
struct GivenStatistics {
  const void* mean = nullptr;      // not read where the spec does not center
  const void* variance = nullptr;  // not read where there is no divisor
};

// Sums of the backward pass, in f64: of w = gamma dy and w xhat for each statistic, of dy xhat and
// dy for each parameter.
struct GradientSums {
  double *w, *w_xhat, *dgamma, *dbeta;
};

// 1 / sqrt(variance + epsilon). A variance beyond f64 must not look like one that makes everything
// beta.
inline double RstdOf(double variance, double epsilon) {
  return std::isfinite(variance) ? 1 / std::sqrt(variance + epsilon)
                                 : std::numeric_limits<double>::quiet_NaN();
}

// One problem, made ready by one back-end. Used from any thread; arguments have been checked
// (check.h), and what a call gets with an empty x is decided there.
class NormImplementation {
 public:
  virtual ~NormImplementation() = default;

  // Statistics of x (or of x + residual), which args.saved receives, and y.
  virtual void Forward(const NormForwardArgs& args) const = 0;
  // y from given statistics.
  virtual void Inference(const NormForwardArgs& args, const GivenStatistics& given) const = 0;
  virtual void Backward(const NormBackwardArgs& args) const = 0;

  // The same in two halves, of what may be a part of the statistics (parts.h): moments of x, or of
  // x + residual, into `sum`; then y from the mean and rstd in args.saved.
  virtual void Gather(const NormForwardArgs& args, Moments* moments) const = 0;
  virtual void Apply(const NormForwardArgs& args) const = 0;
  // All sums, and daddend; then dx from the sums of all parts, over `count` values a statistic.
  // Where there is a daddend the second reads it as what the first wrote.
  virtual void GatherGradient(const NormBackwardArgs& args, const GradientSums& sums) const = 0;
  virtual void ApplyGradient(const NormBackwardArgs& args, const GradientSums& sums,
                             double count) const = 0;
  // dx as Backward, but of the parameters' gradients the sums, in f64; `add`: on top of what is
  // there.
  virtual void BackwardWithSums(const NormBackwardArgs& args, double* dgamma, double* dbeta,
                                bool add) const = 0;

  // Whether such a call keeps something of each statistic, cell (elements that share statistic and
  // parameters), or parameter that is not given (`ones`), of which there are many. `from_y`:
  // backward with y for x.
  virtual bool KeepsAll(NormPass, bool /*ones*/, bool /*from_y*/) const { return false; }
  // Or of statistics, where those are more. 0: the two below are never called.
  virtual int64_t num_cells() const { return 0; }
  // Of the form "cells": dx as Backward, and the sums of dy and dy xhat of each cell; then those of
  // cells [first, first + n) of all are added, in order, to those of their parameters, dgamma and
  // dbeta (of f64 with as many numbers behind them for what rounding takes, which are added to them
  // with the `last` cells).
  virtual void BackwardOfCells(const NormBackwardArgs&, double* /*dy*/, double* /*dy_xhat*/) const {
  }
  virtual void AddCells(int64_t /*first*/, int64_t /*n*/, double* /*dy*/, double* /*dy_xhat*/,
                        double* /*sums*/, bool /*last*/) const {}

  // Whether it takes this array as it lies in memory; if not, it gets a dense copy.
  virtual bool TakesStrided(NormArray array) const = 0;

  // How y and dx follow from statistics and sums. Two of the same form that differ in nothing but
  // the length of an axis that is reduced and has no parameters give the same bits to each element.
  virtual std::string_view Form() const = 0;

  // What runs: "AVX2 fused rows, 2 threads".
  virtual std::string Describe(NormPass pass) const = 0;
};

struct NormBackend {
  std::string_view name;
  // Empty where it can compute the problem, else the reason why not.
  std::string (*why_not)(const Problem& problem);
  // The problem outlives what is made.
  std::unique_ptr<NormImplementation> (*make)(const Problem& problem);
};

// In order of preference: the processor's kernels, then the oracle of the tests.
std::span<const NormBackend> NormBackends();

// The first that can; with NORMKIT_BACKEND=NAME in the environment that one. Throws Error where
// none can, or the named one is unknown or cannot, with its reason.
const NormBackend& ChooseNormBackend(const Problem& problem);

// The members of the list (src/norm/cpu/cpu_backend.cc, reference_backend.cc).
extern const NormBackend kCpuBackend, kReferenceBackend;

}  // namespace normkit
