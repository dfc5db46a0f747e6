// Layers over images and volumes, for the universal layer test.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "src/nn/layers/recurrent_cases.h"

namespace normkit {

// Layers over images and volumes, and what trained numbers of channels do.
inline std::vector<LayerCase> SpaceCases(const Layout& image, const Layout& features) {
  const Layout volume = Layout::Make("BSSSC", std::vector<int64_t>{2, 4, 3, 5, 3});
  std::vector<LayerCase> cases;
  const auto add = [&](std::string name, const Layout& x, std::function<LayerPtr()> make,
                       bool kinks = false) {
    cases.push_back({std::move(name), std::move(make), {x}, kinks});
  };
  // Where r and d are at their limits they are constants to differences too.
  for (const bool affine : {true, false})
    for (const Layout& x : {image, features})
      add("BatchRenormalization", x, [affine, channels = x.channels()] {
        NormalizationProperties options{.epsilon = 0.01,
                                        .affine = affine,
                                        .renormalize = true,
                                        .renormalization_scale_limit = 1.5,
                                        .renormalization_shift_limit = 0.3,
                                        .renormalization_warm_up = 0};
        for (int64_t c = 0; c < channels; ++c) {
          options.trained_mean.push_back(c % 3 == 1 ? -50.f : 50.f);
          options.trained_variance.push_back(c % 2 == 1 ? 0.f : 1e4f);
        }
        return BatchNormalization(options);
      });
  add("TransposedConvolutionLayer", image, [] {
    return TransposedConvolution2d({.filter_size = {3, 2},
                                    .num_filters = 5,
                                    .stride = {2, 1},
                                    .cropping = {false, 1, 0, 0, 1}});
  });
  add("TransposedConvolutionOfLines", Layout::Make("BTC", std::vector<int64_t>{3, 9, 5}), [] {
    return TransposedConvolution({.filter_size = {2},
                                  .num_filters = 3,
                                  .stride = {3},
                                  .cropping = Padding::Same(),
                                  .bias = false});
  });
  add("PositionEmbeddingOfPictures", image, [image] {
    return PositionEmbedding(
        {.max_position = image.size() / image.channels() / image.axes()[0].size});
  });
  add("TransposedConvolutionOfVolumes", volume, [] {
    return TransposedConvolution3d({.filter_size = {2}, .num_filters = 4, .stride = {2}});
  });
  add(
      "MaxPoolingOfVolumes", volume,
      [] {
        return MaxPooling3d({.pool_size = {2, 3, 2}, .stride = {1, 1, 2}});
      },
      true);
  add("AveragePoolingOfVolumes", volume, [] {
    return AveragePooling3d({.pool_size = {2}, .stride = {2}, .padding = Padding::Same()});
  });
  add("GlobalAveragePoolingOfVolumes", volume, [] { return GlobalAveragePooling3d(); });
  add("FlattenOfVolumes", volume, [] { return Flatten(); });
  for (const Layout& x : {image, features, volume}) {
    add(
        "Prelu", x, [] { return Prelu(); }, true);
    add("LayerScale", x, [] { return LayerScale(); });
    add("DynamicTanh", x, [] { return DynamicTanh(); });
    for (const int64_t size : {3, 4})
      add("CrossChannelNormalization", x, [size] {
        return CrossChannelNormalization(
            {.window_channel_size = size, .alpha = 0.7, .beta = 0.6, .k = 1.5});
      });
  }
  const auto multiply = [] { return Multiplication(); };
  cases.push_back({"Multiplication", multiply, {image, image}});
  cases.push_back({"MultiplicationOfChannels",
                   multiply,
                   {image, Layout::Make("BSSC", std::vector<int64_t>{3, 1, 1, 4})}});
  return cases;
}

}  // namespace normkit
