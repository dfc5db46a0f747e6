// "Are these the same data?": facts that model files and checkpoints keep and compare.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "normkit/core/export.h"
#include "normkit/data/source.h"

namespace normkit {

// What two data sets share where they are the same, as (name, value) in the order in which
// differences are told:
//   observations   "4250"
//   layout         "BSSC [1,28,28,1]", of one observation
//   classes        "cat, dog": all names in order; "" for a regression
//   labels         a hash of the labels, or of the targets
//   contents       DataSource::Fingerprint()
// Where the data lie is no part of it: a folder may be moved.
using DataIdentity = std::vector<std::pair<std::string, std::string>>;
NORMKIT_API DataIdentity Identify(const DataSource& data);

// The first difference, "its classes are 'cat, wolf', expected 'cat, dog'"; "" where there is none.
// `made_with` holds an identity, or a part of one, under the names `prefix` + name, and may hold
// other facts.
NORMKIT_API std::string Difference(const DataIdentity& given,
                                   const std::map<std::string, std::string>& made_with,
                                   std::string_view prefix);

// "0 to 255", as model files hold a range; and back, Error for another text.
NORMKIT_API std::string Name(const ValueRange& range);
NORMKIT_API ValueRange ParseValueRange(std::string_view text);

// What is odd about values in `given` for a network that was trained on `trained`; "" where nothing
// is. Odd are values that lie farther outside than the trained range is wide, and images that fill
// less than a fiftieth of it: 0..1, -1..1, 0..255 and 0..65535 are told apart, a dark photo is
// fine.
NORMKIT_API std::string RangeWarning(const ValueRange& given, const ValueRange& trained,
                                     bool images);

}  // namespace normkit
