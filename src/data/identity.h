// What the sources of this folder tell of themselves (normkit/data/identity.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "normkit/data/source.h"

namespace normkit {

// Of the values of all observations, read one after the other: what a source says that knows no
// cheaper way.
uint64_t FingerprintOfValues(const DataSource& data);
ValueRange RangeOfValues(const DataSource& data);

// As Difference says it; "" where they are the same, in the same order.
std::string DifferenceOfClasses(const std::vector<std::string>& given,
                                const std::vector<std::string>& expected);

// The smallest and the largest number; what is NaN or infinite is left out. 0 to 0 for none.
ValueRange RangeOf(std::span<const float> x);

}  // namespace normkit
