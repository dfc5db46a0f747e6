// Large windows that meet few channels: the columns of the window become channels.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "src/onednn/convolution_shape.h"

namespace normkit {

// Of x, [H,W,C] becomes [H,W',columns C], or of y, which is the sum of [H,W,columns O] along the
// rows; what is left is a window of one column over enough channels to fill vectors.
enum class Fold { kNone, kInput, kOutput };

class FoldedWindow {
 public:
  static constexpr int64_t kFewChannels = 4, kLargeWindow = 25, kVector = 8;

  FoldedWindow(int64_t channels, int64_t filters, int64_t rows, int64_t columns, bool plain)
      : channels_(channels), filters_(filters), rows_(rows), columns_(columns) {
    if (!plain || rows * columns < kLargeWindow) return;
    if (channels <= kFewChannels && filters % kVector == 0)
      fold_ = Fold::kInput;
    else if (filters <= kFewChannels && channels % kVector == 0)
      fold_ = Fold::kOutput;
  }
  // `plain`: without groups, strides and dilation.
  static bool IsPlain(const ConvolutionShape& s) {
    const Space ones{1, 1};
    return s.dims() == 2 && s.groups == 1 && s.stride == ones && s.dilation == ones;
  }

  Fold fold() const { return fold_; }
  int64_t columns() const { return columns_; }
  int64_t channels() const {
    return fold_ == Fold::kInput ? RoundUp(columns_ * channels_) : channels_;
  }
  int64_t filters() const {
    return fold_ == Fold::kOutput ? RoundUp(columns_ * filters_) : filters_;
  }
  size_t weights() const {
    return fold_ == Fold::kNone ? 0 : static_cast<size_t>(filters() * channels() * rows_);
  }

  // From [O,C,H,W]: the columns are channels of the input, [O, (W,C), H], or filters, [(W,O), C,
  // H].
  void FoldWeights(const float* from, float* folded) const {
    std::fill_n(folded, weights(), 0.f);
    for (int64_t o = 0; o < filters_; ++o)
      for (int64_t c = 0; c < channels_; ++c)
        for (int64_t r = 0; r < rows_; ++r)
          for (int64_t k = 0; k < columns_; ++k) {
            const int64_t filter = fold_ == Fold::kInput ? o : k * filters_ + o,
                          channel = fold_ == Fold::kInput ? k * channels_ + c : c;
            folded[(filter * channels() + channel) * rows_ + r] =
                from[((o * channels_ + c) * rows_ + r) * columns_ + k];
          }
  }

 private:
  static int64_t RoundUp(int64_t n) { return (n + kVector - 1) / kVector * kVector; }

  int64_t channels_, filters_, rows_, columns_;
  Fold fold_ = Fold::kNone;
};

}  // namespace normkit
