// Numbers on stylized pictures.
#pragma once

#include <vector>

#include "normkit/data/image.h"

namespace normkit {

// Colours moved away from the middle, or towards it: 127.5 + factor (x - 127.5), within 0 and 255.
Image WithContrast(const Image& image, double factor);

// How much of the brightness's variance in pictures follows from where in a grid of `period` pixels
// a pixel is, 0 to 1: what strides and upsampling leave behind (Odena et al. 2016). Of noise
// about period^2 / pixels.
double GridShare(const std::vector<Image>& pictures, int64_t period);

}  // namespace normkit
