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
void ImportBinary(NodeImport& node) {
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
void ImportSeveral(NodeImport& node) {
  node.Out(Joined(node, kName));
}

void ImportMean(NodeImport& node) {
  const auto divide = ops::MakeBinary(ops::FindBinary("divide"));
  node.Out(node.ApplyToElements(
      divide, {Joined(node, "add"), node.Number(static_cast<float>(node.inputs()))}));
}

constexpr char kAdd[] = "add", kSubtract[] = "subtract", kMultiply[] = "multiply",
               kDivide[] = "divide", kRemainder[] = "remainder", kPower[] = "power",
               kMinimum[] = "minimum", kMaximum[] = "maximum", kEqual[] = "equal", kLess[] = "less",
               kGreater[] = "greater", kLessOrEqual[] = "less or equal",
               kGreaterOrEqual[] = "greater or equal", kAnd[] = "and", kOr[] = "or";

// Of whole numbers, as sizes need it.
void ImportMod(NodeImport& node) {
  if (node.Int("fmod", 0) != 0) node.Refuse("attribute 'fmod' is 1, expected 0");
  ImportBinary<kRemainder>(node);
}

void ImportNot(NodeImport& node) {
  Tensor no(Layout(), DType::kBool);
  node.Out(node.ApplyToElements(ops::MakeBinary(ops::FindBinary("equal")),
                                {node.In(0), node.importer().Constant(std::move(no))}));
}

void ImportWhere(NodeImport& node) {
  node.Out(node.ApplyToElements(ops::Where(), {node.In(0), node.In(1), node.In(2)}));
}

// x where x > 0, else slope times x.
void ImportPRelu(NodeImport& node) {
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
void ImportFunction(NodeImport& node) {
  Map(node, kName);
}

constexpr char kExp[] = "exponential", kLog[] = "logarithm", kSqrt[] = "square root",
               kReciprocal[] = "reciprocal", kAbsolute[] = "absolute", kFloor[] = "floor",
               kCeil[] = "ceil", kRound[] = "round", kSoftPlus[] = "softplus",
               kSoftSign[] = "softsign", kMish[] = "mish", kErf[] = "erf", kSin[] = "sine",
               kCos[] = "cosine";

void ImportNeg(NodeImport& node) {
  if (node.Type(0).dtype == DType::kF32) return Map(node, "negative");
  node.Out(node.ApplyToElements(ops::MakeBinary(ops::FindBinary("subtract")),
                                {node.Ints({0}), node.In(0)}));
}

void ImportElu(NodeImport& node) { Map(node, "ELU", node.Float("alpha", 1)); }
void ImportCelu(NodeImport& node) { Map(node, "CELU", node.Float("alpha", 1)); }
void ImportSelu(NodeImport& node) {
  const float alpha = node.Float("alpha", 1.67326319217681884765625f);
  Map(node, "SELU", alpha, node.Float("gamma", 1.05070102214813232421875f));
}
void ImportThresholdedRelu(NodeImport& node) {
  Map(node, "thresholded ReLU", node.Float("alpha", 1));
}
void ImportHardSigmoid(NodeImport& node) {
  const float alpha = node.Float("alpha", 0.2f);
  Map(node, "hard sigmoid", alpha, node.Float("beta", 0.5f));
}
void ImportHardSwish(NodeImport& node) { Map(node, "hard swish", 1.f / 6, 0.5f); }
void ImportAffine(NodeImport& node) {
  const float alpha = node.Float("alpha", 1);
  Map(node, "affine", alpha, node.Float("beta", 0));
}

// Rows of the table of layers' activations.
void ImportActivation(NodeImport& node) {
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

void ImportClipOfAttributes(NodeImport& node) {
  const float low = node.Float("min", std::numeric_limits<float>::lowest());
  Map(node, "clamp", low, node.Float("max", std::numeric_limits<float>::max()));
}

void ImportClip(NodeImport& node) {
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
void ImportImageScaler(NodeImport& node) {
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

void ImportCast(NodeImport& node) {
  const DType to = ImportedType(static_cast<int>(node.Int("to", 0)), node.where());
  node.Int("saturate", 1);
  const ItemPtr x = node.In(0);
  if (node.Type(0).dtype == to) return node.Out(x);
  node.Out(node.ApplyToElements(ops::ConvertElements(to), {x}));
}

void ImportCastLike(NodeImport& node) {
  node.Int("saturate", 1);
  const DType to = node.Type(1).dtype;
  if (node.Type(0).dtype == to) return node.Out(node.In(0));
  node.Out(node.ApplyToElements(ops::ConvertElements(to), {node.In(0)}));
}

void ImportIdentity(NodeImport& node) { node.Out(node.In(0)); }

// Of networks that are used, not trained.
void ImportDropout(NodeImport& node) {
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
      {"Add", 7, kNewestImported, ImportBinary<kAdd>},
      {"Sub", 7, kNewestImported, ImportBinary<kSubtract>},
      {"Mul", 7, kNewestImported, ImportBinary<kMultiply>},
      {"Div", 7, kNewestImported, ImportBinary<kDivide>},
      {"Mod", 10, kNewestImported, ImportMod},
      {"Pow", 7, kNewestImported, ImportBinary<kPower>},
      {"Equal", 7, kNewestImported, ImportBinary<kEqual>},
      {"Less", 7, kNewestImported, ImportBinary<kLess>},
      {"Greater", 7, kNewestImported, ImportBinary<kGreater>},
      {"LessOrEqual", 12, kNewestImported, ImportBinary<kLessOrEqual>},
      {"GreaterOrEqual", 12, kNewestImported, ImportBinary<kGreaterOrEqual>},
      {"And", 7, kNewestImported, ImportBinary<kAnd>},
      {"Or", 7, kNewestImported, ImportBinary<kOr>},
      {"Not", 1, kNewestImported, ImportNot},
      {"Where", 9, kNewestImported, ImportWhere},
      {"Min", 6, kNewestImported, ImportSeveral<kMinimum>},
      {"Max", 6, kNewestImported, ImportSeveral<kMaximum>},
      {"Sum", 6, kNewestImported, ImportSeveral<kAdd>},
      {"Mean", 6, kNewestImported, ImportMean},
      {"PRelu", 7, kNewestImported, ImportPRelu},
      {"Relu", 6, kNewestImported, ImportActivation},
      {"LeakyRelu", 6, kNewestImported, ImportActivation},
      {"Tanh", 6, kNewestImported, ImportActivation},
      {"Sigmoid", 6, kNewestImported, ImportActivation},
      {"Gelu", 20, kNewestImported, ImportActivation},
      {"Elu", 6, kNewestImported, ImportElu},
      {"Selu", 6, kNewestImported, ImportSelu},
      {"Celu", 12, kNewestImported, ImportCelu},
      {"ThresholdedRelu", 1, kNewestImported, ImportThresholdedRelu},
      {"HardSigmoid", 6, kNewestImported, ImportHardSigmoid},
      {"HardSwish", 14, kNewestImported, ImportHardSwish},
      {"Softplus", 1, kNewestImported, ImportFunction<kSoftPlus>},
      {"Softsign", 1, kNewestImported, ImportFunction<kSoftSign>},
      {"Mish", 18, kNewestImported, ImportFunction<kMish>},
      {"Exp", 6, kNewestImported, ImportFunction<kExp>},
      {"Log", 6, kNewestImported, ImportFunction<kLog>},
      {"Sqrt", 6, kNewestImported, ImportFunction<kSqrt>},
      {"Reciprocal", 6, kNewestImported, ImportFunction<kReciprocal>},
      {"Neg", 6, kNewestImported, ImportNeg},
      {"Abs", 6, kNewestImported, ImportFunction<kAbsolute>},
      {"Floor", 6, kNewestImported, ImportFunction<kFloor>},
      {"Ceil", 6, kNewestImported, ImportFunction<kCeil>},
      {"Round", 11, kNewestImported, ImportFunction<kRound>},
      {"Erf", 9, kNewestImported, ImportFunction<kErf>},
      {"Sin", 7, kNewestImported, ImportFunction<kSin>},
      {"Cos", 7, kNewestImported, ImportFunction<kCos>},
      {"Clip", 6, 10, ImportClipOfAttributes},
      {"Clip", 11, kNewestImported, ImportClip},
      {"ImageScaler", 1, 9, ImportImageScaler, true},
      {"Affine", 1, 9, ImportAffine},
      {"Cast", 6, kNewestImported, ImportCast},
      {"CastLike", 15, kNewestImported, ImportCastLike},
      {"Identity", 1, kNewestImported, ImportIdentity},
      {"Dropout", 7, kNewestImported, ImportDropout},
  };
}

}  // namespace normkit
