// Sequences that a seed makes (GenerateTask).
#pragma once

#include <string_view>

#include "src/data/sequence_data.h"

namespace normkit {

SequenceData MakeTask(std::string_view name, int64_t count, uint64_t seed);

}  // namespace normkit
