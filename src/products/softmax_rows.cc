#include "src/products/softmax_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/products/softmax_rows.cc"
// clang-format off: the order matters.
#include <hwy/foreach_target.h>

#include "src/products/softmax_rows-inl.h"
// clang-format on

#if HWY_ONCE
#include "src/simd/target.h"

namespace normkit::products {

HWY_EXPORT(Exponentials);
HWY_EXPORT(Weights);
HWY_EXPORT(Dot);
HWY_EXPORT(Gradients);
HWY_EXPORT(ScaleAll);

float ExponentialsOfRow(float* x, int64_t n, float scale, float* largest) {
  simd::ChooseTarget();
  return HWY_DYNAMIC_DISPATCH(Exponentials)(x, n, scale, largest);
}

void WeightsOfRow(float* x, int64_t n, float scale, float largest, float factor) {
  simd::ChooseTarget();
  HWY_DYNAMIC_DISPATCH(Weights)(x, n, scale, largest, factor);
}

float DotOfRows(const float* a, const float* b, int64_t n) {
  simd::ChooseTarget();
  return HWY_DYNAMIC_DISPATCH(Dot)(a, b, n);
}

void ScoreGradients(const float* w, float* dw, int64_t n, float mean, float scale) {
  simd::ChooseTarget();
  HWY_DYNAMIC_DISPATCH(Gradients)(w, dw, n, mean, scale);
}

void Scale(float* x, int64_t n, float factor) {
  simd::ChooseTarget();
  HWY_DYNAMIC_DISPATCH(ScaleAll)(x, n, factor);
}

}  // namespace normkit::products
#endif
