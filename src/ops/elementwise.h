// Operations that map each element by itself: one table.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "normkit/ops/op.h"

namespace normkit::ops {

// One row. What is called `at` is x, or y where the gradient reads the output.
struct Elementwise {
  std::string_view type;        // "leaky ReLU": in tables and errors
  std::string_view short_name;  // "leakyrelu": what the unnamed are called
  std::string_view onnx;        // the operator
  std::string_view property;    // the name of its number, "scale"; "" where it has none
  double default_value;         // of the property, which is finite and >= 0
  bool gradient_reads_output;
  void (*map)(const float* x, float* y, int64_t begin, int64_t end, float property);
  // dx = dy * f'(at), or += where `add`. dx may be dy.
  void (*gradient)(const float* dy, const float* at, float* dx, bool add, int64_t begin,
                   int64_t end, float property);
};

std::span<const Elementwise> ElementwiseTable();
const Elementwise& FindElementwise(std::string_view short_name);  // which stands in the table

std::shared_ptr<const Op> MakeElementwise(const Elementwise& row, float property = 0);

// max(0, x), NaN staying NaN, for those that end with it.
struct Relu {
  static float Map(float x) { return x < 0 ? 0 : x; }
  static float Gradient(float dy, float y) { return y > 0 ? dy : 0; }
};

}  // namespace normkit::ops
