// How the ten digits are written: strokes in a unit box.
#pragma once

#include <vector>

namespace normkit {

struct Point {
  double x, y;
};

// One movement of the pen through `points`: a smooth curve, or straight lines from one to the next.
struct Stroke {
  bool smooth;
  std::vector<Point> points;
};

using Glyph = std::vector<Stroke>;

// The ways in which people write `digit` (0 to 9). x to the right, y downwards; the height runs
// from -0.5 to 0.5, the width from about -0.3 to 0.3.
const std::vector<Glyph>& GlyphsOf(int digit);

// The stroke as a chain of short lines: smooth ones as a Catmull-Rom spline, `steps` lines a span.
std::vector<Point> Flatten(const Stroke& stroke, int steps);

}  // namespace normkit
