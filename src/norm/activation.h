// Activations element by element, in f64: what the kernels call for f64, and the reference.
#pragma once

#include <string_view>

#include "normkit/norm/normalization.h"

namespace normkit {

// "ReLU", "leaky ReLU", "GELU (tanh)", ..., as messages say it; "no activation".
std::string_view Name(Activation activation);

// Whether what passes the activation can be told from what it wrote. Else the backward pass
// computes again what was activated.
constexpr bool ToldFromY(Activation activation) {
  return activation == Activation::kNone || activation == Activation::kRelu ||
         activation == Activation::kLeakyRelu;
}

// What an activation does to z, and its derivative there. By the standard library; NaN stays NaN,
// infinities give the limits.
double Activated(const NormOptions& options, double z);
double ActivationSlope(const NormOptions& options, double z);

// The same of n values, in place.
void ActivateValues(Activation activation, double parameter, double* values, int64_t n);
void SlopesOfValues(Activation activation, double parameter, double* values, int64_t n);

// Of kLeakyRelu and kElu; else not read.
double ParameterOf(const NormOptions& options);

}  // namespace normkit
