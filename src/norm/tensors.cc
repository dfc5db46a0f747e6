// The operation on tensors, for one call.
#include <utility>

#include "normkit/norm/normalization.h"
#include "src/core/fail.h"

namespace normkit {
namespace {

// The axes of `layout` with one of these labels: the layout of a parameter.
Layout Over(const Layout& layout, Dims labels) {
  std::vector<Axis> axes;
  for (const Axis& axis : layout.axes())
    if (axis.label & labels) axes.push_back(axis);
  return Layout(std::move(axes));
}

const void* DataOf(const Normalization& norm, const char* name, const Tensor* tensor, int64_t size,
                   DType expected, const char* of) {
  if (!tensor) return nullptr;
  if (tensor->size() != size || tensor->dtype() != expected)
    Fail("{} normalization: {} has {} {} values, expected {} {} ({} of x, {})", norm.spec().name,
         name, tensor->size(), Name(tensor->dtype()), size, Name(expected), of,
         norm.layout().ToString());
  return tensor->data();
}

const void* ParameterData(const Normalization& norm, const char* name, const Tensor* tensor) {
  return DataOf(norm, name, tensor, norm.num_parameters(), norm.parameter_dtype(),
                norm.spec().affine == (kG | kC) ? "channels" : "parameters");
}

void CheckSize(const Normalization& norm, const char* name, size_t size) {
  if (size != static_cast<size_t>(norm.num_statistics()))
    Fail("{} normalization: saved {} has {} values, expected {} (statistics of x, {})",
         norm.spec().name, name, size, norm.num_statistics(), norm.layout().ToString());
}

}  // namespace

NormResult ForwardTraining(const NormSpec& spec, const Tensor& x, const Tensor* gamma,
                           const Tensor* beta, const NormOptions& options) {
  const Normalization norm(spec, x.layout(), x.dtype(), options);
  const auto n = static_cast<size_t>(norm.num_statistics());
  NormResult result{Tensor(x.layout(), x.dtype()), std::vector<double>(n), std::vector<double>(n),
                    std::vector<double>(n)};
  norm.ForwardTraining(x.data(), ParameterData(norm, "gamma", gamma),
                       ParameterData(norm, "beta", beta), result.y.data(),
                       {result.mean.data(), result.rstd.data(), result.variance.data()});
  return result;
}

Tensor ForwardInference(const NormSpec& spec, const Tensor& x, const Tensor* gamma,
                        const Tensor* beta, const Tensor* mean, const Tensor* variance,
                        const NormOptions& options) {
  const Normalization norm(spec, x.layout(), x.dtype(), options);
  const int64_t n = norm.num_statistics();
  const DType given = ParameterDType(norm.dtype());
  Tensor y(x.layout(), x.dtype());
  norm.ForwardInference(x.data(), ParameterData(norm, "gamma", gamma),
                        ParameterData(norm, "beta", beta),
                        DataOf(norm, "mean", mean, n, given, "statistics"),
                        DataOf(norm, "variance", variance, n, given, "statistics"), y.data());
  return y;
}

NormGradients Backward(const NormSpec& spec, const Tensor& x, const Tensor* gamma,
                       const Tensor* beta, const Tensor& dy, const NormResult& forward,
                       const NormOptions& options) {
  const Normalization norm(spec, x.layout(), x.dtype(), options);
  if (!(dy.layout() == x.layout()) || dy.dtype() != x.dtype())
    Fail("{} normalization: dy is {} {}, expected that of x, {} {}", spec.name, Name(dy.dtype()),
         dy.layout().ToString(), Name(x.dtype()), x.layout().ToString());
  CheckSize(norm, "mean", forward.mean.size());
  CheckSize(norm, "rstd", forward.rstd.size());
  const Layout parameters = Over(x.layout(), norm.spec().affine);
  const DType dtype = norm.parameter_dtype();
  NormGradients result{Tensor(x.layout(), x.dtype()), Tensor(parameters, dtype),
                       Tensor(parameters, dtype)};
  norm.Backward({.x = x.data(),
                 .dy = dy.data(),
                 .gamma = ParameterData(norm, "gamma", gamma),
                 .beta = ParameterData(norm, "beta", beta),
                 .mean = forward.mean.data(),
                 .rstd = forward.rstd.data(),
                 .dx = result.dx.data(),
                 .dgamma = result.dgamma.data(),
                 .dbeta = result.dbeta.data()});
  return result;
}

}  // namespace normkit
