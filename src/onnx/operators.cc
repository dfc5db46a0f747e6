#include "src/onnx/operators.h"

#include <algorithm>
#include <vector>

#include "src/onnx/operator_functions.h"
#include "src/ops/elementwise.h"

namespace normkit {
namespace {

constexpr Operator kOperators[] = {
    {"Add", 13, WriteAdd, ReadAddition},
    {"AveragePool", 13, WriteAveragePool, ReadAveragePool},
    {"BatchNormalization", 15, WriteNormalization, ReadNormalization},
    {"Concat", 13, WriteConcat, ReadConcat},
    {"Conv", 13, WriteConv, ReadConv},
    {"Div", 13, nullptr, nullptr},  // normalizes the input (input.cc), as Mul and Sub
    {"Dropout", 13, WriteDropout, ReadDropout},
    {"Flatten", 13, WriteFlatten, ReadFlatten},
    {"Gemm", 13, WriteGemm, ReadGemm},
    {"GlobalAveragePool", 13, WriteNamed, ReadGlobalAverage},
    {"GroupNormalization", 21, WriteNormalization, ReadNormalization},
    {"InstanceNormalization", 13, WriteNormalization, ReadNormalization},
    {"LayerNormalization", 17, WriteNormalization, ReadNormalization},
    {"MaxPool", 13, WriteMaxPool, ReadMaxPool},
    {"Mul", 13, nullptr, nullptr},
    {"Pad", 13, WritePad, ReadPad},
    {"RMSNormalization", 23, WriteNormalization, ReadNormalization},
    {"Reshape", 13, WriteAdaptive, nullptr},  // of scale and offset
    {"Resize", 13, WriteResize, ReadResize},
    {"Softmax", 13, WriteSoftmax, ReadSoftmax},
    {"Sub", 13, nullptr, nullptr},
    {"Sum", 13, WriteSum, ReadAddition},
    {"Transpose", 13, nullptr, ReadWrappedNormalization},
};

// Those and the elementwise ones, which say their operators themselves; by name.
std::vector<Operator> MakeOperators() {
  std::vector<Operator> operators(std::begin(kOperators), std::end(kOperators));
  for (const ops::Elementwise& row : ops::ElementwiseTable())
    operators.push_back({row.onnx.type, row.onnx.opset, WriteElementwise, ReadElementwise});
  std::ranges::sort(operators, {}, &Operator::type);
  return operators;
}

}  // namespace

std::span<const Operator> Operators() {
  static const std::vector<Operator> operators = MakeOperators();
  return operators;
}

const Operator* FindOperator(std::string_view type) {
  const auto found = std::ranges::find(Operators(), type, &Operator::type);
  return found == Operators().end() ? nullptr : &*found;
}

}  // namespace normkit
