// A case of the table with data: tensors, and the same values as doubles.
#pragma once

#include <cmath>
#include <vector>

#include "normkit/core/random.h"
#include "src/norm/cases.h"
#include "src/norm/reference.h"

namespace normkit::cases {

// `values` as an array of `dtype`; they are replaced by what the dtype makes of them.
inline Tensor MakeTensor(const Layout& layout, DType dtype, std::vector<double>& values) {
  Tensor tensor(layout, dtype);
  for (size_t i = 0; i < values.size(); ++i) {
    double& v = values[i];
    const auto f = static_cast<float>(v);
    switch (dtype) {
      case DType::kF32:
        v = tensor.values<float>()[i] = f;
        break;
      case DType::kF64:
        tensor.values<double>()[i] = v;
        break;
      case DType::kBF16:
        v = ToFloat(tensor.values<BFloat16>()[i] = ToBFloat16(f));
        break;
      case DType::kF16:
        v = ToFloat(tensor.values<Float16>()[i] = ToFloat16(f));
        break;
      default:
        break;
    }
  }
  return tensor;
}

inline std::vector<double> ToDoubles(const Tensor& tensor) {
  std::vector<double> result(static_cast<size_t>(tensor.size()));
  for (size_t i = 0; i < result.size(); ++i) switch (tensor.dtype()) {
      case DType::kF32:
        result[i] = tensor.values<float>()[i];
        break;
      case DType::kF64:
        result[i] = tensor.values<double>()[i];
        break;
      case DType::kBF16:
        result[i] = ToFloat(tensor.values<BFloat16>()[i]);
        break;
      case DType::kF16:
        result[i] = ToFloat(tensor.values<Float16>()[i]);
        break;
      default:
        break;
    }
  return result;
}

inline std::vector<double> Normals(int64_t size, uint64_t seed, double mean, double deviation) {
  Random random(seed);
  std::vector<double> values(static_cast<size_t>(size));
  for (double& v : values) v = mean + deviation * random.Normal();
  return values;
}

// A case with data: what goes in as tensors, and the same values as doubles.
struct Problem {
  Case test;
  NormSpec spec;  // with the axes of the case
  std::vector<double> x, gamma, beta, dy;
  Tensor x_tensor, gamma_tensor, beta_tensor, dy_tensor;

  explicit Problem(const Case& c, std::vector<double> values = {}, uint64_t seed = 1)
      : test(c), spec(c.Spec()), x(std::move(values)) {
    std::vector<Axis> axes;
    for (const Axis& axis : c.layout.axes())
      if (axis.label & spec.affine) axes.push_back(axis);
    const Layout parameters(axes);
    if (x.empty()) x = Normals(c.layout.size(), seed, 3, 2);
    gamma = Normals(parameters.size(), seed + 1, 1, 0.5);
    beta = Normals(parameters.size(), seed + 2, 0, 1);
    dy = Normals(c.layout.size(), seed + 3, 0.5, 1);
    x_tensor = MakeTensor(c.layout, c.dtype, x);
    dy_tensor = MakeTensor(c.layout, c.dtype, dy);
    gamma_tensor = MakeTensor(parameters, ParameterDType(c.dtype), gamma);
    beta_tensor = MakeTensor(parameters, ParameterDType(c.dtype), beta);
  }
  // Adds a part that all dy have in common, as that of a loss with a mean in it.
  void AddToDy(double common) {
    for (double& v : dy) v += common;
    SetDy(std::move(dy));
  }
  void SetDy(std::vector<double> values) {
    dy = std::move(values);
    dy_tensor = MakeTensor(test.layout, test.dtype, dy);
  }
  // Of a backward pass after `forward`, but for what it writes.
  Normalization::BackwardArgs BackwardArgs(const NormResult& forward) const {
    return {.x = x_tensor.data(),
            .dy = dy_tensor.data(),
            .gamma = gamma_tensor.data(),
            .beta = beta_tensor.data(),
            .mean = forward.mean.data(),
            .rstd = forward.rstd.data()};
  }
  // Before the activation.
  reference::Inputs inputs(double epsilon = 1e-5) const {
    return {spec, test.layout, x, gamma, beta, epsilon};
  }
};

// Of a forward pass with the options of the case, or with others.
inline NormGradients GradientsOf(const Problem& p, const NormResult& forward,
                                 const NormOptions& options) {
  NormGradients result{p.dy_tensor.Clone(), p.gamma_tensor.Clone(), p.beta_tensor.Clone()};
  Normalization::BackwardArgs args = p.BackwardArgs(forward);
  args.y = forward.y.data();  // leaky ReLU reads it
  args.dx = result.dx.data(), args.dgamma = result.dgamma.data(), args.dbeta = result.dbeta.data();
  Normalization(p.test.spec, p.test.layout, p.test.dtype, options).Backward(args);
  return result;
}
inline NormGradients GradientsOf(const Problem& p, const NormResult& forward) {
  return GradientsOf(p, forward, p.test.Options());
}

}  // namespace normkit::cases
