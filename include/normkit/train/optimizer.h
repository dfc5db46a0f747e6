// What one iteration does to the parameters, for training and for a loop of one's own
// (examples/own_loop.cc): the learning rate, L2 regularization, gradient clipping, the solver's
// update.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "normkit/core/export.h"
#include "normkit/nn/network.h"
#include "normkit/train/options.h"

namespace normkit {

// The learning rate of `iteration`, from 1, of max_epochs epochs of `per_epoch`; `options` are
// resolved (Resolve). Of the iterations d that went before it and the n of all:
//   piecewise:    initial * drop_factor ^ floor(d / (per_epoch * drop_period))
//   exponential:  initial * drop_factor ^ (d / (per_epoch * drop_period))
//   cosine:       initial / 2 * (1 + cos(pi * d / n))  (Loshchilov & Hutter 2017, one cycle)
//   polynomial:   initial * (1 - d / n) ^ power
//   cyclical:     from initial * drop_factor up to initial and back in drop_period epochs, straight
//                 (Smith 2017, triangular)
// In the first `warmup` iterations it is initial * iteration / (warmup + 1), and the schedule
// begins after them. In a chain each schedule has its own d and n, and the last one goes on to the
// end.
NORMKIT_API double LearnRate(const TrainingOptions& options, int64_t iteration, int64_t per_epoch);

// A part of the parameters' array, inside one parameter, with that parameter's factor of the
// learning rate and its lambda (below).
struct ParameterChunk {
  size_t parameter;
  int64_t begin, end;
  float alpha_factor, lambda;
};

// Holds the solver's state, arrays of the parameters' shape that begin with zeros. With g the
// gradient, alpha = learn_rate * learn_rate_factor and lambda = l2_regularization * l2_factor of a
// parameter w (the formulas as the toolbox documents them):
//   g += lambda * w, then g is clipped, then
//   sgdm:    v = momentum * v - alpha * g;  w += v
//   rmsprop: v = beta2 * v + (1 - beta2) * g^2;  w -= alpha * g / (sqrt(v) + epsilon)
//   adam:    m = beta1 * m + (1 - beta1) * g;  v as rmsprop;
//            w -= alpha * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
//            (Kingma & Ba 2015, algorithm 1; t counts the steps from 1)
//   adamw:   as adam, but g has no lambda * w in it, and w -= alpha * lambda * w comes first
//            (Loshchilov & Hutter 2019, algorithm 2)
// Work is cut by the parameters' shapes: the same bits for any number of threads.
class NORMKIT_API Optimizer {
 public:
  // `options` as Resolve gives them. Throws Error for lbfgs, which is a class of its own.
  Optimizer(const TrainingOptions& options, const Parameters& parameters);

  // One step. Overwrites `gradients` with what was applied (regularized and clipped).
  void Step(Parameters& parameters, Parameters& gradients, double learn_rate);

  // For checkpoints: the state by name, and how many steps there were.
  std::map<std::string, std::span<float>> State();
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

 private:
  void Clip(std::span<float> gradients);
  double SumOfSquares(std::span<const float> gradients);  // also into squares_of_parameter_

  TrainingOptions options_;
  std::vector<ParameterChunk> chunks_;
  std::vector<double> squares_of_chunk_, squares_of_parameter_;
  std::vector<float> average_, squared_average_;  // velocity of sgdm is average_
  int64_t steps_ = 0;
};

}  // namespace normkit
