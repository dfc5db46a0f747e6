// Windows that the tests of convolution and pooling go through.
#pragma once

#include <array>
#include <cstdint>

namespace normkit {

struct WindowCase {
  std::array<int64_t, 2> size, stride, dilation;
  int64_t top, bottom, left, right;
};

inline constexpr WindowCase kWindowCases[] = {
    {{1, 1}, {1, 1}, {1, 1}, 0, 0, 0, 0}, {{3, 3}, {1, 1}, {1, 1}, 1, 1, 1, 1},
    {{3, 3}, {2, 2}, {1, 1}, 1, 1, 1, 1}, {{3, 2}, {2, 1}, {1, 1}, 0, 1, 1, 0},
    {{2, 3}, {1, 3}, {1, 1}, 1, 0, 0, 2}, {{5, 5}, {1, 1}, {1, 1}, 2, 2, 2, 2},
    {{3, 3}, {1, 1}, {2, 2}, 2, 2, 2, 2}, {{2, 3}, {2, 2}, {3, 1}, 1, 2, 0, 1},
};

}  // namespace normkit
