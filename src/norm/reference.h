// The oracle of the tests, and the back-end of last resort (reference_backend.cc): every formula as
// the papers write it, in long double, naive, and without the plan that the kernels stand on.
#pragma once

#include <vector>

#include "normkit/core/layout.h"
#include "normkit/norm/spec.h"

namespace normkit::reference {

struct Inputs {
  const NormSpec& spec;
  const Layout& layout;
  const std::vector<double>& x;
  const std::vector<double>& gamma;  // empty: ones
  const std::vector<double>& beta;   // empty: zeros
  double epsilon = 1e-5;
  bool relu = false;
};

struct Statistics {
  std::vector<double> mean, variance;
};

// Of every statistic: the count, and the sums of w = gamma * dy and of w * xhat.
struct GradientSums {
  std::vector<long double> count, w, w_xhat;
};

struct Gradients {
  std::vector<double> dx, dgamma, dbeta;
};

// What x - mean is divided by: sqrt(variance + epsilon), or 1.
long double DivisorOf(const Inputs& in, const Statistics& statistics, size_t s);

// For each element of x, its index among the dense elements over the axes in `labels`.
std::vector<int64_t> IndexOver(const Layout& layout, Dims labels);

Statistics ComputeStatistics(const Inputs& in);
std::vector<double> Forward(const Inputs& in, const Statistics& statistics);
GradientSums SumGradients(const Inputs& in, const Statistics& statistics,
                          const std::vector<double>& dy);
// From sums that may be those of other ranks as well. fixed_statistics: the gradient does not pass
// through mean and variance.
Gradients BackwardFrom(const Inputs& in, const Statistics& statistics,
                       const std::vector<double>& dy, const GradientSums& sums,
                       bool fixed_statistics);
Gradients Backward(const Inputs& in, const Statistics& statistics, const std::vector<double>& dy,
                   bool fixed_statistics = false);

}  // namespace normkit::reference
