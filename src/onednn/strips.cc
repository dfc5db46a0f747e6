#include "src/onednn/strips.h"

#include <algorithm>
#include <vector>

#include "src/core/ceil_divide.h"
#include "src/core/fail.h"
#include "src/core/parallel.h"
#include "src/core/scratch.h"
#include "src/onednn/convolution.h"
#include "src/onednn/fold.h"

namespace normkit {
namespace {

constexpr int64_t kFewObservations = 4;
constexpr double kLeastProducts = 1 << 26;  // of an observation
constexpr int64_t kRows = 8, kMostStrips = 128;
constexpr int64_t kFewChannels = FoldedWindow::kFewChannels;

struct FoldTag;
struct StripTag;

double ProductsOf(const ConvolutionShape& s) {
  return static_cast<double>(s.y_size()) * static_cast<double>(s.channels / s.groups) *
         static_cast<double>(Product(s.filter_size));
}

// Rows [first, end) of y, and those of x that they are made of.
struct Strip {
  int64_t first, end, x_first, x_end, before, after;
};

Strip StripOf(const ConvolutionShape& s, int64_t first, int64_t end) {
  const int64_t begin = first * s.stride[0] - s.before[0],
                covers =
                    (end - 1 - first) * s.stride[0] + (s.filter_size[0] - 1) * s.dilation[0] + 1;
  Strip strip{first,
              end,
              std::clamp<int64_t>(begin, 0, s.size[0]),
              std::clamp<int64_t>(begin + covers, 0, s.size[0]),
              0,
              0};
  strip.before = std::max<int64_t>(0, -begin);
  strip.after = std::max<int64_t>(0, begin + covers - s.size[0]);
  return strip;
}

}  // namespace

std::string WhyNotStrips(const ConvolutionShape& s) {
  if (s.batch > kFewObservations)
    return fmt::format("{} observations, expected at most {}", s.batch, kFewObservations);
  if (s.dims() < 2) return fmt::format("{} dimension of space, expected more", s.dims());
  if (ProductsOf(s) < kLeastProducts)
    return fmt::format("{:.0f} products an observation, expected {:.0f}", ProductsOf(s),
                       kLeastProducts);
  if (s.output_size()[0] < 2 * kRows)
    return fmt::format("{} rows, expected {}", s.output_size()[0], 2 * kRows);
  // A strip whose window lies in the padding alone.
  const int64_t covers = (s.filter_size[0] - 1) * s.dilation[0] + 1;
  if (covers > s.size[0] || s.before[0] >= covers || s.after[0] >= covers)
    return "the window is not smaller than x or not larger than its padding";
  return "";
}

class StripConvolution::Impl {
 public:
  Impl(const ConvolutionShape& shape, const BatchPart&)
      : shape_(shape),
        folded_(shape.channels, shape.filters, shape.filter_size[0], shape.filter_size.back(),
                FoldedWindow::IsPlain(shape)),
        fold_(folded_.fold()),
        y_width_(shape.output_size().back()),
        columns_(folded_.columns()),
        folded_channels_(folded_.channels()),
        folded_filters_(folded_.filters()) {
    const int64_t rows = shape.output_size()[0],
                  each = std::max(kRows, CeilDivide(rows, kMostStrips));
    for (int64_t first = 0; first < rows; first += each)
      strips_.push_back(StripOf(shape, first, std::min(rows, first + each)));
    for (int64_t b = 0; b < shape.batch; ++b)
      for (const Strip& strip : strips_) convolutions_.push_back(Make(strip));
  }

  size_t weight_bytes() const { return folded_.weights() * sizeof(float); }

  void Forward(const float* x, const float* weights, const float* bias, float* y,
               std::byte* scratch) {
    if (fold_ != Fold::kNone) {
      auto* folded = reinterpret_cast<float*>(scratch);
      folded_.FoldWeights(weights, folded);
      weights = folded;
    }
    const int64_t count = std::ssize(strips_);
    ParallelFor(shape_.batch * count, true, [&](int64_t task) {
      const Strip& strip = strips_[static_cast<size_t>(task % count)];
      const float* from = x + task / count * shape_.x_size() + strip.x_first * x_row();
      float* to = y + task / count * shape_.y_size() + strip.first * y_row();
      Convolution& convolution = *convolutions_[static_cast<size_t>(task)];
      auto* own = Scratch<StripTag, std::byte>(convolution.forward_scratch_bytes());
      if (fold_ == Fold::kNone) return convolution.Forward(from, weights, bias, to, own);
      if (fold_ == Fold::kInput) {
        float* unfolded = Unfold(strip, from);
        return convolution.Forward(unfolded, weights, bias, to, own);
      }
      float* sums = Scratch<FoldTag, float>(
          static_cast<size_t>((strip.end - strip.first) * shape_.size[1] * folded_filters_));
      convolution.Forward(from, weights, nullptr, sums, own);
      AddColumns(strip, sums, bias, to);
    });
  }

 private:
  int64_t x_row() const { return shape_.x_size() / shape_.size[0]; }
  int64_t y_row() const { return shape_.y_size() / shape_.output_size()[0]; }

  std::unique_ptr<Convolution> Make(const Strip& strip) const {
    ConvolutionShape s = shape_;
    s.batch = 1;
    s.size[0] = strip.x_end - strip.x_first;
    s.before[0] = strip.before;
    s.after[0] = strip.after;
    if (fold_ != Fold::kNone) {
      s.channels = folded_channels_;
      s.filters = folded_filters_;
      s.filter_size[1] = 1;
      s.before[1] = s.after[1] = 0;
      s.bias = shape_.bias && fold_ == Fold::kInput;
    }
    if (fold_ == Fold::kInput) s.size[1] = y_width_;
    return std::make_unique<Convolution>(s, /*training=*/false);
  }

  // [rows, W', (columns, C)]: in each row the windows of all columns of y, which overlap.
  float* Unfold(const Strip& strip, const float* x) const {
    const int64_t rows = strip.x_end - strip.x_first, channels = shape_.channels,
                  width = shape_.size[1] * channels, taps = columns_ * channels;
    float* unfolded =
        Scratch<FoldTag, float>(static_cast<size_t>(rows * y_width_ * folded_channels_));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t w = 0; w < y_width_; ++w) {
        const float* row = x + r * width;
        float* to = unfolded + (r * y_width_ + w) * folded_channels_;
        const int64_t begin = (w - shape_.before[1]) * channels,
                      first = std::clamp<int64_t>(-begin, 0, taps),
                      end = std::clamp<int64_t>(width - begin, first, taps);
        std::fill(to, to + first, 0.f);
        std::copy(row + begin + first, row + begin + end, to + first);
        std::fill(to + end, to + folded_channels_, 0.f);
      }
    return unfolded;
  }

  // y[r,w,o] = bias[o] + the sum over columns k of sums[r, w + k - before, (k,o)].
  void AddColumns(const Strip& strip, const float* sums, const float* bias, float* y) const {
    const int64_t width = shape_.size[1], filters = shape_.filters;
    for (int64_t r = 0; r < strip.end - strip.first; ++r)
      for (int64_t w = 0; w < y_width_; ++w) {
        float total[kFewChannels] = {};
        for (int64_t o = 0; bias && o < filters; ++o) total[o] = bias[o];
        const int64_t begin = w - shape_.before[1], first = std::max<int64_t>(0, -begin),
                      end = std::min(columns_, width - begin);
        for (int64_t k = first; k < end; ++k) {
          const float* at = sums + (r * width + begin + k) * folded_filters_ + k * filters;
          for (int64_t o = 0; o < filters; ++o) total[o] += at[o];
        }
        std::copy_n(total, filters, y + (r * y_width_ + w) * filters);
      }
  }

  ConvolutionShape shape_;
  FoldedWindow folded_;
  Fold fold_;
  int64_t y_width_, columns_, folded_channels_, folded_filters_;
  std::vector<Strip> strips_;
  std::vector<std::unique_ptr<Convolution>> convolutions_;  // of each strip of each observation
};

StripConvolution::StripConvolution(const ConvolutionShape& shape, const BatchPart& part)
    : impl_(std::make_unique<Impl>(shape, part)) {}
StripConvolution::~StripConvolution() = default;

size_t StripConvolution::forward_scratch_bytes() const { return impl_->weight_bytes(); }

void StripConvolution::Forward(const float* x, const float* weights, const float* bias, float* y,
                               std::byte* scratch) {
  impl_->Forward(x, weights, bias, y, scratch);
}

void StripConvolution::BackwardData(const float*, const float*, bool, float*, std::byte*) {
  Fail("convolution by strips: a gradient asked for, expected inference");
}
void StripConvolution::BackwardWeights(const float*, const float*, Reducer*, float*, float*,
                                       std::byte*) {
  Fail("convolution by strips: a gradient asked for, expected inference");
}

}  // namespace normkit
