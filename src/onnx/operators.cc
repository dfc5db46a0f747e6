#include "src/onnx/operators.h"

#include <algorithm>
#include <vector>

#include "src/onnx/operator_functions.h"
#include "src/ops/elementwise.h"

namespace normkit {
namespace {

// Rows without functions stand within layers of others: of sequences (time/), of input (input.cc),
// of forms (forms.h).
constexpr Operator kOperators[] = {
    {"Add", 13, WriteAdd, ReadAddition},
    {"And", 13, nullptr, nullptr},
    {"AveragePool", 13, WriteAveragePool, ReadAveragePool},
    {"BatchNormalization", 15, WriteNormalization, ReadNormalization},
    {"Cast", 13, nullptr, nullptr},
    {"Clip", 13, nullptr, nullptr},
    {"Concat", 13, WriteConcat, ReadConcat},
    {"Conv", 13, WriteConv, ReadConv},
    {"ConvTranspose", 13, nullptr, nullptr},
    {"Div", 13, nullptr, nullptr},
    {"Dropout", 13, WriteDropout, ReadDropout},
    {"Expand", 13, nullptr, nullptr},
    {"Flatten", 13, WriteFlatten, ReadFlatten},
    {"GRU", 13, nullptr, nullptr},
    {"Gather", 13, nullptr, nullptr},
    {"GatherND", 13, nullptr, nullptr},
    {"Gemm", 13, WriteGemm, ReadGemm},
    {"GlobalAveragePool", 13, WriteNamed, ReadGlobalAverage},
    {"GlobalMaxPool", 13, nullptr, nullptr},
    {"GroupNormalization", 21, WriteNormalization, ReadNormalization},
    {"HardSigmoid", 13, nullptr, nullptr},
    {"Identity", 13, nullptr, nullptr},
    {"InstanceNormalization", 13, WriteNormalization, ReadNormalization},
    {"LRN", 13, nullptr, nullptr},
    {"LSTM", 13, nullptr, nullptr},
    {"LayerNormalization", 17, WriteNormalization, ReadNormalization},
    {"Less", 13, nullptr, nullptr},
    {"LessOrEqual", 13, nullptr, nullptr},
    {"MatMul", 13, nullptr, nullptr},
    {"MaxPool", 13, WriteMaxPool, ReadMaxPool},
    {"Mul", 13, nullptr, nullptr},
    {"PRelu", 13, nullptr, nullptr},
    {"Pad", 13, WritePad, ReadPad},
    {"Pow", 13, nullptr, nullptr},
    {"RMSNormalization", 23, WriteNormalization, ReadNormalization},
    {"Range", 13, nullptr, nullptr},
    {"ReduceMax", 13, nullptr, nullptr},
    {"ReduceSum", 13, nullptr, nullptr},
    {"Reshape", 13, WriteAdaptive, nullptr},  // of scale and offset
    {"Resize", 13, WriteResize, ReadResize},
    {"Scan", 13, nullptr, nullptr},
    {"Shape", 13, nullptr, nullptr},
    {"Sin", 13, nullptr, nullptr},
    {"Softmax", 13, WriteSoftmax, ReadSoftmax},
    {"Softsign", 13, nullptr, nullptr},
    {"Split", 13, nullptr, nullptr},
    {"Sqrt", 13, nullptr, nullptr},
    {"Squeeze", 13, nullptr, nullptr},
    {"Sub", 13, nullptr, nullptr},
    {"Sum", 13, WriteSum, ReadAddition},
    {"Transpose", 13, nullptr, ReadWrappedNormalization},
    {"Unsqueeze", 13, nullptr, nullptr},
    {"Where", 13, nullptr, nullptr},
};

// Those and the elementwise ones, which say their operators themselves; by name.
std::vector<Operator> MakeOperators() {
  std::vector<Operator> operators(std::begin(kOperators), std::end(kOperators));
  for (const ops::Elementwise& row : ops::ElementwiseTable())
    if (!row.onnx.type.empty())
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
