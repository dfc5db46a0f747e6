// Every kernel as a plain walk over the plan, in f64.
#include <algorithm>
#include <vector>

#include "src/norm/kernels.h"

namespace normkit::kernels {
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

// Calls f(T()) with the type of x.
template <class F>
void WithType(DType dtype, const F& f) {
  switch (dtype) {
    case DType::kF32:
      return f(float());
    case DType::kF64:
      return f(double());
    case DType::kBF16:
      return f(BFloat16());
    case DType::kF16:
      return f(Float16());
  }
}

template <class T>
using ParameterOf = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
double Read(const void* data, int64_t i, double when_null) {
  return data ? Widen(static_cast<const T*>(data)[i]) : when_null;
}

// xhat and the gradient that passes the activation, for every element.
template <class T, class F>
void WalkGradient(const Problem& problem, const Normalization::BackwardArgs& args, const F& f) {
  using P = ParameterOf<T>;
  const bool relu = problem.options.activation == Activation::kRelu;
  Walk(problem.geometry.plan, [&](int64_t i, int64_t s, int64_t p) {
    const double xhat = (Read<T>(args.x, i, 0) - args.mean[s]) * args.rstd[s];
    const double gamma = Read<P>(args.gamma, p, 1);
    const bool passes = !relu || !(xhat * gamma + Read<P>(args.beta, p, 0) <= 0);
    f(i, s, p, passes ? Read<T>(args.dy, i, 0) : 0.0, gamma, xhat);
  });
}

template <class T>
void Store(void* data, int64_t i, double value, bool accumulate) {
  T& out = static_cast<T*>(data)[i];
  out = Narrow<T>(accumulate ? Widen(out) + value : value);
}

}  // namespace

void ReduceGradient(const Problem& problem, const Normalization::BackwardArgs& args,
                    const GradientSums& sums) {
  std::fill_n(sums.w, problem.geometry.plan.num_stat, 0.0);
  std::fill_n(sums.w_xhat, problem.geometry.plan.num_stat, 0.0);
  WithType(problem.dtype, [&]<class T>(T) {
    WalkGradient<T>(problem, args,
                    [&](int64_t, int64_t s, int64_t, double dy, double gamma, double xhat) {
                      sums.w[s] += dy * gamma;
                      sums.w_xhat[s] += dy * gamma * xhat;
                    });
  });
}

void ReduceParameters(const Problem& problem, const Normalization::BackwardArgs& args) {
  const int64_t n = problem.geometry.plan.num_param;
  std::vector<double> dgamma(static_cast<size_t>(n)), dbeta(static_cast<size_t>(n));
  WithType(problem.dtype, [&]<class T>(T) {
    WalkGradient<T>(problem, args,
                    [&](int64_t, int64_t, int64_t p, double dy, double, double xhat) {
                      dgamma[static_cast<size_t>(p)] += dy * xhat;
                      dbeta[static_cast<size_t>(p)] += dy;
                    });
    for (int64_t p = 0; p < n; ++p) {
      using P = ParameterOf<T>;
      if (args.dgamma) Store<P>(args.dgamma, p, dgamma[static_cast<size_t>(p)], args.accumulate);
      if (args.dbeta) Store<P>(args.dbeta, p, dbeta[static_cast<size_t>(p)], args.accumulate);
    }
  });
}

void ApplyGradient(const Problem& problem, const Normalization::BackwardArgs& args,
                   const GradientSums& means) {
  WithType(problem.dtype, [&]<class T>(T) {
    WalkGradient<T>(problem, args,
                    [&](int64_t i, int64_t s, int64_t, double dy, double gamma, double xhat) {
                      const double through = means.w[s] + xhat * means.w_xhat[s];
                      Store<T>(args.dx, i, args.rstd[s] * (dy * gamma - through), args.accumulate);
                    });
  });
}

}  // namespace normkit::kernels
