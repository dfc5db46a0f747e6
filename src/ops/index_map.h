// y[i, j, ..] = x[maps[0][i], maps[1][j], ..].
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "src/ops/ops.h"

namespace normkit::ops {

using IndexMaps = std::vector<std::vector<int64_t>>;  // of each axis of y; -1: filled with 0

std::unique_ptr<Kernel> MakeIndexMap(const IndexMaps& maps, const ArrayType& x);

// Of an operation that looks up each element of y: `maps` are those of the box of y. With a third
// input that stands where they are -1.
OpPiece IndexMapPiece(IndexMaps maps, std::span<const OpInput> inputs, const Box& y);

}  // namespace normkit::ops
