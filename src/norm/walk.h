// The backward pass element by element, for the few layouts that no vector kernel serves.
#pragma once

#include <fmt/format.h>

#include "normkit/norm/normalization.h"
#include "src/norm/backward.h"
#include "src/norm/geometry.h"

namespace normkit {

// Everything about one normalization that does not change from call to call.
struct Problem {
  NormSpec spec;
  Layout layout;
  DType dtype;
  NormOptions options;
  Geometry geometry;

  // Who speaks, in messages.
  std::string Title() const {
    if (!options.name.empty()) return options.name;
    return fmt::format("{} normalization of {}", spec.name, layout.ToString());
  }
};

// E[w] and E[w * xhat] of every statistic, one behind the other with room for a count.
struct GradientMeans {
  double* w;
  double* w_xhat;
};

// dx (where wanted), the sums of the parameters, and on the way the means.
// `relu`: of the gradient what passes a ReLU.
void BackwardWalk(const Problem& problem, const Normalization::BackwardArgs& args, bool relu,
                  const GradientMeans& means, const ParameterSums& parameters);

}  // namespace normkit
