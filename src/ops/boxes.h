// Boxes of arrays, and pieces of operations that look at no neighbours.
#pragma once

#include <optional>
#include <span>

#include "normkit/ops/op.h"

namespace normkit::ops {

Box WholeBox(const Layout& layout);
// Whether it has all elements of the axis.
bool IsWhole(const Box& box, const Layout& layout, size_t axis);
// The smallest that holds both.
Box Joined(const Box& a, const Box& b);
// An array of its sizes, with the labels of `layout`.
Layout LayoutOf(const Box& box, const Layout& layout);

// Of an operation that computes each element from those of the inputs at its place; axes of one
// element, and axes that an input does not have, are broadcast.
OpPiece ElementPiece(std::span<const OpInput> inputs, const Box& y);
// The same for the first input, and of the others all elements.
OpPiece FirstPiece(std::span<const OpInput> inputs, const Box& y);

}  // namespace normkit::ops
