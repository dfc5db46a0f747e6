// What training minimizes, with its gradient.
#pragma once

#include <cstdint>
#include <span>

#include "normkit/core/error.h"
#include "normkit/core/export.h"

namespace normkit {

// How classes count in cross-entropy.
struct ClassTargets {
  std::span<const double> weights = {};  // of each class; empty: 1
  double smoothing = 0;                  // in [0, 1)
};

// The mean over observations of -log softmax(logits)[label], summed in f64. logits is
// [B, num_classes]. Into dlogits (empty: not wanted): (softmax(logits) - onehot(label)) / B. Throws
// Error on a label outside [0, num_classes) and on sizes that do not fit.
NORMKIT_API double CrossEntropyLoss(std::span<const float> logits, std::span<const int64_t> labels,
                                    int64_t num_classes, std::span<float> dlogits);

// The same of some of a mini-batch of `batch` observations: the sum over those given, and their
// part of the gradient of the mean over all. With `targets` the loss of an observation is
// -weight[label] * sum over classes of t * log softmax(logits), t = (1 - smoothing) * onehot(label)
// + smoothing / num_classes, and the mean still divides by their number.
NORMKIT_API double CrossEntropySum(std::span<const float> logits, std::span<const int64_t> labels,
                                   int64_t num_classes, int64_t batch, std::span<float> dlogits,
                                   const ClassTargets& targets = {});

// How little the pixels of each class overlap with what they are told to be: with y =
// softmax(logits) of the pixels of an observation, t = onehot(label), and sums over its pixels,
//   1 - mean over classes of (2 sum(y t) + 1) / (sum(y) + sum(t) + 1),
// which is 0 for a class that is neither there nor seen (after Milletari et al. 2016). logits is
// [B, pixels, num_classes], labels [B, pixels]; gives the sum over the observations given, and the
// gradient of the mean over `batch`.
NORMKIT_API double DiceLossSum(std::span<const float> logits, std::span<const int64_t> labels,
                               int64_t num_classes, int64_t pixels, int64_t batch,
                               std::span<float> dlogits);

// Half the mean squared error, 1 / (2 B) * sum((y - target)^2) over all elements, summed in f64;
// B = batch_size. Into dy (empty: not wanted): (y - target) / B.
NORMKIT_API double HalfMeanSquaredError(std::span<const float> y, std::span<const float> target,
                                        int64_t batch_size, std::span<float> dy);
// The same of some of a mini-batch: half the sum of squares, and dy of the mean over `batch` of
// them.
NORMKIT_API double HalfSquaredErrorSum(std::span<const float> y, std::span<const float> target,
                                       int64_t batch, std::span<float> dy);
// sum(|y - target|), and its gradient sign(y - target) / batch.
NORMKIT_API double AbsoluteErrorSum(std::span<const float> y, std::span<const float> target,
                                    int64_t batch, std::span<float> dy);
// The sum of d^2 / 2 where |d| <= transition, else of transition * (|d| - transition / 2), d = y -
// target (Huber 1964), and its gradient over `batch`.
NORMKIT_API double HuberErrorSum(std::span<const float> y, std::span<const float> target,
                                 double transition, int64_t batch, std::span<float> dy);

}  // namespace normkit
