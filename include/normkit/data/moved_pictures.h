// Pictures as trainings that augment their data see them.
#pragma once

#include <cstdint>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/data/source.h"

namespace normkit {

// A training that draws crops and mirrors shows its network pictures with borders that the data do
// not have; statistics that it was trained with are those of such pictures.
struct PictureMoves {
  int64_t shift = 0;    // up to so many pixels each way, zeros (black) where nothing is then
  bool mirror = false;  // left and right of half of them
  int64_t rounds = 1;   // each observation so often, drawn anew
  uint64_t seed = 1;
};

// Observation i of round r depends on (seed, i, r) alone. Throws Error for what is no picture.
NORMKIT_API DataPtr MovePictures(DataPtr source, const PictureMoves& moves);

}  // namespace normkit
