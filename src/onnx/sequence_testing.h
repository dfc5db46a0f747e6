// Small networks of sequences with known weights, one for each layer and way to write it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "src/onnx/testing.h"

namespace normkit {

// The layers one behind the other, of steps with `channels` channels.
inline Sample OnSequences(std::string name, const std::vector<LayerPtr>& layers,
                          int64_t channels = 6) {
  Graph graph;
  graph.Add(SequenceInput({.name = "input", .num_features = channels}));
  for (const LayerPtr& layer : layers) graph.Add(layer);
  return {"sequence_" + std::move(name), MakeNetwork(std::move(graph))};
}

inline void AppendRecurrentSamples(std::vector<Sample>& samples) {
  using enum SequenceDirection;
  const auto add = [&](const std::string& name, const LayerPtr& layer) {
    samples.push_back(OnSequences(name, {layer}));
  };
  for (const auto& [name, direction] :
       {std::pair{"", kForward}, {"_reverse", kReverse}, {"_both", kBidirectional}})
    for (const auto& [end, mode] :
         {std::pair{"", OutputMode::kSequence}, {"_last", OutputMode::kLast}}) {
      const std::string kind = std::string(name) + end;
      add("lstm" + kind,
          Lstm({.num_hidden_units = 5, .output_mode = mode, .direction = direction}));
      add("gru" + kind, Gru({.num_hidden_units = 5, .output_mode = mode, .direction = direction}));
      add("projected" + kind, Lstm({.num_hidden_units = 5,
                                    .output_mode = mode,
                                    .direction = direction,
                                    .output_projection = 3}));
      add("normalized" + kind, Lstm({.num_hidden_units = 5,
                                     .output_mode = mode,
                                     .direction = direction,
                                     .gate_normalization = GateNormalization::kLayer}));
    }
  const auto hard = GateActivation::kHardSigmoid;
  const auto softsign = StateActivation::kSoftsign;
  add("lstm_hard", Lstm({.num_hidden_units = 5,
                         .state_activation_function = softsign,
                         .gate_activation_function = hard}));
  add("projected_hard", Lstm({.num_hidden_units = 5,
                              .state_activation_function = softsign,
                              .gate_activation_function = hard,
                              .output_projection = 3}));
  add("gru_hard", Gru({.num_hidden_units = 5,
                       .state_activation_function = softsign,
                       .gate_activation_function = hard}));
  add("gru_before", Gru({.num_hidden_units = 5,
                         .direction = kBidirectional,
                         .reset_gate_mode = ResetGateMode::kBeforeMultiplication}));
  add("gru_two_biases", Gru({.num_hidden_units = 5,
                             .direction = kBidirectional,
                             .reset_gate_mode = ResetGateMode::kRecurrentBiasAfterMultiplication}));
  const std::vector<float> h{.5f, -.25f, 1, 0, -2, 3, .125f, -1, .75f, .1f},
      c{1, -3, .5f, 2, -.5f, .2f, 0, 1, -1, .3f};
  add("lstm_begun", Lstm({.num_hidden_units = 5,
                          .direction = kBidirectional,
                          .hidden_state = h,
                          .cell_state = c}));
  add("gru_begun", Gru({.num_hidden_units = 5,
                        .output_mode = OutputMode::kLast,
                        .direction = kBidirectional,
                        .hidden_state = h,
                        .learn_initial_states = true}));
  add("projected_begun", Lstm({.num_hidden_units = 5,
                               .direction = kBidirectional,
                               .cell_state = c,
                               .learn_initial_states = true,
                               .output_projection = 3,
                               .gate_normalization = GateNormalization::kLayer}));
}

inline void AppendTimeNormalizations(std::vector<Sample>& samples) {
  for (const bool affine : {true, false}) {
    const auto add = [&](const std::string& name, const LayerPtr& layer) {
      samples.push_back(OnSequences(name + (affine ? "" : "_bare"), {layer}));
    };
    add("batch", BatchNormalization({.affine = affine}));
    for (const auto dimension : {OperationDimension::kBatchExcluded, OperationDimension::kAuto})
      add("layer_" + std::string(Name(dimension)),
          LayerNormalization({.operation_dimension = dimension, .affine = affine}));
    add("instance", InstanceNormalization({.affine = affine}));
    add("group_2", GroupNormalization({.num_groups = 2, .affine = affine}));
    add("rms", RmsNormalization({.affine = affine}));
    add("group_rms_2", GroupRmsNormalization({.num_groups = 2, .affine = affine}));
  }
}

inline void AppendTimeWindows(std::vector<Sample>& samples) {
  const auto add = [&](const std::string& name, const LayerPtr& layer) {
    samples.push_back(OnSequences(name, {layer}));
  };
  add("convolution", Convolution1d({.filter_size = 4, .num_filters = 5}));
  add("convolution_causal", Convolution1d({.filter_size = 3,
                                           .num_filters = 4,
                                           .dilation = 2,
                                           .padding = Padding::Causal(),
                                           .num_groups = 2,
                                           .bias = false}));
  for (const auto& [name, padding] :
       {std::pair{"", Padding::Same()}, {"_causal", Padding::Causal()}}) {
    add(std::string("max_pooling") + name, MaxPooling1d({.pool_size = 4, .padding = padding}));
    add(std::string("average_pooling") + name,
        AveragePooling1d({.pool_size = 3, .padding = padding}));
  }
  add("mean", GlobalAveragePooling1d());
  add("maximum", GlobalMaxPooling1d());
  add("last", LastStep());
}

inline void AppendAttentions(std::vector<Sample>& samples) {
  const auto add = [&](const std::string& name, const LayerPtr& layer) {
    samples.push_back(OnSequences(name, {layer}));
  };
  add("attention", SelfAttention({.num_heads = 2, .num_key_channels = 4}));
  add("attention_causal", SelfAttention({.num_heads = 3,
                                         .num_key_channels = 6,
                                         .num_value_channels = 9,
                                         .output_size = 5,
                                         .attention_mask = AttentionMask::kCausal,
                                         .bias = false}));
  add("positions", PositionEmbedding({.max_position = 9}));
  add("waves", SinusoidalPositionEncoding());
  samples.push_back(OnSequences("embedding", {Embedding({.dimension = 4, .num_words = 7})}, 1));
  samples.back().tokens = 7;
}

// Pictures of each step, then features: every normalization over space and time.
inline void AppendPicturesOverTime(std::vector<Sample>& samples) {
  const auto add = [&](const std::string& name, const std::vector<LayerPtr>& layers,
                       InputNormalization input = InputNormalization::kNone) {
    Graph graph;
    graph.Add(SequenceInput(
        {.name = "input", .num_features = 4, .height = 5, .width = 6, .normalization = input}));
    for (const LayerPtr& layer : layers) graph.Add(layer);
    graph.Add(Flatten("flatten"));
    samples.push_back({"sequence_pictures_" + name, MakeNetwork(std::move(graph))});
  };
  const std::pair<const char*, LayerPtr> norms[] = {
      {"batch", BatchNormalization()},
      {"layer", LayerNormalization()},
      {"layer_auto", LayerNormalization({.operation_dimension = OperationDimension::kAuto})},
      {"layer_space",
       LayerNormalization({.operation_dimension = OperationDimension::kSpatialChannel})},
      {"instance", InstanceNormalization({.affine = false})},
      {"group_2", GroupNormalization({.num_groups = 2})},
      {"rms", RmsNormalization()},
      {"group_rms_2", GroupRmsNormalization({.num_groups = 2})}};
  for (const auto& [name, norm] : norms) add(name, {norm});
  add("convolution", {Convolution2d({.filter_size = {3}, .num_filters = 3, .stride = {2, 1}})},
      InputNormalization::kZscore);
  add("pooling", {MaxPooling2d({.pool_size = {2}}), AveragePooling2d({.pool_size = {2}}), Relu(),
                  GlobalAveragePooling2d()});
  for (const bool affine : {true, false}) {
    const auto convolution = [] {
      return Convolution2d({.filter_size = {3}, .num_filters = 4, .padding = Padding::Same()});
    };
    Graph graph;
    graph.Add(SequenceInput({.name = "steps",
                             .num_features = 1,
                             .height = 6,
                             .width = 6,
                             .normalization = InputNormalization::kZscore}));
    const Value x = graph.Add(convolution());
    graph.Add(LayerNormalization({.affine = affine}));
    graph.Add(Relu());
    const Value y = graph.Add(convolution());
    graph.Add(Addition(), {x, y});
    graph.Add(InstanceNormalization({.affine = affine}));
    graph.Add(MaxPooling2d({.pool_size = {2}, .stride = {2}}));
    graph.Add(Flatten());
    graph.Add(FullyConnected({.output_size = 8}));
    graph.Add(Lstm({.num_hidden_units = 6}));
    graph.Add(InstanceNormalization());
    if (affine) graph.Add(LastStep());
    graph.Add(FullyConnected({.output_size = 3}));
    graph.Add(Softmax());
    samples.push_back({affine ? "sequence_pictures_once" : "sequence_pictures_each",
                       MakeNetwork(std::move(graph))});
  }
}

// Networks that give a picture, or a line, for each step.
inline void AppendPicturesGiven(std::vector<Sample>& samples) {
  Graph pictures, lines;
  pictures.Add(SequenceInput({.name = "input", .num_features = 4, .height = 5, .width = 6}));
  pictures.Add(Convolution2d({.filter_size = {3}, .num_filters = 3, .padding = Padding::Same()}));
  pictures.Add(Sigmoid());
  lines.Add(SequenceInput({.name = "input", .num_features = 4, .width = 6}));
  lines.Add(BatchNormalization());
  samples.push_back({"sequence_pictures_given", MakeNetwork(std::move(pictures))});
  samples.push_back({"sequence_lines_given", MakeNetwork(std::move(lines))});
}

// Everything behind each other: a sequence that is told once, and one of which each step is.
inline std::vector<Sample> SequenceNetworks() {
  const auto block = [](Graph& graph) {
    const Value x = graph.Add(FullyConnected({.output_size = 6}));
    graph.Add(LayerNormalization({.operation_dimension = OperationDimension::kAuto}));
    const Value y = graph.Add(SelfAttention({.num_heads = 2, .num_key_channels = 6}));
    graph.Add(Addition(), {x, y});
    graph.Add(InstanceNormalization({.epsilon = 1e-3}));
    graph.Add(Gelu());
    const Value z = graph.Add(Dropout({.probability = 0.3}));
    graph.Add(Concatenation(), {x, z});
    graph.Add(Lstm({.num_hidden_units = 4, .direction = SequenceDirection::kBidirectional}));
  };
  Graph once, each;
  for (Graph* graph : {&once, &each}) {
    graph->Add(SequenceInput({.name = "steps",
                              .num_features = 4,
                              .normalization = InputNormalization::kRescaleSymmetric}));
    block(*graph);
  }
  once.Add(GlobalAveragePooling1d());
  once.Add(FullyConnected({.output_size = 5, .weight_l2_factor = 3}));
  once.Add(BatchNormalization());
  once.Add(LeakyRelu({.scale = 0.2}));
  for (Graph* graph : {&once, &each}) {
    graph->Add(FullyConnected({.output_size = 3, .bias = false}));
    graph->Add(Softmax());
  }
  std::vector<Sample> samples;
  samples.push_back({"sequence_once", MakeNetwork(std::move(once))});
  samples.push_back({"sequence_each", MakeNetwork(std::move(each))});
  for (Sample& sample : samples) sample.network.classes = {"a", "b", "c"};
  return samples;
}

inline std::vector<Sample> SequenceSamples() {
  std::vector<Sample> samples;
  AppendRecurrentSamples(samples);
  AppendTimeNormalizations(samples);
  AppendTimeWindows(samples);
  AppendAttentions(samples);
  AppendPicturesOverTime(samples);
  AppendPicturesGiven(samples);
  samples.push_back(OnSequences("fully_connected", {FullyConnected({.output_size = 4})}));
  samples.push_back(OnSequences("softmax", {Softmax()}));
  for (Sample& sample : SequenceNetworks()) samples.push_back(std::move(sample));
  return samples;
}

}  // namespace normkit
