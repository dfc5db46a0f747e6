// Batch renormalization (Ioffe 2017): what a mini-batch's statistics would be corrected by to those
// that prediction uses.
#pragma once

#include <cstdint>
#include <span>

namespace normkit::ops {

// How far: r within 1 / scale and scale, d within -shift and shift. They grow from 1 and 0 over the
// first `warm_up` iterations, in which the trained statistics are not worth much.
struct Renormalization {
  double scale = 3, shift = 5;
  int64_t warm_up = 0;

  Renormalization At(uint64_t iteration) const;
};

// Of each channel, constants to the gradient: xhat r + d is, within the limits,
// (x - trained mean) / sqrt(trained variance + epsilon).
struct Corrections {
  std::span<double> r, d;
};

// `limits` are those of the iteration; mean and rstd of the batch, the others trained.
void Correct(const Renormalization& limits, const double* mean, const double* rstd,
             const float* trained_mean, const float* trained_variance, double epsilon,
             const Corrections& to);

// gamma xhat + beta with them is gamma (xhat r + d) + beta. Null gamma: ones; null beta: zeros.
void CorrectParameters(const Corrections& by, const float* gamma, const float* beta,
                       float* corrected_gamma, float* corrected_beta);
// The gradient of gamma itself, in place of that of gamma r.
void CorrectGradient(const Corrections& by, const float* dbeta, float* dgamma);

}  // namespace normkit::ops
