// Layers over packed time, for the universal test of gradients.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "normkit/nn/layers.h"

namespace normkit {

struct LayerCase {
  std::string name;
  std::function<LayerPtr()> make;
  std::vector<Layout> inputs;
  bool kinks = false;
  std::vector<int64_t> offsets = {};  // of the sequences whose rows the inputs hold
};

inline void PrintTo(const LayerCase& test, std::ostream* stream) { *stream << test.name; }

inline std::vector<LayerCase> TimeCases() {
  std::vector<LayerCase> cases;
  const auto rows = [&](const char* name, std::function<LayerPtr()> make) {
    cases.push_back({std::string(name) + "OfRows",
                     std::move(make),
                     {Layout::Make("TC", std::vector<int64_t>{10, 6})},
                     false,
                     {0, 3, 4, 9, 10}});
  };
  rows("FullyConnected", [] { return FullyConnected({.output_size = 5}); });
  rows("Dropout", [] { return Dropout({.probability = 0.4}); });
  rows("Softmax", [] { return Softmax(); });
  rows("Tanh", [] { return Tanh(); });
  rows("BatchNormalizationWithTrained", [] {
    return BatchNormalization({.trained_mean = {0, .1f, .2f, 0, 0, 1},
                               .trained_variance = {1, 2, .5f, 1, 1, 1},
                               .use_trained_statistics = true});
  });
  rows("BatchRenormalization", [] {
    return BatchNormalization({.trained_mean = {50, -50, 50, 50, -50, 50},
                               .trained_variance = {1e4f, 0, 1e4f, 0, 0, 1e4f},
                               .renormalize = true,
                               .renormalization_shift_limit = 0.3,
                               .renormalization_warm_up = 0});
  });
  for (const auto dimension : {OperationDimension::kAuto, OperationDimension::kChannelOnly,
                               OperationDimension::kSpatialChannel})
    rows("LayerNormalization", [dimension] {
      return LayerNormalization({.epsilon = 0.01, .operation_dimension = dimension});
    });
  // Over all steps of each observation, pictures too.
  const auto over_time = [&](const char* name, const std::function<LayerPtr()>& make) {
    rows(name, make);
    cases.push_back({std::string(name) + "OfPicturesOverTime",
                     make,
                     {Layout::Make("TSSC", std::vector<int64_t>{7, 2, 3, 6})},
                     false,
                     {0, 2, 3, 7}});
  };
  over_time("LayerNormalization", [] { return LayerNormalization({.epsilon = 0.01}); });
  over_time("LayerNormalizationWithoutScale",
            [] { return LayerNormalization({.epsilon = 0.01, .affine = false}); });
  over_time("InstanceNormalization", [] { return InstanceNormalization({.epsilon = 0.01}); });
  over_time("GroupNormalization",
            [] { return GroupNormalization({.num_groups = 2, .epsilon = 0.01}); });
  over_time("BatchNormalization", [] { return BatchNormalization({.epsilon = 0.01}); });
  rows("Convolution1d", [] { return Convolution1d({.filter_size = 3, .num_filters = 4}); });
  rows("Convolution1dCausalDilated", [] {
    return Convolution1d({.filter_size = 2,
                          .num_filters = 5,
                          .dilation = 2,
                          .padding = Padding::Causal(),
                          .bias = false});
  });
  rows("Convolution1dInGroups", [] {
    return Convolution1d(
        {.filter_size = 4, .num_filters = 6, .padding = {.left = 0, .right = 3}, .num_groups = 3});
  });
  const auto pictures = [&](const char* name, std::function<LayerPtr()> make, bool kinks = false) {
    cases.push_back({std::string(name) + "OfPicturesOverTime",
                     std::move(make),
                     {Layout::Make("TSSC", std::vector<int64_t>{7, 4, 3, 4})},
                     kinks,
                     {0, 2, 3, 7}});
  };
  pictures("Convolution2d", [] { return Convolution2d({.filter_size = {3}, .num_filters = 3}); });
  pictures("Convolution2dStridedInGroups", [] {
    return Convolution2d({.filter_size = {2, 3},
                          .num_filters = 4,
                          .stride = {2, 1},
                          .padding = {false, 1, 0, 1, 1},
                          .num_groups = 2,
                          .bias = false});
  });
  pictures("AveragePooling2d", [] { return AveragePooling2d({.pool_size = {2, 2}}); });
  pictures(
      "MaxPooling2d", [] { return MaxPooling2d({.pool_size = {2}, .stride = {2}}); }, true);
  pictures("GlobalAveragePooling2d", [] { return GlobalAveragePooling2d(); });
  pictures("Flatten", [] { return Flatten(); });
  rows("PositionEmbedding", [] { return PositionEmbedding({.max_position = 7}); });
  rows("SinusoidalPositions", [] { return SinusoidalPositionEncoding(); });
  rows("AveragePooling1d", [] { return AveragePooling1d({.pool_size = 3}); });
  const auto maxima = [&](const char* name, std::function<LayerPtr()> make) {
    rows(name, std::move(make));
    cases.back().kinks = true;
  };
  maxima("MaxPooling1d",
         [] { return MaxPooling1d({.pool_size = 3, .padding = Padding::Causal()}); });
  maxima("GlobalMaxPooling1d", [] { return GlobalMaxPooling1d(); });
  rows("GlobalAveragePooling", [] { return GlobalAveragePooling1d(); });
  rows("LastStep", [] { return LastStep(); });
  over_time("GroupRmsNormalization",
            [] { return GroupRmsNormalization({.num_groups = 2, .epsilon = 0.01}); });
  rows("RmsNormalization", [] { return RmsNormalization({.epsilon = 0.01}); });
  return cases;
}

}  // namespace normkit
