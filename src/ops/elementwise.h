// Operations that map each element by itself: one table.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "normkit/ops/op.h"

namespace normkit::ops {

// A number that an operation depends on, finite and at least 0: y = f(x, scale).
struct ElementwiseNumber {
  std::string_view name = "";  // "scale"; "": there is none
  std::string_view text = "";  // what it is
  double otherwise = 0;        // where nothing is said
};

// How ONNX says it.
struct ElementwiseOnnx {
  std::string_view type;            // the operator; "": several (src/onnx/forms.cc)
  int opset = 13;                   // the oldest in which it means this
  std::string_view attribute = "";  // that holds the number
  std::string_view text = "";       // an attribute that has to be
  std::string_view value = "";      // this
};

// One row: all that a new operation needs. What is called `at` is x, or y where the gradient reads
// the output.
struct Elementwise {
  std::string_view type;        // "leaky ReLU": in tables and errors
  std::string_view short_name;  // "leakyrelu": what the unnamed are called
  std::string_view json;        // "leaky_relu": in network files
  ElementwiseOnnx onnx;
  ElementwiseNumber number;
  bool has_kink;  // it or a derivative of it jumps at 0: tests keep away from there
  bool gradient_reads_output;
  void (*map)(const float* x, float* y, int64_t begin, int64_t end, float number);
  // dx = dy * f'(at), or += where `add`. dx may be dy.
  void (*gradient)(const float* dy, const float* at, float* dx, bool add, int64_t begin,
                   int64_t end, float number);
};

std::span<const Elementwise> ElementwiseTable();
const Elementwise& FindElementwise(std::string_view short_name);  // which stands in the table

std::shared_ptr<const Op> MakeElementwise(const Elementwise& row, float number = 0);

// max(0, x), NaN staying NaN, for those that end with it.
struct Relu {
  static float Map(float x) { return x < 0 ? 0 : x; }
  static float Gradient(float dy, float y) { return y > 0 ? dy : 0; }
};

}  // namespace normkit::ops
