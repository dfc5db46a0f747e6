// The oracle of the tests: every formula as it is written in the papers, in long double, naive, and
// without the plan that the kernels stand on.
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

struct Gradients {
  std::vector<double> dx, dgamma, dbeta;
};

// For each element of x, its index among the dense elements over the axes in `labels`.
std::vector<int64_t> IndexOver(const Layout& layout, Dims labels);

Statistics ComputeStatistics(const Inputs& in);
std::vector<double> Forward(const Inputs& in, const Statistics& statistics);
// fixed_statistics: the gradient does not pass through mean and variance.
Gradients Backward(const Inputs& in, const Statistics& statistics, const std::vector<double>& dy,
                   bool fixed_statistics = false);

}  // namespace normkit::reference
