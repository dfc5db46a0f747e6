// Sequences in an .npz: padded [N,T,C], or packed [sum of lengths, C].
#pragma once

#include <string>

#include "normkit/data/source.h"
#include "src/data/npz_file.h"

namespace normkit {

// Whether the file holds sequences: `format` has T, or there is none and the file has lengths or
// offsets.
bool HoldsSequences(const NpzFile& file, const std::string& format);

DataPtr OpenNpzSequences(const NpzFile& file, const NpyInfo& x, const OpenOptions& options);

}  // namespace normkit
