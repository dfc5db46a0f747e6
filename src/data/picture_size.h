// The size of what pictures are made to fit.
#pragma once

#include <cstdint>
#include <optional>

#include "normkit/core/layout.h"

namespace normkit {

struct PictureSize {
  int64_t height, width, channels;
};

// Of pictures (BSSC) and of slices of volumes (BSSSC); none of anything else.
inline std::optional<PictureSize> PictureSizeOf(const Layout& layout) {
  if (layout.format() != "BSSC" && layout.format() != "BSSSC") return std::nullopt;
  const auto shape = layout.shape();
  const size_t rank = shape.size();
  return PictureSize{shape[rank - 3], shape[rank - 2], shape[rank - 1]};
}

}  // namespace normkit
