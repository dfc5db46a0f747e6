// Windows that the tests of convolution and pooling go through.
#pragma once

#include "src/onednn/convolution_shape.h"

namespace normkit {

struct WindowCase {
  Space size, stride, dilation, before, after;
};

inline const WindowCase kWindowCases[] = {
    {{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}, {{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, {{3, 2}, {2, 1}, {1, 1}, {0, 1}, {1, 0}},
    {{2, 3}, {1, 3}, {1, 1}, {1, 0}, {0, 2}}, {{5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}},
    {{3, 3}, {1, 1}, {2, 2}, {2, 2}, {2, 2}}, {{2, 3}, {2, 2}, {3, 1}, {1, 0}, {2, 1}},
};

// Over other numbers of dimensions of space.
inline const WindowCase kOtherWindowCases[] = {
    {{3}, {1}, {1}, {1}, {1}},
    {{4}, {3}, {2}, {0}, {2}},
    {{3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
    {{2, 1, 3}, {1, 2, 2}, {2, 1, 1}, {1, 0, 1}, {0, 0, 2}},
};

}  // namespace normkit
