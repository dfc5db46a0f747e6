// A step along a line on which a loss falls.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include "normkit/train/options.h"

namespace normkit {

// The loss so far along the line, and its derivative there.
struct LinePoint {
  double step = 0, loss = 0, slope = 0;
};

// The lowest point between two, where the parabola through the first point, its slope and the
// second has its minimum, but a tenth of the way from either at least; in the middle where that is
// unknown.
inline double Between(const LinePoint& low, const LinePoint& high) {
  const double width = high.step - low.step, bend = high.loss - low.loss - low.slope * width;
  const double part = -low.slope * width / (2 * bend);
  if (!std::isfinite(bend) || !std::isfinite(part) || bend <= 0) return low.step + width / 2;
  return low.step + width * std::fmin(std::fmax(part, 0.1), 0.9);
}

// A step as `method` wants it (the conditions: normkit/train/lbfgs.h), from 1 on, or what of `most`
// points that lower the loss enough lowers it most; nothing where none does. at(step) gives a point
// of the line, `start` is the one at 0. A point whose loss or slope is not finite is too far.
template <class At>
std::optional<LinePoint> SearchLine(LineSearchMethod method, int64_t most, const LinePoint& start,
                                    const At& at) {
  constexpr double kDecrease = 1e-4, kCurvature = 0.9;
  constexpr double kFar = std::numeric_limits<double>::infinity();
  // The loss falls behind `low` with a slope that is too steep yet; before `high` it has a minimum.
  LinePoint low = start, high{kFar, kFar, kFar};
  std::optional<LinePoint> best;
  double step = 1;
  for (int64_t i = 0; i < most; ++i) {
    const LinePoint point = at(step);
    const bool finite = std::isfinite(point.loss) && std::isfinite(point.slope);
    const bool lower = finite && point.loss <= start.loss + kDecrease * step * start.slope;
    if (lower && (!best || point.loss < best->loss)) best = point;
    if (!lower) {
      high = {step, finite ? point.loss : kFar, point.slope};
    } else if (method == LineSearchMethod::kBacktracking) {
      return point;
    } else if (point.slope < kCurvature * start.slope) {
      low = point;
    } else if (method == LineSearchMethod::kStrongWolfe &&
               point.slope > -kCurvature * start.slope) {
      high = point;
    } else {
      return point;
    }
    step = high.step < kFar ? Between(low, high) : 2 * step;
  }
  return best;
}

}  // namespace normkit
