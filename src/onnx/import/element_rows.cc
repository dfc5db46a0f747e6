// Operators that work element by element.
#include <limits>
#include <numeric>

#include "src/onnx/import/rows.h"
#include "src/ops/binary.h"
#include "src/ops/elementwise.h"
#include "src/ops/functions.h"
#include "src/ops/where.h"

namespace normkit {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// ---- Two arrays and more ------------------------------------------------------------------------

template <const auto& kName>
void ReadBinary(NodeImport& node) {
  const auto op = ops::MakeBinary(ops::FindBinary(kName));
  if (node.inputs() != 2) node.Refuse("has {} inputs, expected 2", node.inputs());
  if (node.op_type() == "Pow" && node.Type(1).dtype != node.Type(0).dtype) {
    const auto convert = ops::ConvertElements(node.Type(0).dtype);
    return node.Out(
        node.ApplyToElements(op, {node.In(0), node.ApplyToElements(convert, {node.In(1)})}));
  }
  node.Out(node.ApplyToElements(op, {node.In(0), node.In(1)}));
}

ItemPtr Joined(NodeImport& node, std::string_view name) {
  const auto op = ops::MakeBinary(ops::FindBinary(name));
  ItemPtr result = node.In(0);
  for (int i = 1; i < node.inputs(); ++i) result = node.ApplyToElements(op, {result, node.In(i)});
  return result;
}

template <const auto& kName>
void ReadSeveral(NodeImport& node) {
  node.Out(Joined(node, kName));
}

void ReadMean(NodeImport& node) {
  const auto divide = ops::MakeBinary(ops::FindBinary("divide"));
  node.Out(node.ApplyToElements(
      divide, {Joined(node, "add"), node.Number(static_cast<float>(node.inputs()))}));
}

constexpr char kAdd[] = "add", kSubtract[] = "subtract", kMultiply[] = "multiply",
               kDivide[] = "divide", kPower[] = "power", kMinimum[] = "minimum",
               kMaximum[] = "maximum", kEqual[] = "equal", kLess[] = "less", kGreater[] = "greater",
               kLessOrEqual[] = "less or equal", kGreaterOrEqual[] = "greater or equal",
               kAnd[] = "and", kOr[] = "or";

void ReadNot(NodeImport& node) {
  Tensor no(Layout(), DType::kBool);
  node.Out(node.ApplyToElements(ops::MakeBinary(ops::FindBinary("equal")),
                                {node.In(0), node.importer().Constant(std::move(no))}));
}

void ReadWhere(NodeImport& node) {
  node.Out(node.ApplyToElements(ops::Where(), {node.In(0), node.In(1), node.In(2)}));
}

// x where x > 0, else slope times x.
void ReadPRelu(NodeImport& node) {
  const auto clamp = [&](float low, float high) {
    return node.ApplyToElements(ops::MakeFunction(ops::FindFunction("clamp"), low, high),
                                {node.In(0)});
  };
  const auto binary = [&](std::string_view name, ItemPtr a, ItemPtr b) {
    return node.ApplyToElements(ops::MakeBinary(ops::FindBinary(name)), {a, b});
  };
  node.Out(
      binary("add", clamp(0, kInfinity), binary("multiply", clamp(-kInfinity, 0), node.In(1))));
}

// ---- One array ----------------------------------------------------------------------------------

void Map(NodeImport& node, std::string_view name, float a = 0, float b = 0) {
  node.Out(node.ApplyToElements(ops::MakeFunction(ops::FindFunction(name), a, b), {node.In(0)}));
}

template <const auto& kName>
void ReadFunction(NodeImport& node) {
  Map(node, kName);
}

constexpr char kExp[] = "exponential", kLog[] = "logarithm", kSqrt[] = "square root",
               kReciprocal[] = "reciprocal", kAbsolute[] = "absolute", kFloor[] = "floor",
               kCeil[] = "ceil", kRound[] = "round", kSoftPlus[] = "softplus",
               kSoftSign[] = "softsign", kMish[] = "mish", kErf[] = "erf", kSin[] = "sine",
               kCos[] = "cosine";

void ReadNeg(NodeImport& node) {
  if (node.Type(0).dtype == DType::kF32) return Map(node, "negative");
  node.Out(node.ApplyToElements(ops::MakeBinary(ops::FindBinary("subtract")),
                                {node.Ints({0}), node.In(0)}));
}

void ReadElu(NodeImport& node) { Map(node, "ELU", node.Float("alpha", 1)); }
void ReadCelu(NodeImport& node) { Map(node, "CELU", node.Float("alpha", 1)); }
void ReadSelu(NodeImport& node) {
  const float alpha = node.Float("alpha", 1.67326319217681884765625f);
  Map(node, "SELU", alpha, node.Float("gamma", 1.05070102214813232421875f));
}
void ReadThresholdedRelu(NodeImport& node) {
  Map(node, "thresholded ReLU", node.Float("alpha", 1));
}
void ReadHardSigmoid(NodeImport& node) {
  const float alpha = node.Float("alpha", 0.2f);
  Map(node, "hard sigmoid", alpha, node.Float("beta", 0.5f));
}
void ReadHardSwish(NodeImport& node) { Map(node, "hard swish", 1.f / 6, 0.5f); }
void ReadAffine(NodeImport& node) {
  const float alpha = node.Float("alpha", 1);
  Map(node, "affine", alpha, node.Float("beta", 0));
}

// Rows of the table of layers' activations.
void ReadActivation(NodeImport& node) {
  node.ExpectNumbers(0);
  for (const ops::Elementwise& row : ops::ElementwiseTable()) {
    if (row.onnx.type != node.op_type()) continue;
    float number = 0;
    if (!row.onnx.attribute.empty())
      number =
          node.Float(std::string(row.onnx.attribute), static_cast<float>(row.number.otherwise));
    if (!row.onnx.text.empty()) {
      const std::string text = node.Text(std::string(row.onnx.text), std::string(row.onnx.value));
      if (text == "tanh") return Map(node, "GELU by tanh");
      if (text != row.onnx.value)
        node.Refuse("attribute '{}' is '{}', expected '{}' or 'tanh'", row.onnx.text, text,
                    row.onnx.value);
    }
    return node.Out(node.ApplyToElements(ops::MakeElementwise(row, number), {node.In(0)}));
  }
  node.Refuse("this operator is not in the table of activations");
}

void ReadClipOfAttributes(NodeImport& node) {
  const float low = node.Float("min", std::numeric_limits<float>::lowest());
  Map(node, "clamp", low, node.Float("max", std::numeric_limits<float>::max()));
}

void ReadClip(NodeImport& node) {
  ItemPtr x = node.In(0);
  const auto bound = [&](int index, std::string_view name) {
    if (!node.HasInput(index)) return;
    x = node.ApplyToElements(ops::MakeBinary(ops::FindBinary(name)), {x, node.In(index)});
  };
  bound(1, "maximum");
  bound(2, "minimum");
  node.Out(x);
}

// scale x + bias, a bias for each channel.
void ReadImageScaler(NodeImport& node) {
  const float scale = node.Float("scale", 1);
  const auto* bias = node.FloatList("bias");
  const int rank = node.Rank(0);
  if (rank < 2) node.Refuse("x has {} axes, expected at least 2", rank);
  std::vector<int64_t> shape(static_cast<size_t>(rank) - 1, 1);
  shape[0] = bias ? bias->floats_size() : 1;
  Tensor numbers(Layout::Unlabelled(shape));
  if (bias)
    std::copy(bias->floats().begin(), bias->floats().end(), numbers.values<float>().begin());
  const ItemPtr scaled =
      node.ApplyToElements(ops::MakeFunction(ops::FindFunction("affine"), scale, 0), {node.In(0)});
  node.Out(node.ApplyToElements(ops::MakeBinary(ops::FindBinary("add")),
                                {scaled, node.importer().Constant(std::move(numbers))}));
}

void ReadCast(NodeImport& node) {
  const DType to = ImportedType(static_cast<int>(node.Int("to", 0)), node.where());
  node.Int("saturate", 1);
  const ItemPtr x = node.In(0);
  if (node.Type(0).dtype == to) return node.Out(x);
  node.Out(node.ApplyToElements(ops::ConvertElements(to), {x}));
}

void ReadCastLike(NodeImport& node) {
  node.Int("saturate", 1);
  const DType to = node.Type(1).dtype;
  if (node.Type(0).dtype == to) return node.Out(node.In(0));
  node.Out(node.ApplyToElements(ops::ConvertElements(to), {node.In(0)}));
}

void ReadIdentity(NodeImport& node) { node.Out(node.In(0)); }

// Of networks that are used, not trained.
void ReadDropout(NodeImport& node) {
  node.Float("ratio", 0.5f);
  node.Int("seed", 0);
  if (node.proto().output_size() > 1 && !node.proto().output(1).empty())
    node.Refuse("output 1, the mask, is asked for, expected the first alone");
  if (node.HasInput(2) && node.FixedTruth(2))
    node.Refuse("input 2 asks for dropout as in training, expected false");
  node.Out(node.In(0));
}

}  // namespace

std::vector<ImportRow> ElementRows() {
  return {
      {"Add", 7, kNewestImported, ReadBinary<kAdd>},
      {"Sub", 7, kNewestImported, ReadBinary<kSubtract>},
      {"Mul", 7, kNewestImported, ReadBinary<kMultiply>},
      {"Div", 7, kNewestImported, ReadBinary<kDivide>},
      {"Pow", 7, kNewestImported, ReadBinary<kPower>},
      {"Equal", 7, kNewestImported, ReadBinary<kEqual>},
      {"Less", 7, kNewestImported, ReadBinary<kLess>},
      {"Greater", 7, kNewestImported, ReadBinary<kGreater>},
      {"LessOrEqual", 12, kNewestImported, ReadBinary<kLessOrEqual>},
      {"GreaterOrEqual", 12, kNewestImported, ReadBinary<kGreaterOrEqual>},
      {"And", 7, kNewestImported, ReadBinary<kAnd>},
      {"Or", 7, kNewestImported, ReadBinary<kOr>},
      {"Not", 1, kNewestImported, ReadNot},
      {"Where", 9, kNewestImported, ReadWhere},
      {"Min", 6, kNewestImported, ReadSeveral<kMinimum>},
      {"Max", 6, kNewestImported, ReadSeveral<kMaximum>},
      {"Sum", 6, kNewestImported, ReadSeveral<kAdd>},
      {"Mean", 6, kNewestImported, ReadMean},
      {"PRelu", 7, kNewestImported, ReadPRelu},
      {"Relu", 6, kNewestImported, ReadActivation},
      {"LeakyRelu", 6, kNewestImported, ReadActivation},
      {"Tanh", 6, kNewestImported, ReadActivation},
      {"Sigmoid", 6, kNewestImported, ReadActivation},
      {"Gelu", 20, kNewestImported, ReadActivation},
      {"Elu", 6, kNewestImported, ReadElu},
      {"Selu", 6, kNewestImported, ReadSelu},
      {"Celu", 12, kNewestImported, ReadCelu},
      {"ThresholdedRelu", 1, kNewestImported, ReadThresholdedRelu},
      {"HardSigmoid", 6, kNewestImported, ReadHardSigmoid},
      {"HardSwish", 14, kNewestImported, ReadHardSwish},
      {"Softplus", 1, kNewestImported, ReadFunction<kSoftPlus>},
      {"Softsign", 1, kNewestImported, ReadFunction<kSoftSign>},
      {"Mish", 18, kNewestImported, ReadFunction<kMish>},
      {"Exp", 6, kNewestImported, ReadFunction<kExp>},
      {"Log", 6, kNewestImported, ReadFunction<kLog>},
      {"Sqrt", 6, kNewestImported, ReadFunction<kSqrt>},
      {"Reciprocal", 6, kNewestImported, ReadFunction<kReciprocal>},
      {"Neg", 6, kNewestImported, ReadNeg},
      {"Abs", 6, kNewestImported, ReadFunction<kAbsolute>},
      {"Floor", 6, kNewestImported, ReadFunction<kFloor>},
      {"Ceil", 6, kNewestImported, ReadFunction<kCeil>},
      {"Round", 11, kNewestImported, ReadFunction<kRound>},
      {"Erf", 9, kNewestImported, ReadFunction<kErf>},
      {"Sin", 7, kNewestImported, ReadFunction<kSin>},
      {"Cos", 7, kNewestImported, ReadFunction<kCos>},
      {"Clip", 6, 10, ReadClipOfAttributes},
      {"Clip", 11, kNewestImported, ReadClip},
      {"ImageScaler", 1, 9, ReadImageScaler, true},
      {"Affine", 1, 9, ReadAffine},
      {"Cast", 6, kNewestImported, ReadCast},
      {"CastLike", 15, kNewestImported, ReadCastLike},
      {"Identity", 1, kNewestImported, ReadIdentity},
      {"Dropout", 7, kNewestImported, ReadDropout},
  };
}

}  // namespace normkit
