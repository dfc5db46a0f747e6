// Arithmetic on values of a graph.
#pragma once

#include <utility>
#include <vector>

#include "normkit/graph/graph.h"
#include "src/ops/binary.h"
#include "src/ops/ops.h"

namespace normkit {

class GraphMath {
 public:
  explicit GraphMath(Graph& graph) : graph_(graph) {}

  Value Apply(const ops::OpPtr& op, std::vector<Value> inputs) const {
    return graph_.AddNode(op, std::move(inputs))[0];
  }
  Value Floats(std::vector<int64_t> shape, std::span<const float> values) const {
    return Constant<float>(DType::kF32, std::move(shape), values);
  }
  Value Numbers(std::vector<int64_t> values) const {
    return Constant<int64_t>(DType::kI64, {std::ssize(values)}, values);
  }
  Value Number(float value) const { return Floats({1}, {&value, 1}); }

  Value Add(Value a, Value b) const { return Binary("add", a, b); }
  Value Subtract(Value a, Value b) const { return Binary("subtract", a, b); }
  Value Multiply(Value a, Value b) const { return Binary("multiply", a, b); }
  Value Divide(Value a, Value b) const { return Binary("divide", a, b); }

  // Over all axes, one number.
  Value MeanOfSquares(Value x) const {
    const Layout& shape = graph_.layout(x);
    std::vector<int64_t> axes(static_cast<size_t>(shape.rank()));
    for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(i);
    const Value squares = Apply(ops::Reduce(ops::Reduction::kSumOfSquares, axes), {x});
    // Sizes follow the inputs.
    const Value count = Apply(ops::ConvertElements(DType::kF32), {Apply(ops::SizeOf(), {x})});
    return Apply(ops::Reshape(), {Divide(squares, count), Numbers({1})});
  }

 private:
  template <class T>
  Value Constant(DType dtype, std::vector<int64_t> shape, std::span<const T> values) const {
    Tensor constant(Layout::Unlabelled(shape), dtype);
    std::copy(values.begin(), values.end(), constant.values<T>().begin());
    return graph_.AddConstant(std::move(constant));
  }
  Value Binary(const char* name, Value a, Value b) const {
    return Apply(ops::MakeBinary(ops::FindBinary(name)), {a, b});
  }

  Graph& graph_;
};

}  // namespace normkit
