// What the axes of an array of observations mean.
#pragma once

#include <string>
#include <vector>

#include "normkit/core/layout.h"
#include "src/data/npy_format.h"

namespace normkit {

// An array [N,...] read as observations with channels last.
struct ArrayAxes {
  Layout observation;         // BC, or BSSC, with B = 1
  int64_t count = 0;          // observations
  std::vector<size_t> order;  // axes of the array as [B, S..., C]
  bool add_channel = false;   // grey pictures without an axis of channels
  bool bytes_only = false;    // taken for pictures because their values should be whole, 0 to 255
  std::string format;         // as the array lies: BCSS, ...
};

// `format` has a letter an axis: B observations, S space, C channels, as in BSSC, BCSS, BSS or BC.
// Without one the axes are taken as they can only be meant: [N,F]; [N,H,W] of whole numbers; and
// [N,H,W,C] with 1 or 3 channels at the end. Throws Error, which begins with `where`, for all
// others: it names the formats that are possible.
ArrayAxes ReadAxes(const NpyInfo& array, const std::string& format, const std::string& where);

}  // namespace normkit
