// Operators that are made of others here: blocks of space and channels, triangles.
#include <limits>

#include "src/onnx/import/rows.h"
#include "src/ops/binary.h"
#include "src/ops/where.h"

namespace normkit {
namespace {

ItemPtr Binary(NodeImport& node, std::string_view name, ItemPtr a, ItemPtr b) {
  return node.ApplyToElements(ops::MakeBinary(ops::FindBinary(name)), {a, b});
}

ItemPtr ShapeOf(NodeImport& node, ItemPtr x) {
  if (x->fixed) return node.Ints(node.importer().TypeOf(x).shape.shape());
  return node.Apply(ops::ShapeOf(), {x})[0];
}

// One of the sizes in a shape, a vector of one element.
ItemPtr SizeAt(NodeImport& node, ItemPtr shape, int64_t at) {
  return node.Apply(ops::Gather(0), {shape, node.Ints({at})})[0];
}

ItemPtr ReshapeTo(NodeImport& node, ItemPtr x, std::vector<ItemPtr> sizes) {
  const ItemPtr shape = node.Apply(ops::Concatenation(0), std::move(sizes))[0];
  return node.Apply(ops::Reshape("", false), {x, shape})[0];
}

// [N,C,H,W] with its channels, and a block size.
struct Blocks {
  explicit Blocks(NodeImport& node) : x(node.In(0)), size(node.Int("blocksize", 0)) {
    constexpr int64_t kMost = 1 << 16;
    if (size < 1 || size > kMost)
      node.Refuse("attribute 'blocksize' is {}, expected 1 to {}", size, kMost);
    if (x->rank != 4) node.Refuse("input 0 has {} axes, expected 4", x->rank);
    channels = node.Type(0).shape.shape()[1];
    const ItemPtr shape = ShapeOf(node, x);
    batch = SizeAt(node, shape, 0);
    height = SizeAt(node, shape, 2);
    width = SizeAt(node, shape, 3);
    block = node.Ints({size});
  }

  ItemPtr x, batch, height, width, block;
  int64_t size, channels;
};

// DCR: channel (block row, block column, c); CRD, as PyTorch's pixel shuffle: (c, row, column).
void ImportDepthToSpace(NodeImport& node) {
  const Blocks b(node);
  const std::string mode = node.Text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD")
    node.Refuse("attribute 'mode' is '{}', expected 'DCR' or 'CRD'", mode);
  const int64_t left = b.channels / (b.size * b.size);
  if (left * b.size * b.size != b.channels)
    node.Refuse("{} channels for blocks of {} x {}, expected a multiple of them", b.channels,
                b.size, b.size);
  const ItemPtr channels = node.Ints({left});
  const bool blocks_first = mode == "DCR";
  const ItemPtr apart =
      blocks_first ? ReshapeTo(node, b.x, {b.batch, b.block, b.block, channels, b.height, b.width})
                   : ReshapeTo(node, b.x, {b.batch, channels, b.block, b.block, b.height, b.width});
  const std::vector<int> order =
      blocks_first ? std::vector{0, 3, 4, 1, 5, 2} : std::vector{0, 1, 4, 2, 5, 3};
  const ItemPtr turned = node.Apply(ops::Transpose(order), {apart})[0];
  node.Out(ReshapeTo(node, turned,
                     {b.batch, channels, Binary(node, "multiply", b.height, b.block),
                      Binary(node, "multiply", b.width, b.block)}));
}

void ImportSpaceToDepth(NodeImport& node) {
  const Blocks b(node);
  const ItemPtr height = Binary(node, "divide", b.height, b.block);
  const ItemPtr width = Binary(node, "divide", b.width, b.block);
  const ItemPtr apart =
      ReshapeTo(node, b.x, {b.batch, node.Ints({b.channels}), height, b.block, width, b.block});
  const ItemPtr turned = node.Apply(ops::Transpose({0, 3, 5, 1, 2, 4}), {apart})[0];
  node.Out(
      ReshapeTo(node, turned, {b.batch, node.Ints({b.channels * b.size * b.size}), height, width}));
}

// What lies on the diagonal k and above it (or below), zeros elsewhere.
void ImportTrilu(NodeImport& node) {
  const ItemPtr x = node.In(0);
  if (x->rank < 2) node.Refuse("input 0 has {} axes, expected 2 or more", x->rank);
  const std::vector<int64_t> k = node.HasInput(1) ? node.FixedInts(1) : std::vector<int64_t>{0};
  if (k.size() != 1) node.Refuse("input 1 has {} elements, expected 1", k.size());
  const ItemPtr shape = ShapeOf(node, x), zero = node.Ints({0}), one = node.Ints({1});
  const auto count = [&](int64_t axis) {
    return node.Apply(ops::Range(), {zero, SizeAt(node, shape, axis), one})[0];
  };
  const ItemPtr rows = node.Apply(ops::AddAxes({1}), {count(x->rank - 2)})[0];
  const ItemPtr ahead = Binary(node, "subtract", count(x->rank - 1), rows);
  const bool upper = node.Int("upper", 1) != 0;
  const ItemPtr kept =
      Binary(node, upper ? "greater or equal" : "less or equal", ahead, node.Ints({k[0]}));
  Tensor nothing(Layout(), node.Type(0).dtype);
  std::fill_n(static_cast<char*>(nothing.data()), nothing.bytes(), '\0');
  node.Out(
      node.ApplyToElements(ops::Where(), {kept, x, node.importer().Constant(std::move(nothing))}));
}

}  // namespace

std::vector<ImportRow> BlockRows() {
  return {
      {"DepthToSpace", 1, kNewestImported, ImportDepthToSpace},
      {"SpaceToDepth", 1, kNewestImported, ImportSpaceToDepth},
      {"Trilu", 14, kNewestImported, ImportTrilu},
  };
}

}  // namespace normkit
