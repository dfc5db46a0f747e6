#include "src/ops/boxes.h"

#include <algorithm>

namespace normkit::ops {

Box WholeBox(const Layout& layout) {
  std::vector<int64_t> shape = layout.shape();
  std::vector<int64_t> begin(shape.size(), 0);
  return {std::move(begin), std::move(shape)};
}

bool IsWhole(const Box& box, const Layout& layout, size_t axis) {
  return box.begin[axis] == 0 && box.size[axis] == layout.axes()[axis].size;
}

Box Joined(const Box& a, const Box& b) {
  Box both = a;
  for (size_t i = 0; i < a.begin.size(); ++i) {
    both.begin[i] = std::min(a.begin[i], b.begin[i]);
    both.size[i] = std::max(a.end(i), b.end(i)) - both.begin[i];
  }
  return both;
}

Layout LayoutOf(const Box& box, const Layout& layout) {
  std::vector<Axis> axes = layout.axes();
  for (size_t i = 0; i < axes.size(); ++i) axes[i].size = box.size[i];
  return Layout(std::move(axes));
}

OpPiece ElementPiece(std::span<const OpInput> inputs, const Box& y) {
  OpPiece piece{nullptr, y, {}};
  for (size_t k = 0; k < inputs.size(); ++k) {
    Box box = WholeBox(inputs[k].type.shape);
    const size_t missing = y.size.size() - box.size.size();
    for (size_t i = 0; i < box.size.size(); ++i) {
      if (box.size[i] == 1) continue;
      box.begin[i] = y.begin[missing + i];
      box.size[i] = y.size[missing + i];
    }
    piece.inputs.push_back({k, std::move(box)});
  }
  return piece;
}

OpPiece FirstPiece(std::span<const OpInput> inputs, const Box& y) {
  OpPiece piece{nullptr, y, {{0, y}}};
  for (size_t k = 1; k < inputs.size(); ++k)
    piece.inputs.push_back({k, WholeBox(inputs[k].type.shape)});
  return piece;
}

}  // namespace normkit::ops
