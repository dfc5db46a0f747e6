// Matrix products, and what stands behind them.
#include "src/onnx/import/rows.h"
#include "src/ops/binary.h"
#include "src/ops/functions.h"

namespace normkit {
namespace {

// x [.., I] and a matrix [I, O] that is trained: rows of x.
void AddDense(NodeImport& node) {
  const int rank = node.Rank(0);
  const Value weights = node.Weight(1, "weights", {1, 0});
  ItemPtr x = node.In(0);
  if (rank != 2) x = node.Apply(ops::FlattenAt(rank - 1), {x})[0];
  ItemPtr y =
      node.Add(ops::MatrixProduct(), {node.importer().Get(x, Order::kFile), weights}, Order::kFile);
  if (rank != 2) {  // as x, with O in place of I
    const ItemPtr shape = node.Apply(ops::ShapeOf(), {node.In(0)})[0];
    const ItemPtr before =
        node.Apply(ops::SliceAxes(), {shape, node.Ints({0}), node.Ints({-1})})[0];
    const ItemPtr all = node.Apply(ops::Concatenation(0), {before, node.Ints({-1})})[0];
    y = node.Apply(ops::Reshape(), {y, all})[0];
  }
  node.Out(y);
}

void ImportMatMul(NodeImport& node) {
  if (!node.In(0)->fixed && node.In(1)->fixed && node.Rank(1) == 2 && node.Rank(0) >= 2)
    return AddDense(node);
  node.Out(node.Apply(ops::MatrixProducts(), {node.In(0), node.In(1)})[0]);
}

void ImportGeneralProduct(NodeImport& node) {
  const float alpha = node.Float("alpha", 1), beta = node.Float("beta", 1);
  const bool turn_a = node.Int("transA", 0) != 0, turn_b = node.Int("transB", 0) != 0;
  if (node.Rank(0) != 2 || node.Rank(1) != 2)
    node.Refuse("inputs have {} and {} axes, expected 2 and 2", node.Rank(0), node.Rank(1));
  ItemPtr a = node.In(0);
  if (turn_a) a = node.Apply(ops::Transpose({1, 0}), {a})[0];
  std::vector<Value> inputs{
      node.importer().Get(a, Order::kFile),
      node.Weight(1, "weights", turn_b ? std::vector<int>() : std::vector{1, 0})};
  const auto scaled = [&](ItemPtr x, float by) {
    const auto op = ops::MakeFunction(ops::FindFunction("affine"), by, 0);
    return by == 1 ? x : node.ApplyToElements(op, {x});
  };
  const int64_t outputs = node.Type(1).shape.shape()[turn_b ? 0 : 1];
  const bool bias = node.HasInput(2) && alpha == 1 && beta == 1 && node.Rank(2) == 1 &&
                    node.In(2)->fixed && node.Type(2).shape.size() == outputs;
  if (bias) inputs.push_back(node.Weight(2, "bias"));
  ItemPtr y = scaled(node.Add(ops::MatrixProduct(), std::move(inputs), Order::kFile), alpha);
  if (node.HasInput(2) && !bias)
    y = node.ApplyToElements(ops::MakeBinary(ops::FindBinary("add")),
                             {y, scaled(node.In(2), beta)});
  node.Out(y);
}

// Over one axis; before opset 13 over it and all behind it.
ItemPtr SoftmaxOf(NodeImport& node) {
  node.ExpectNumbers(0);
  const int rank = node.Rank(0);
  int64_t axis = node.Int("axis", node.opset() < 13 ? 1 : -1);
  if (axis < -rank || axis >= std::max(rank, 1)) node.Refuse("axis {} of {} asked for", axis, rank);
  if (axis < 0) axis += rank;
  const ItemPtr x = node.In(0);
  if (axis == rank - 1) return node.Apply(ops::Softmax(), {x})[0];
  if (node.opset() < 13) {
    const ItemPtr rows = node.Apply(ops::FlattenAt(axis), {x})[0];
    const ItemPtr y = node.Apply(ops::Softmax(), {rows})[0];
    return node.Apply(ops::Reshape(), {y, node.Apply(ops::ShapeOf(), {x})[0]})[0];
  }
  if (axis == 1 && rank >= 3) return node.Apply(ops::Softmax(), {x}, Order::kChannelsLast)[0];
  std::vector<int> order;
  for (int i = 0; i < rank; ++i) order.push_back(i);
  std::swap(order[static_cast<size_t>(axis)], order.back());
  const ItemPtr turned = node.Apply(ops::Transpose(order), {x})[0];
  return node.Apply(ops::Transpose(order), {node.Apply(ops::Softmax(), {turned})[0]})[0];
}

void ImportSoftmaxNode(NodeImport& node) { node.Out(SoftmaxOf(node)); }

void ImportLogSoftmax(NodeImport& node) {
  node.Out(
      node.ApplyToElements(ops::MakeFunction(ops::FindFunction("logarithm")), {SoftmaxOf(node)}));
}

}  // namespace

std::vector<ImportRow> ProductRows() {
  return {
      {"MatMul", 1, kNewestImported, ImportMatMul},
      {"Gemm", 7, kNewestImported, ImportGeneralProduct},
      {"Softmax", 1, kNewestImported, ImportSoftmaxNode},
      {"LogSoftmax", 1, kNewestImported, ImportLogSoftmax},
  };
}

}  // namespace normkit
