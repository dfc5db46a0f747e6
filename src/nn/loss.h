// What training minimizes, with its gradient.
#pragma once

#include <cstdint>
#include <span>

namespace normkit {

// The mean over observations of -log softmax(logits)[label], summed in f64. logits is
// [B, num_classes]. Into dlogits (empty: not wanted): (softmax(logits) - onehot(label)) / B. Throws
// Error on a label outside [0, num_classes) and on sizes that do not fit.
double CrossEntropyLoss(std::span<const float> logits, std::span<const int64_t> labels,
                        int64_t num_classes, std::span<float> dlogits);

// The same of some of a mini-batch of `batch` observations: the sum over those given, and their
// part of the gradient of the mean over all.
double CrossEntropySum(std::span<const float> logits, std::span<const int64_t> labels,
                       int64_t num_classes, int64_t batch, std::span<float> dlogits);

// Half the mean squared error, 1 / (2 B) * sum((y - target)^2) over all elements, summed in f64;
// B = batch_size. Into dy (empty: not wanted): (y - target) / B.
double HalfMeanSquaredError(std::span<const float> y, std::span<const float> target,
                            int64_t batch_size, std::span<float> dy);
// The same of some of a mini-batch: half the sum of squares, and dy of the mean over `batch` of
// them.
double HalfSquaredErrorSum(std::span<const float> y, std::span<const float> target, int64_t batch,
                           std::span<float> dy);

}  // namespace normkit
