// Words for windows.
#pragma once

#include <span>
#include <string>

#include "normkit/ops/padding.h"

namespace normkit {

// "3x3, stride 2, padding same": for Layer::Description.
std::string DescribeWindow(std::span<const int64_t> size, std::span<const int64_t> stride,
                           const Padding& padding);

// "3x3"; "2" where all are alike and `joined` says so.
std::string DescribeSizes(std::span<const int64_t> sizes, bool joined = false);

}  // namespace normkit
