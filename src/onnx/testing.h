// Small networks with known weights, one for each layer kind and way to write it: what the tests of
// this module, the fuzzer and tests/export_models.cc work on.
#pragma once

#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "normkit/nn/layers.h"
#include "normkit/nn/network.h"
#include "normkit/nn/networks.h"
#include "src/ops/elementwise.h"

namespace normkit {

// Parameters as they may come out of a training: random, variances and deviations positive.
inline Network MakeNetwork(Graph graph, uint64_t seed = 1) {
  Network network;
  network.parameters = Parameters(graph);
  Random random(seed);
  for (const Parameter& parameter : network.parameters.list()) {
    const std::string& name = parameter.name;
    const bool positive = name.ends_with("variance") || name.ends_with(".std");
    const double offset = name.ends_with(".max") ? 9 : name.ends_with(".min") ? -9 : 0;
    for (float& value : network.parameters.Get(parameter)) {
      const double normal = random.Normal();
      value = static_cast<float>(positive ? 0.25 + std::abs(normal) : normal + offset);
    }
  }
  network.graph = std::move(graph);
  return network;
}

struct Sample {
  std::string name;
  Network network;
  int64_t tokens = 0;  // 0: x are numbers; else whole ones below that
};

// The layer alone behind an input of 5x7 images with 6 channels, or of 6 features.
inline Sample OnImages(std::string name, LayerPtr layer) {
  Graph graph;
  graph.Add(ImageInput(
      {.name = "input", .input_size = {5, 7, 6}, .normalization = InputNormalization::kNone}));
  graph.Add(std::move(layer));
  return {std::move(name), MakeNetwork(std::move(graph))};
}

inline Sample OnFeatures(std::string name, LayerPtr layer) {
  Graph graph;
  graph.Add(FeatureInput({.name = "input", .num_features = 6}));
  graph.Add(std::move(layer));
  return {std::move(name), MakeNetwork(std::move(graph))};
}

inline std::vector<Sample> NormalizationSamples() {
  using enum OperationDimension;
  std::vector<Sample> samples;
  const auto both = [&](const std::string& name, const auto& make) {
    samples.push_back(OnImages(name + "_images", make()));
    samples.push_back(OnFeatures(name + "_features", make()));
  };
  both("batch", [] { return BatchNormalization(); });
  for (const OperationDimension d : {kBatchExcluded, kAuto, kChannelOnly, kSpatialChannel})
    both("layer_" + std::string(Name(d)),
         [d] { return LayerNormalization({.epsilon = 1e-3, .operation_dimension = d}); });
  samples.push_back(OnImages("instance_images", InstanceNormalization()));
  both("group_2", [] { return GroupNormalization({.num_groups = 2}); });
  both("group_all",
       [] { return GroupNormalization({.num_groups = GroupNormalizationOptions::kAllChannels}); });
  samples.push_back(
      OnImages("group_each_images",
               GroupNormalization({.num_groups = GroupNormalizationOptions::kChannelWise})));
  both("rms", [] { return RmsNormalization(); });
  both("group_rms_2", [] { return GroupRmsNormalization({.num_groups = 2, .epsilon = 1e-3}); });
  both("batch_bare", [] { return BatchNormalization({.affine = false}); });
  both("layer_bare", [] { return LayerNormalization({.affine = false}); });
  samples.push_back(OnImages("instance_bare_images", InstanceNormalization({.affine = false})));
  both("rms_bare", [] { return RmsNormalization({.affine = false}); });
  samples.push_back(
      OnImages("group_rms_bare_images", GroupRmsNormalization({.num_groups = 3, .affine = false})));
  return samples;
}

inline std::vector<Sample> WindowSamples() {
  std::vector<Sample> samples;
  samples.push_back(
      OnImages("convolution", Convolution2d({.filter_size = {3, 2}, .num_filters = 4})));
  samples.push_back(OnImages("convolution_all", Convolution2d({.filter_size = {2, 3},
                                                               .num_filters = 8,
                                                               .stride = {2, 1},
                                                               .dilation = {1, 2},
                                                               .padding = {false, 1, 2, 0, 3},
                                                               .num_groups = 2,
                                                               .bias = false})));
  samples.push_back(OnImages("convolution_same", Convolution2d({.filter_size = {4, 3},
                                                                .num_filters = 4,
                                                                .stride = {2, 2},
                                                                .padding = Padding::Same()})));
  samples.push_back(OnImages("max_pooling", MaxPooling2d({.pool_size = {3, 2}, .stride = {2, 2}})));
  samples.push_back(
      OnImages("max_pooling_same",
               MaxPooling2d({.pool_size = {2, 2}, .stride = {2, 2}, .padding = Padding::Same()})));
  samples.push_back(OnImages(
      "average_pooling",
      AveragePooling2d({.pool_size = {3, 2}, .stride = {1, 2}, .padding = Padding::All(1)})));
  samples.push_back(OnImages(
      "average_pooling_same",
      AveragePooling2d({.pool_size = {3, 2}, .stride = {2, 2}, .padding = Padding::Same()})));
  samples.push_back(OnImages("global_average_pooling", GlobalAveragePooling2d()));
  samples.push_back(
      OnImages("reflection_padding", ReflectionPadding2d({.padding = {false, 1, 2, 0, 3}})));
  samples.push_back(OnImages("upsampling", Upsampling2d({.scale = {3, 2}})));
  return samples;
}

// Behind an input of volumes of 4x5x3 with 6 channels.
inline Sample OnVolumes(std::string name, LayerPtr layer) {
  Graph graph;
  graph.Add(Image3dInput({.name = "input", .input_size = {4, 5, 3, 6}}));
  graph.Add(std::move(layer));
  return {std::move(name), MakeNetwork(std::move(graph))};
}

inline std::vector<Sample> VolumeSamples() {
  std::vector<Sample> samples;
  const auto add = [&](std::string name, LayerPtr layer) {
    samples.push_back(OnVolumes(std::move(name) + "_volumes", std::move(layer)));
  };
  add("batch", BatchNormalization());
  add("instance", InstanceNormalization());
  add("group", GroupNormalization({.num_groups = 2}));
  add("layer", LayerNormalization());
  add("layer_channels",
      LayerNormalization({.operation_dimension = OperationDimension::kChannelOnly}));
  add("rms", RmsNormalization());
  add("group_rms", GroupRmsNormalization({.num_groups = 3}));
  add("convolution", Convolution3d({.filter_size = {3, 2, 1},
                                    .num_filters = 4,
                                    .stride = {1, 2, 1},
                                    .padding = {false, 1, 0, 0, 0, 1, 2},
                                    .num_groups = 2}));
  add("convolution_sides",  // no padding in front and behind
      Convolution3d({.filter_size = {3}, .num_filters = 2, .padding = {false, 1, 1, 1, 1}}));
  add("convolution_same",
      Convolution3d(
          {.filter_size = {3}, .num_filters = 2, .padding = Padding::Same(), .bias = false}));
  add("transposed_convolution",
      TransposedConvolution3d({.filter_size = {2}, .num_filters = 3, .stride = {2}}));
  add("max_pooling", MaxPooling3d({.pool_size = {2}, .stride = {2}, .padding = Padding::Same()}));
  add("average_pooling", AveragePooling3d({.pool_size = {2, 3, 1}, .padding = Padding::Same()}));
  add("global_average_pooling", GlobalAveragePooling3d());
  add("flatten", Flatten());
  add("softmax", Softmax());
  add("resize", Resize({.method = ResizeMethod::kLinear}));
  return samples;
}

inline std::vector<Sample> FormSamples() {
  std::vector<Sample> samples;
  const auto all = [&](const std::string& name, const auto& make) {
    samples.push_back(OnImages(name + "_images", make()));
    samples.push_back(OnFeatures(name + "_features", make()));
    samples.push_back(OnVolumes(name + "_volumes", make()));
  };
  all("prelu", [] { return Prelu({.alpha_l2_factor = 0}); });
  all("layer_scale", [] { return LayerScale(); });
  all("dynamic_tanh", [] { return DynamicTanh({.alpha = 0.3}); });
  for (const int64_t size : {3, 4})
    all(size == 3 ? "cross_channel" : "cross_channel_even", [size] {
      return CrossChannelNormalization({.window_channel_size = size, .alpha = 0.5, .beta = 0.6});
    });
  samples.push_back(OnImages(
      "attention",
      SelfAttention(
          {.num_heads = 2, .num_key_channels = 6, .num_value_channels = 4, .output_size = 5})));
  samples.push_back(OnImages(
      "attention_plain", SelfAttention({.num_heads = 1, .num_key_channels = 3, .bias = false})));
  samples.push_back(OnImages("positions", PositionEmbedding({.max_position = 35})));
  samples.push_back(
      OnImages("convolution_standardized", Convolution2d({.filter_size = {3, 2},
                                                          .num_filters = 4,
                                                          .num_groups = 2,
                                                          .weight_standardization = true})));
  samples.push_back(OnImages("transposed_convolution",
                             TransposedConvolution2d({.filter_size = {3, 4},
                                                      .num_filters = 4,
                                                      .stride = {2, 3},
                                                      .cropping = {false, 1, 0, 2, 1}})));
  samples.push_back(
      OnImages("transposed_convolution_same", TransposedConvolution2d({.filter_size = {3, 2},
                                                                       .num_filters = 4,
                                                                       .stride = {2, 3},
                                                                       .cropping = Padding::Same(),
                                                                       .bias = false})));
  samples.push_back(OnImages("resize", Resize({.scale = 1.5})));
  samples.push_back(
      OnImages("resize_linear", Resize({.output_size = {8, 4}, .method = ResizeMethod::kLinear})));
  return samples;
}

inline std::vector<Sample> ElementwiseSamples() {
  std::vector<Sample> samples;
  const auto both = [&](const std::string& name, const auto& make) {
    samples.push_back(OnImages(name + "_images", make()));
    samples.push_back(OnFeatures(name + "_features", make()));
  };
  for (const ops::Elementwise& row : ops::ElementwiseTable())
    both(std::string(row.json), [&] {
      return row.number.name.empty() ? Elementwise(row.json) : Elementwise(row.json, "", 0.1);
    });
  both("dropout", [] { return Dropout({.probability = 0.3}); });
  both("softmax", [] { return Softmax(); });
  samples.push_back(OnImages("flatten", Flatten()));
  samples.push_back(OnFeatures("fully_connected", FullyConnected({.output_size = 5})));
  samples.push_back(
      OnFeatures("fully_connected_no_bias", FullyConnected({.output_size = 5, .bias = false})));
  return samples;
}

// Two or three branches that are joined.
inline Sample Joined(std::string name, int branches, LayerPtr join) {
  Graph graph;
  const Value input = graph.Add(ImageInput({.input_size = {5, 7, 3}}));
  std::vector<Value> values;
  for (int i = 0; i < branches; ++i)
    values.push_back(graph.Add(Convolution2d({.filter_size = {1, 1}, .num_filters = 4}), {input}));
  graph.Add(std::move(join), values);
  return {std::move(name), MakeNetwork(std::move(graph))};
}

inline std::vector<Sample> JoinSamples() {
  std::vector<Sample> samples;
  samples.push_back(Joined("addition_2", 2, Addition()));
  samples.push_back(Joined("addition_3", 3, Addition({.num_inputs = 3})));
  samples.push_back(Joined("multiplication_2", 2, Multiplication()));
  samples.push_back(Joined("multiplication_3", 3, Multiplication({.num_inputs = 3})));
  samples.push_back(Joined("concatenation_2", 2, Concatenation()));
  samples.push_back(Joined("concatenation_3", 3, Concatenation({.num_inputs = 3})));
  return samples;
}

inline std::vector<Sample> InputSamples() {
  using enum InputNormalization;
  std::vector<Sample> samples;
  for (const auto kind : {kNone, kZerocenter, kZscore, kRescaleZeroOne, kRescaleSymmetric}) {
    Graph images, features;
    images.Add(ImageInput({.input_size = {5, 7, 3}, .normalization = kind}));
    images.Add(Relu());
    features.Add(FeatureInput({.num_features = 6, .normalization = kind}));
    features.Add(Relu());
    const std::string name = "input_" + std::string(Name(kind));
    samples.push_back({name + "_images", MakeNetwork(std::move(images))});
    samples.push_back({name + "_features", MakeNetwork(std::move(features))});
  }
  return samples;
}

// A small residual network with one of everything that networks are made of.
inline Network ResidualNetwork() {
  Graph graph;
  graph.Add(ImageInput({.name = "image", .input_size = {12, 12, 3}}));
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 8, .padding = Padding::Same()}));
  graph.Add(BatchNormalization({.name = "bn1", .scale_learn_rate_factor = 2}));
  const Value skip = graph.Add(Relu());
  graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 8, .padding = Padding::Same()}));
  graph.Add(GroupNormalization({.name = "gn1", .num_groups = 4}));
  const Value branch = graph.Add(Gelu());
  graph.Add(Addition({.name = "sum"}), {skip, branch});
  graph.Add(MaxPooling2d({.pool_size = {2, 2}, .stride = {2, 2}}));
  graph.Add(LayerNormalization({.name = "ln1"}));
  graph.Add(Flatten());
  graph.Add(Dropout());
  graph.Add(FullyConnected({.name = "fc", .output_size = 10, .bias_l2_factor = 0.5}));
  graph.Add(Softmax());
  Network network = MakeNetwork(std::move(graph));
  for (int i = 0; i < 10; ++i) network.classes.push_back(std::to_string(i));
  network.facts = {{"max_epochs", "5"}, {"solver", "sgdm"}};
  return network;
}

// A network that tells the classes of positions, of pictures or volumes.
inline Sample UnetSample(int64_t depth) {
  Graph graph = MakeNetwork("unet", {.input_size = {8, 8, 1},
                                     .input_depth = depth,
                                     .num_classes = 3,
                                     .answers_each_position = true,
                                     .norm = {.kind = NormChoice::kInstance},
                                     .width = 4});
  return {depth > 0 ? "unet_volumes" : "unet_images", MakeNetwork(std::move(graph))};
}

inline std::vector<Sample> AllSamples() {
  std::vector<Sample> samples;
  const auto append = [&](std::vector<Sample> more) {
    for (Sample& sample : more) samples.push_back(std::move(sample));
  };
  append(NormalizationSamples());
  append(WindowSamples());
  append(ElementwiseSamples());
  append(VolumeSamples());
  append(FormSamples());
  samples.push_back(UnetSample(0));
  samples.push_back(UnetSample(8));
  append(JoinSamples());
  append(InputSamples());
  samples.push_back({"residual", ResidualNetwork()});
  return samples;
}

}  // namespace normkit
