// Pictures that the program draws: something to look at, and to learn from, where nothing is.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "normkit/data/image.h"

namespace normkit {

// A scene of a sky, shapes with light and shadow and fine texture: what a photograph is made of.
Image SyntheticContent(uint64_t seed, int64_t height, int64_t width);

// Pictures of one texture: "strokes" along a flow, "mosaic" of cells, "waves", "hatching".
const std::vector<std::string_view>& SyntheticStyles();
Image SyntheticStyle(std::string_view name, uint64_t seed, int64_t height, int64_t width);

}  // namespace normkit
