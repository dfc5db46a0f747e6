// What the numbers of TrainingOptions may be. The command line holds its options to the same.
#pragma once

#include "src/core/numbers.h"

namespace normkit {

// So that iterations and observations, all runs of a comparison added up, can be counted in int64.
inline constexpr NumberRange<int64_t> kEpochs{1, 1'000'000};
inline constexpr NumberRange<int64_t> kCount{1, 1'000'000'000};
inline constexpr NumberRange<int64_t> kCountOrNone{0, 1'000'000'000};
inline constexpr NumberRange<double> kAboveZero{.low = 0, .open_low = true};
inline constexpr NumberRange<double> kZeroOrMore{.low = 0};
inline constexpr NumberRange<double> kZeroToOne{.low = 0, .high = 1};
inline constexpr NumberRange<double> kBelowOne{.low = 0, .high = 1, .open_high = true};

}  // namespace normkit
