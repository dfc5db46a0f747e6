// Every product of a convolution, by seven nested loops.
#pragma once

#include <cstddef>

#include "src/onednn/convolution_shape.h"

namespace normkit {

// Elements of the arrays of a convolution.
struct ConvolutionSizes {
  size_t x, y, weights;
  explicit ConvolutionSizes(const ConvolutionShape& s)
      : x(static_cast<size_t>(s.batch * s.height * s.width * s.channels)),
        y(static_cast<size_t>(s.batch * s.output_height() * s.output_width() * s.filters)),
        weights(static_cast<size_t>(s.filters * (s.channels / s.groups) * s.filter_size[0] *
                                    s.filter_size[1])) {}
};

// Calls visit(x index, weights index, y index) for every product of the sum.
template <class Visit>
void ForProducts(const ConvolutionShape& s, const Visit& visit) {
  const int64_t in = s.channels / s.groups, out = s.filters / s.groups;
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t oh = 0; oh < s.output_height(); ++oh)
      for (int64_t ow = 0; ow < s.output_width(); ++ow)
        for (int64_t o = 0; o < s.filters; ++o)
          for (int64_t kh = 0; kh < s.filter_size[0]; ++kh)
            for (int64_t kw = 0; kw < s.filter_size[1]; ++kw) {
              const int64_t h = oh * s.stride[0] + kh * s.dilation[0] - s.top;
              const int64_t w = ow * s.stride[1] + kw * s.dilation[1] - s.left;
              if (h < 0 || h >= s.height || w < 0 || w >= s.width) continue;
              for (int64_t i = 0; i < in; ++i) {
                const int64_t c = o / out * in + i;
                visit(static_cast<size_t>(((b * s.height + h) * s.width + w) * s.channels + c),
                      static_cast<size_t>(
                          ((o * in + i) * s.filter_size[0] + kh) * s.filter_size[1] + kw),
                      static_cast<size_t>(
                          ((b * s.output_height() + oh) * s.output_width() + ow) * s.filters + o));
              }
            }
}

}  // namespace normkit
