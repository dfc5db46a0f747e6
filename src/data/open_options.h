// Options that a kind of data has no use for: to give them is a mistake.
#pragma once

#include <string>

#include "normkit/data/source.h"
#include "src/core/fail.h"

namespace normkit {

// Only arrays and tables have axes whose meaning is to be said.
inline void RefuseFormat(const OpenOptions& options, const std::string& spec) {
  if (!options.format.empty())
    Fail(
        "data '{}': format '{}' is given, expected it for arrays (.npz, .npy) and tables (.csv), "
        "and BSSS for folders of slices",
        spec, options.format);
}

// Only tables have columns to choose from.
inline void RefuseLabelColumn(const OpenOptions& options, const std::string& spec) {
  if (!options.label_column.empty())
    Fail("data '{}': label column '{}' is given, expected it for a table (.csv) only", spec,
         options.label_column);
}

}  // namespace normkit
