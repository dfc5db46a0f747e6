// Random filters on pictures of several sizes.
#include <cmath>

#include "normkit/core/random.h"
#include "src/core/fail.h"
#include "src/ops/elementwise.h"
#include "src/stylize/graph_math.h"
#include "src/stylize/style_features.h"

namespace normkit {
namespace {

constexpr int64_t kSize = 5, kChannels = 3, kTaps = kSize * kSize;
constexpr int64_t kFilters = 32;
// Filters that see differences alone; the others see colours too, which are larger numbers.
constexpr int64_t kOfDifferences = 24;
constexpr float kGain = 3;  // of the first

class RandomFeaturesOfScales : public StyleFeatures {
 public:
  RandomFeaturesOfScales(uint64_t seed, int scales) : seed_(seed), scales_(scales) {}

  std::string Description() const override {
    return fmt::format("{} random filters {}x{} at each of {} scales", kFilters, kSize, kSize,
                       scales_);
  }
  int64_t SmallestSide() const override { return kSize << (scales_ - 1); }

  FeatureValues AddTo(Graph& graph, Value pictures) const override {
    const GraphMath math(graph);
    FeatureValues values;
    Value x = math.Subtract(pictures, math.Number(0.5f));
    for (int scale = 0; scale < scales_; ++scale) {
      if (scale > 0)
        x = math.Apply(ops::Pooling(ops::Pool::kAverage, {.size = {2, 2}, .stride = {2, 2}}), {x});
      const Value weights = math.Floats({kFilters, kChannels, kSize, kSize}, Filters(scale));
      const Value found =
          math.Apply(ops::Convolution({.size = {kSize, kSize}}, 1), {x, weights});
      values.style.push_back(
          math.Apply(ops::MakeElementwise(ops::FindElementwise("relu")), {found}));
      if (scale == 1 || scales_ == 1) values.content.push_back(values.style.back());
    }
    return values;
  }

 private:
  // [filters, channels, height, width].
  std::vector<float> Filters(int scale) const {
    Random random(seed_, static_cast<uint64_t>(scale));
    std::vector<float> filters;
    const double deviation = std::sqrt(2.0 / (kChannels * kTaps));
    for (int64_t f = 0; f < kFilters; ++f)
      for (int64_t c = 0; c < kChannels; ++c) {
        double sum = 0;
        for (int64_t i = 0; i < kTaps; ++i) {
          filters.push_back(static_cast<float>(deviation * random.Normal()));
          sum += filters.back();
        }
        if (f >= kOfDifferences) continue;
        const auto mean = static_cast<float>(sum / kTaps);
        for (auto w = filters.end() - kTaps; w != filters.end(); ++w) *w = kGain * (*w - mean);
      }
    return filters;
  }

  uint64_t seed_;
  int scales_;
};

}  // namespace

std::shared_ptr<const StyleFeatures> RandomFeatures(uint64_t seed, int scales) {
  if (scales < 1 || scales > 8) Fail("random features: {} scales, expected 1 to 8", scales);
  return std::make_shared<RandomFeaturesOfScales>(seed, scales);
}

}  // namespace normkit
