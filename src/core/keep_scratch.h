// Scratch of a call that makes others.
#pragma once

#include "src/core/scratch.h"

namespace normkit {

// While there is one on this thread, nothing is given back: calls inside trim at their end, too,
// and arrays of the one around them are still in use. The last one trims.
class KeepScratch {
 public:
  KeepScratch();
  ~KeepScratch();
  KeepScratch(const KeepScratch&) = delete;
  KeepScratch& operator=(const KeepScratch&) = delete;
};

}  // namespace normkit
