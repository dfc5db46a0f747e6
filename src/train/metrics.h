// Measures of what a network gives for a whole data set.
#pragma once

#include <cstdint>
#include <span>

#include "normkit/train/options.h"

namespace normkit {

// The mean over the classes that occur of 2 precision recall / (precision + recall), in percent; 0
// for a class of which none is right. `classes`: how many there are.
double FScore(std::span<const int64_t> labels, std::span<const int64_t> predicted, int64_t classes);

// The mean over the classes that occur, and are not all, of the area under the curve of that class
// against the rest: in percent, how often the class is given more for one of it than for one of the
// rest, half of those where it is as much (Fawcett 2006, sections 7 and 9). scores is
// [labels, classes].
double AreaUnderCurve(std::span<const int64_t> labels, std::span<const float> scores,
                      int64_t classes);

// Whether a value of the metric is better than another.
bool IsBetter(Metric metric, double value, double than);

}  // namespace normkit
