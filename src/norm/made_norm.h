// What tests of fused passes share: a normalization of a problem, and the statistics that its last
// forward pass saved.
#pragma once

#include <vector>

#include "src/norm/case_data.h"

namespace normkit::cases {

struct MadeNorm {
  MadeNorm(const Problem& problem, const NormOptions& options)
      : p(problem),
        norm(p.test.spec, p.test.layout, p.test.dtype, options),
        mean(static_cast<size_t>(norm.num_statistics())),
        rstd(mean) {}

  Tensor Like() const { return Tensor(p.test.layout, p.test.dtype); }

  // y of x, else of the problem's.
  Tensor Forward(const void* addend, const Tensor* x = nullptr) {
    Tensor y = Like();
    norm.ForwardTraining({.x = (x ? *x : p.x_tensor).data(),
                          .gamma = p.gamma_tensor.data(),
                          .beta = p.beta_tensor.data(),
                          .y = y.data(),
                          .saved = {mean.data(), rstd.data()},
                          .addend = addend});
    return y;
  }

  struct Gradients {
    Tensor dx, dgamma, dbeta, daddend;
  };
  // Room for them, and the arguments that write them but for daddend.
  Gradients MakeGradients() const {
    return {Like(), p.gamma_tensor.Clone(), p.gamma_tensor.Clone(), Like()};
  }
  Normalization::BackwardArgs BackwardArgs(const Tensor& dy, Gradients& to) const {
    return {.x = p.x_tensor.data(),
            .dy = dy.data(),
            .gamma = p.gamma_tensor.data(),
            .beta = p.beta_tensor.data(),
            .mean = mean.data(),
            .rstd = rstd.data(),
            .dx = to.dx.data(),
            .dgamma = to.dgamma.data(),
            .dbeta = to.dbeta.data()};
  }

  const Problem& p;
  Normalization norm;
  std::vector<double> mean, rstd;
};

}  // namespace normkit::cases
