#include "src/onnx/operators.h"

#include "src/onnx/rows.h"

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
    {"Gelu", 20, WriteElementwise, ReadGelu},
    {"Gemm", 13, WriteGemm, ReadGemm},
    {"GlobalAveragePool", 13, WriteNamed, ReadGlobalAverage},
    {"GroupNormalization", 21, WriteNormalization, ReadNormalization},
    {"InstanceNormalization", 13, WriteNormalization, ReadNormalization},
    {"LayerNormalization", 17, WriteNormalization, ReadNormalization},
    {"LeakyRelu", 13, WriteLeakyRelu, ReadLeakyRelu},
    {"MaxPool", 13, WriteMaxPool, ReadMaxPool},
    {"Mul", 13, nullptr, nullptr},
    {"RMSNormalization", 23, WriteNormalization, ReadNormalization},
    {"Relu", 13, WriteElementwise, ReadElementwise},
    {"Sigmoid", 13, WriteElementwise, ReadElementwise},
    {"Softmax", 13, WriteSoftmax, ReadSoftmax},
    {"Sub", 13, nullptr, nullptr},
    {"Sum", 13, WriteSum, ReadAddition},
    {"Tanh", 13, WriteElementwise, ReadElementwise},
    {"Transpose", 13, nullptr, ReadWrappedNormalization},
};

}  // namespace

std::span<const Operator> Operators() { return kOperators; }

const Operator* FindOperator(std::string_view type) {
  for (const Operator& row : kOperators)
    if (row.type == type) return &row;
  return nullptr;
}

}  // namespace normkit
