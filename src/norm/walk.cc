#include "src/norm/walk.h"

#include <algorithm>

#include "src/norm/job.h"

namespace normkit {
namespace {

double Widen(float value) { return value; }
double Widen(double value) { return value; }
double Widen(BFloat16 value) { return ToFloat(value); }
double Widen(Float16 value) { return ToFloat(value); }

template <class T>
T Narrow(double value) {
  if constexpr (std::is_same_v<T, BFloat16>)
    return ToBFloat16(static_cast<float>(value));
  else if constexpr (std::is_same_v<T, Float16>)
    return ToFloat16(static_cast<float>(value));
  else
    return static_cast<T>(value);
}

// Calls f(element, statistic, parameter) in memory order.
template <class F>
void Walk(const Plan& plan, size_t depth, int64_t x, int64_t s, int64_t p, const F& f) {
  if (depth == plan.levels.size()) return f(x, s, p);
  const Level& level = plan.levels[depth];
  for (int64_t i = 0; i < level.size; ++i)
    Walk(plan, depth + 1, x + i * level.x_stride, s + i * level.stat_stride,
         p + i * level.param_stride, f);
}

template <class F>
void Walk(const Plan& plan, const F& f) {
  if (plan.size > 0) Walk(plan, 0, 0, 0, 0, f);
}

template <class T>
class Walker {
  using R = std::conditional_t<std::is_same_v<T, double>, double, float>;

 public:
  Walker(const Problem& problem, const Normalization::BackwardArgs& args, bool relu)
      : problem_(problem), args_(args), relu_(relu) {}

  void Sum(const GradientMeans& means, const ParameterSums& parameters) const {
    ForEach([&](const Element& e) {
      means.w[e.stat] += e.dy * e.gamma;
      means.w_xhat[e.stat] += e.dy * e.gamma * e.xhat;
      parameters.dgamma[e.param] += e.dy * e.xhat;
      parameters.dbeta[e.param] += e.dy;
    });
  }

  void Store(const GradientMeans& means) const {
    T* dx = static_cast<T*>(args_.dx);
    ForEach([&](const Element& e) {
      const double through = means.w[e.stat] + e.xhat * means.w_xhat[e.stat];
      const double value = args_.rstd[e.stat] * (e.dy * e.gamma - through);
      dx[e.index] = Narrow<T>(args_.accumulate ? Widen(dx[e.index]) + value : value);
    });
  }

 private:
  struct Element {
    int64_t index, stat, param;
    double dy, gamma, xhat;
  };

  // With the gradient that passes the activation.
  template <class F>
  void ForEach(const F& f) const {
    Walk(problem_.geometry.plan, [&](int64_t i, int64_t s, int64_t p) {
      const T x = static_cast<const T*>(args_.x)[i];
      const R gamma = args_.gamma ? static_cast<const R*>(args_.gamma)[p] : R(1);
      const R beta = args_.beta ? static_cast<const R*>(args_.beta)[p] : R(0);
      const bool passes = !relu_ || !(Output(x, s, gamma, beta) <= 0);
      const double dy = passes ? Widen(static_cast<const T*>(args_.dy)[i]) : 0;
      f(Element{i, s, p, dy, gamma, (Widen(x) - args_.mean[s]) * args_.rstd[s]});
    });
  }

  // z as the forward kernels compute it in element form, to the bit.
  R Output(T x, int64_t stat, R gamma, R beta) const {
    const SplitMean<R> mean(args_.mean[stat]);
    const R rstd = static_cast<R>(args_.rstd[stat]);
    const R rest = static_cast<R>(-mean.lo * args_.rstd[stat]);
    return ((static_cast<R>(Widen(x)) - mean.hi) * rstd + rest) * gamma + beta;
  }

  const Problem& problem_;
  const Normalization::BackwardArgs& args_;
  bool relu_;
};

template <class T>
void BackwardOf(const Problem& problem, const Normalization::BackwardArgs& args, bool relu,
                const GradientMeans& means, const ParameterSums& parameters) {
  const Walker<T> walker(problem, args, relu);
  const int64_t n = problem.geometry.plan.num_stat;
  walker.Sum(means, parameters);
  double& count = means.w[2 * n];
  count = static_cast<double>(problem.geometry.plan.num_reduced);
  if (Reducer* reducer = problem.options.reducer; reducer && !args.fixed_statistics)
    reducer->Sum({means.w, static_cast<size_t>(2 * n + 1)});
  for (int64_t s = 0; s < n; ++s) {
    means.w[s] = problem.spec.center && !args.fixed_statistics ? means.w[s] / count : 0;
    means.w_xhat[s] = args.fixed_statistics ? 0 : means.w_xhat[s] / count;
  }
  if (args.dx) walker.Store(means);
}

}  // namespace

void BackwardWalk(const Problem& problem, const Normalization::BackwardArgs& args, bool relu,
                  const GradientMeans& means, const ParameterSums& parameters) {
  switch (problem.dtype) {
    case DType::kF32:
      return BackwardOf<float>(problem, args, relu, means, parameters);
    case DType::kF64:
      return BackwardOf<double>(problem, args, relu, means, parameters);
    case DType::kBF16:
      return BackwardOf<BFloat16>(problem, args, relu, means, parameters);
    case DType::kF16:
      return BackwardOf<Float16>(problem, args, relu, means, parameters);
  }
}

}  // namespace normkit
