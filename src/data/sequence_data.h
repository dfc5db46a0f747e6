// Sequences as files have them, on their way to a source.
#pragma once

#include <string>
#include <vector>

#include "normkit/data/source.h"

namespace normkit {

struct SequenceData : Sequences {
  std::vector<std::string> names = {};  // of each in messages; none: by its number
  std::vector<std::string> notes = {};  // for the summary
  std::vector<int64_t> origins = {};    // of each, DataSource::origin; none: its number
  bool has_answers() const { return !classes.empty() || target_size > 0; }
};

// The layout of a row of so many channels.
Layout RowLayout(int64_t channels);

// The source of what was read, with what `options` say of sequences done to it: forecasts, then the
// length. Throws Error where there are no answers, or a sequence is too short.
DataPtr MakeSequences(SequenceData data, const OpenOptions& options);

}  // namespace normkit
