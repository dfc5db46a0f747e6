#include "src/norm/reference.h"

#include <cmath>

namespace normkit::reference {
namespace {

using Real = long double;

Dims Kept(const NormSpec& spec) { return static_cast<Dims>(~spec.reduce); }

struct Element {
  Real xhat, gamma, beta;
  bool passes = true;  // the fused ReLU lets the gradient through
};

// Calls f(i, statistic, parameter, element) for every element of x.
template <class F>
void ForEach(const Inputs& in, const Statistics& statistics, F f) {
  const auto stat = IndexOver(in.layout, Kept(in.spec));
  const auto param = IndexOver(in.layout, in.spec.affine);
  for (size_t i = 0; i < in.x.size(); ++i) {
    const auto s = static_cast<size_t>(stat[i]), p = static_cast<size_t>(param[i]);
    const Real mean = in.spec.center ? statistics.mean[s] : 0;
    Element e;
    e.xhat = (in.x[i] - mean) / DivisorOf(in, statistics, s);
    e.gamma = in.gamma.empty() ? 1 : in.gamma[p];
    e.beta = in.beta.empty() ? 0 : in.beta[p];
    e.passes = !in.relu || e.gamma * e.xhat + e.beta > 0;
    f(i, s, p, e);
  }
}

}  // namespace

Real DivisorOf(const Inputs& in, const Statistics& statistics, size_t s) {
  if (in.spec.divisor == NormDivisor::kNone) return 1;
  return std::sqrt(Real{statistics.variance[s]} + in.epsilon);
}

std::vector<int64_t> IndexOver(const Layout& layout, Dims labels) {
  std::vector<int64_t> index(static_cast<size_t>(layout.size()));
  const auto& axes = layout.axes();
  for (size_t i = 0; i < index.size(); ++i) {
    int64_t rest = static_cast<int64_t>(i), stride = 1;
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
      const int64_t coordinate = rest % axis->size;
      rest /= axis->size;
      if (!(labels & axis->label)) continue;
      index[i] += coordinate * stride;
      stride *= axis->size;
    }
  }
  return index;
}

Statistics ComputeStatistics(const Inputs& in) {
  const auto stat = IndexOver(in.layout, Kept(in.spec));
  const auto n = static_cast<size_t>(in.layout.SizeOf(Kept(in.spec)));
  std::vector<Real> count(n), mean(n), squares(n);
  for (size_t i = 0; i < in.x.size(); ++i) {
    count[static_cast<size_t>(stat[i])] += 1;
    if (in.spec.center) mean[static_cast<size_t>(stat[i])] += in.x[i];
  }
  for (size_t s = 0; s < n; ++s)
    if (count[s] > 0) mean[s] /= count[s];
  for (size_t i = 0; i < in.x.size(); ++i) {
    const Real delta = in.x[i] - mean[static_cast<size_t>(stat[i])];
    squares[static_cast<size_t>(stat[i])] += delta * delta;
  }
  Statistics result{std::vector<double>(n), std::vector<double>(n)};
  for (size_t s = 0; s < n; ++s) {
    result.mean[s] = static_cast<double>(mean[s]);
    const bool sums = in.spec.divisor == NormDivisor::kNorm;
    const bool none = in.spec.divisor == NormDivisor::kNone || count[s] == 0;
    result.variance[s] = none ? 0 : static_cast<double>(sums ? squares[s] : squares[s] / count[s]);
  }
  return result;
}

std::vector<double> Forward(const Inputs& in, const Statistics& statistics) {
  std::vector<double> y(in.x.size());
  ForEach(in, statistics, [&](size_t i, size_t, size_t, const Element& e) {
    y[i] = e.passes ? static_cast<double>(e.gamma * e.xhat + e.beta) : 0;
  });
  return y;
}

GradientSums SumGradients(const Inputs& in, const Statistics& statistics,
                          const std::vector<double>& dy) {
  const size_t n = statistics.variance.size();
  GradientSums sums{std::vector<Real>(n), std::vector<Real>(n), std::vector<Real>(n)};
  ForEach(in, statistics, [&](size_t i, size_t s, size_t, const Element& e) {
    const Real w = e.passes ? dy[i] * e.gamma : 0;
    sums.count[s] += 1;
    sums.w[s] += w;
    sums.w_xhat[s] += w * e.xhat;
  });
  return sums;
}

Gradients BackwardFrom(const Inputs& in, const Statistics& statistics,
                       const std::vector<double>& dy, const GradientSums& sums,
                       bool fixed_statistics) {
  const auto num_param = static_cast<size_t>(in.layout.SizeOf(in.spec.affine));
  std::vector<Real> dgamma(num_param), dbeta(num_param);
  Gradients result;
  result.dx.resize(in.x.size());
  ForEach(in, statistics, [&](size_t i, size_t s, size_t p, const Element& e) {
    const Real d = e.passes ? dy[i] : 0;
    dgamma[p] += d * e.xhat;
    dbeta[p] += d;
    const Real mean_w = in.spec.center ? sums.w[s] / sums.count[s] : 0;
    // Of 1 / sqrt(sum + epsilon) the derivative has no 1 / n, of 1 there is none.
    const Real of_rstd = in.spec.divisor == NormDivisor::kDeviation
                             ? e.xhat * sums.w_xhat[s] / sums.count[s]
                         : in.spec.divisor == NormDivisor::kNorm ? e.xhat * sums.w_xhat[s]
                                                                 : 0;
    const Real through = fixed_statistics ? 0 : mean_w + of_rstd;
    const Real rstd = 1 / DivisorOf(in, statistics, s);
    result.dx[i] = static_cast<double>(rstd * (d * e.gamma - through));
  });
  result.dgamma.assign(dgamma.begin(), dgamma.end());
  result.dbeta.assign(dbeta.begin(), dbeta.end());
  return result;
}

Gradients Backward(const Inputs& in, const Statistics& statistics, const std::vector<double>& dy,
                   bool fixed_statistics) {
  return BackwardFrom(in, statistics, dy, SumGradients(in, statistics, dy), fixed_statistics);
}

}  // namespace normkit::reference
