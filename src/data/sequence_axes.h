// What the axes of an array of sequences mean.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normkit/core/layout.h"

namespace normkit {

// Whether `format` has a letter an axis of sequences: T once, S up to three times, C at most once,
// and B at most once where the array may hold several `observations`.
bool IsSequenceFormat(const std::string& format, bool observations);

// A row of such an array: T, S .., C, with one channel where there is no C.
Layout RowOfFormat(const std::string& format, const std::vector<int64_t>& shape);

// Its axes in the order B, T, S .., C.
std::vector<size_t> SequenceOrder(const std::string& format);

}  // namespace normkit
