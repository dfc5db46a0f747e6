// The elementwise half of attention: rows of scores to weights, and gradients back.
#pragma once

#include <cstdint>

namespace normkit::products {

// x[i] = e^(scale (x[i] - largest)), largest the largest of them; gives their sum, and `largest`.
// 16 partial sums, whatever the vectors: the same bits on all targets with fused multiply-adds or
// without. A row with a NaN has a sum that is one.
float ExponentialsOfRow(float* x, int64_t n, float scale, float* largest);

// x[i] = e^(scale (x[i] - largest)) * factor, with what the other gave.
void WeightsOfRow(float* x, int64_t n, float scale, float largest, float factor);

// The sum of a[i] b[i], in 16 partial sums.
float DotOfRows(const float* a, const float* b, int64_t n);

// dw[i] = (dw[i] - mean) w[i] scale: from the gradient of weights w, whose mean by w is `mean`, to
// that of the scores.
void ScoreGradients(const float* w, float* dw, int64_t n, float mean, float scale);

void Scale(float* x, int64_t n, float factor);

}  // namespace normkit::products
