// Random filters on pictures of several sizes.
#include <algorithm>
#include <array>
#include <cmath>

#include "normkit/core/random.h"
#include "src/core/fail.h"
#include "src/ops/elementwise.h"
#include "src/stylize/graph_math.h"
#include "src/stylize/style_features.h"

namespace normkit {
namespace {

constexpr int64_t kSize = 5, kChannels = 3, kTaps = kSize * kSize;
constexpr int64_t kStyleFilters = 48, kContentFilters = 16;
// Filters of style: the first see differences of brightness, the next those of colours, and the
// others colours themselves, whose numbers are larger.
constexpr int64_t kOfBrightness = 24, kOfDifferences = 40;
constexpr double kGain = 3;  // of differences
constexpr int kContentScales[] = {1, 2};

class RandomFeaturesOfScales : public StyleFeatures {
 public:
  RandomFeaturesOfScales(uint64_t seed, int scales) : seed_(seed), scales_(scales) {}

  std::string Description() const override {
    return fmt::format("{} random filters {}x{} at each of {} scales", kStyleFilters, kSize, kSize,
                       scales_);
  }
  int64_t SmallestSide() const override { return kSize << (scales_ - 1); }

  FeatureValues AddTo(Graph& graph, Value pictures, Of of) const override {
    const GraphMath math(graph);
    FeatureValues values;
    Value x = math.Subtract(pictures, math.Number(0.5f));
    for (int scale = 0; scale < scales_; ++scale) {
      if (scale > 0)
        x = math.Apply(ops::Pooling(ops::Pool::kAverage, {.size = {2, 2}, .stride = {2, 2}}), {x});
      if (of == kResults) {
        values.style.push_back(Found(math, x, kStyleFilters, StyleFilters(scale)));
        if (scale + 2 < scales_) values.style.push_back(Deeper(math, values.style.back(), scale));
      }
      if (std::ranges::find(kContentScales, scale) != std::end(kContentScales))
        values.content.push_back(Found(math, x, kContentFilters, ContentFilters(scale)));
    }
    return values;
  }

 private:
  static Value Found(const GraphMath& math, Value x, int64_t filters,
                     const std::vector<float>& weights) {
    const Value found = math.Apply(ops::Convolution({.size = {kSize, kSize}}, 1),
                                   {x, math.Floats({filters, kChannels, kSize, kSize}, weights)});
    return math.Apply(ops::MakeElementwise(ops::FindElementwise("relu")), {found});
  }

  // Filters 3x3 on what was found, halved: of several of these side by side.
  Value Deeper(const GraphMath& math, Value found, int scale) const {
    constexpr int64_t kDeepSize = 3;
    Random random(seed_, static_cast<uint64_t>(2 * scales_ + scale));
    std::vector<float> weights;
    for (int64_t f = 0; f < kStyleFilters; ++f) {
      const size_t begin = weights.size();
      double sum = 0;
      for (int64_t i = 0; i < kStyleFilters * kDeepSize * kDeepSize; ++i) {
        weights.push_back(static_cast<float>(
            std::sqrt(2.0 / (kStyleFilters * kDeepSize * kDeepSize)) * random.Normal()));
        sum += static_cast<double>(weights.back());
      }
      for (size_t i = begin; i < weights.size(); ++i)
        weights[i] -= static_cast<float>(sum / static_cast<double>(weights.size() - begin));
    }
    const Value halved =
        math.Apply(ops::Pooling(ops::Pool::kAverage, {.size = {2, 2}, .stride = {2, 2}}), {found});
    const Value deep = math.Apply(
        ops::Convolution({.size = {kDeepSize, kDeepSize}}, 1),
        {halved, math.Floats({kStyleFilters, kStyleFilters, kDeepSize, kDeepSize}, weights)});
    return math.Apply(ops::MakeElementwise(ops::FindElementwise("relu")), {deep});
  }

  // What a filter sees of colours: brightness, a difference of colours, or a mixture.
  enum Sees { kBrightness, kColours, kAll };

  // One plane of numbers around 0, of differences with a sum of 0, times a weight a channel.
  static void AddFilter(Random& random, Sees sees, std::vector<float>& filters) {
    std::array<double, kTaps> plane;
    double sum = 0;
    for (double& w : plane) sum += w = std::sqrt(1.0 / kTaps) * random.Normal();
    if (sees != kAll)
      for (double& w : plane) w = kGain * (w - sum / kTaps);
    std::array<double, kChannels> colour{1, 1, 1};
    if (sees != kBrightness)
      for (double& weight : colour) weight = random.Normal();
    const double mean = (colour[0] + colour[1] + colour[2]) / kChannels;
    if (sees == kColours)
      for (double& weight : colour) weight = 2 * (weight - mean);
    for (const double weight : colour)
      for (const double w : plane) filters.push_back(static_cast<float>(weight / kChannels * w));
  }

  // [filters, channels, height, width].
  std::vector<float> StyleFilters(int scale) const {
    Random random(seed_, static_cast<uint64_t>(scale));
    std::vector<float> filters;
    for (int64_t f = 0; f < kStyleFilters; ++f)
      AddFilter(random,
                f < kOfBrightness    ? kBrightness
                : f < kOfDifferences ? kColours
                                     : kAll,
                filters);
    return filters;
  }
  std::vector<float> ContentFilters(int scale) const {
    Random random(seed_, static_cast<uint64_t>(scales_ + scale));
    std::vector<float> filters;
    for (int64_t f = 0; f < kContentFilters; ++f) AddFilter(random, kBrightness, filters);
    return filters;
  }

  uint64_t seed_;
  int scales_;
};

}  // namespace

std::shared_ptr<const StyleFeatures> RandomFeatures(uint64_t seed, int scales) {
  if (scales < 3 || scales > 8) Fail("random features: {} scales, expected 3 to 8", scales);
  return std::make_shared<RandomFeaturesOfScales>(seed, scales);
}

}  // namespace normkit
