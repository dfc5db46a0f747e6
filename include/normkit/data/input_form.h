// In which form a network takes pictures.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/data/source.h"

namespace normkit {

// Data have pictures in red, green and blue from 0 to 255. A network may have been trained on
// others: y = (white / 255 x - mean) / std, channel by channel in its own order.
struct InputForm {
  double white = 255;  // what the largest value of a pixel is to it
  bool bgr = false;    // its channels are blue, green and red
  // One, or one for each of its channels; empty: 0 and 1.
  std::vector<double> mean = {}, std = {};
  bool operator==(const InputForm&) const = default;
};

// "range 1, bgr, mean 0.485,0.456,0.406, std 0.229,0.224,0.225"; "" for pictures as they are; and
// the inverse, which throws Error on anything else.
NORMKIT_API std::string Name(const InputForm& form);
NORMKIT_API InputForm ParseInputForm(std::string_view text);

// The same observations in that form, their channels last. Throws Error where their channels do not
// fit, or a number is not finite or a std not above 0.
NORMKIT_API DataPtr WithInputForm(DataPtr source, const InputForm& form);

}  // namespace normkit
