// Windows that slide over images: what convolution and pooling share.
#pragma once

#include <array>

#include "src/nn/layers/common.h"

namespace normkit {

// "3x3, stride 2, padding same": for Layer::Description.
std::string DescribeWindow(const std::array<int64_t, 2>& size, const std::array<int64_t, 2>& stride,
                           const Padding& padding);

}  // namespace normkit
