// The text format of time series of sktime and aeon, ".ts".
#pragma once

#include <string>
#include <string_view>

#include "src/data/sequence_data.h"

namespace normkit {

// Whether a file that begins so is one: the first line that is no comment is a tag ("@").
bool LooksLikeTs(std::string_view start);

// Sequences with a class (@classLabel) or a target (@targetLabel) each, or neither. `where` begins
// every error, which says at which line, and of numbers, which dimension and step. Time stamps and
// missing values ("?") are refused.
SequenceData ParseTs(std::string_view bytes, const std::string& where);

}  // namespace normkit
