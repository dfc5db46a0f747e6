// What operations read when they are planned: vectors whose elements are known, axes, shapes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "normkit/ops/op.h"

namespace normkit::ops {

// The elements of an i64 vector or number. Throws Error where they are not known yet.
std::span<const int64_t> KnownVector(const OpInput& input, std::string_view what);
// The same of one or two numbers an axis: a shape, padding. Throws where it has more than any array
// has axes: a file may claim millions.
std::span<const int64_t> KnownOfAxes(const OpInput& input, std::string_view what);

// The axis of an array with `rank` axes; below 0: from behind. Throws Error where there is none.
int AxisOf(int64_t axis, int rank);

// The shape of what two arrays give element by element: from behind, sizes are equal or 1. Labels
// are those of the one with more axes. Throws Error where they do not fit.
Layout Broadcast(const Layout& a, const Layout& b);

}  // namespace normkit::ops
