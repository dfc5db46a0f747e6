// Networks over time in files: read back bit for bit, and damaged.
#include "src/onnx/time_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>

#include "normkit/graph/executor.h"
#include "normkit/nn/networks.h"
#include "normkit/onnx/onnx.h"
#include "src/core/mutations.h"
#include "src/core/testing.h"
#include "src/nn/layer_json.h"
#include "src/onnx/damaged.h"
#include "src/onnx/model.h"
#include "src/onnx/model_mutations.h"
#include "src/onnx/sequence_testing.h"

namespace normkit {
namespace {

Network Sequences(Graph graph) {
  Network network;
  network.parameters = Parameters(graph);
  network.parameters.Initialize(graph, 3);
  Random random(4);
  for (float& value : network.parameters.values()) value += static_cast<float>(random.Uniform());
  network.graph = std::move(graph);
  network.classes = {"up", "down"};
  network.facts = {{"seed", "1"}};
  return network;
}

Network Named(const std::string& name, const std::string& norm, bool each_row = false) {
  std::array<int64_t, 3> pictures{};
  if (name == "cnn-lstm") pictures = {5, 6, 3};
  return Sequences(MakeNetwork(name, {.input_size = pictures,
                                      .num_features = 3,
                                      .sequences = true,
                                      .answers_each_row = each_row,
                                      .num_classes = 2,
                                      .norm = ParseNormChoice(norm)}));
}

// Layers with properties that are not the defaults.
Network Others() {
  Graph graph;
  const Value x = graph.Add(SequenceInput(
      {.name = "steps", .num_features = 4, .normalization = InputNormalization::kRescaleZeroOne}));
  graph.Add(Lstm({.num_hidden_units = 3,
                  .direction = SequenceDirection::kBidirectional,
                  .gate_activation_function = GateActivation::kHardSigmoid,
                  .output_projection = 2,
                  .bias_l2_factor = 0.5}));
  graph.Add(Addition(), {x, graph.output()});
  graph.Add(Lstm({.num_hidden_units = 4,
                  .hidden_state = {1, 2, -3, 0.5f},
                  .cell_state = {0, 0, 1, -1},
                  .learn_initial_states = true}));
  graph.Add(Gru({.num_hidden_units = 4, .hidden_state = {1, 2, -3, 0.5f}}));
  graph.Add(LeakyRelu({.scale = 0.2}));
  graph.Add(Convolution1d({.filter_size = 3, .num_filters = 4, .dilation = 2, .bias = false}));
  graph.Add(GroupNormalization({.num_groups = 2, .epsilon = 1e-3}));
  const Value y = graph.Add(MaxPooling1d({.pool_size = 2, .padding = Padding::Causal()}));
  graph.Add(Dropout({.probability = 0.3}));
  graph.Add(Concatenation(), {y, graph.output()});
  graph.Add(FullyConnected({.output_size = 2, .weight_l2_factor = 3}));
  graph.Add(GlobalMaxPooling1d());
  graph.Add(Tanh());
  return Sequences(std::move(graph));
}

std::vector<float> RunOf(const Network& network) {
  Executor executor(network.graph);
  executor.SetBatch({.whole = 2}, std::vector<int64_t>{0, 4, 9});
  Random random(1);
  for (float& x : executor.input()) x = static_cast<float>(random.Normal());
  const std::span<const float> y = executor.Forward(network.parameters, {});
  return {y.begin(), y.end()};
}

TEST(TimeModel, ReadBackBitForBit) {
  std::vector<Network> networks;
  networks.push_back(Others());
  for (const char* name : {"lstm", "layer-norm-lstm", "gru", "tcn", "transformer-tiny", "cnn-lstm"})
    for (const char* norm : {"none", "batch", "layer", "layer:batch-excluded", "group:2", "rms"})
      networks.push_back(Named(name, norm, norm == std::string("rms")));
  for (const Network& network : networks) {
    const std::string bytes = OnnxBytes(network);
    const Network back = NetworkFromOnnx(bytes, "m.onnx");
    EXPECT_EQ(OnnxBytes(back), bytes);
    EXPECT_EQ(back.classes, network.classes);
    EXPECT_EQ(back.facts, network.facts);
    ASSERT_EQ(back.graph.num_layers(), network.graph.num_layers());
    for (int i = 0; i < back.graph.num_layers(); ++i) {
      EXPECT_EQ(back.graph.layer(i).layer->name(), network.graph.layer(i).layer->name());
      EXPECT_EQ(LayerToJson(*back.graph.layer(i).layer),
                LayerToJson(*network.graph.layer(i).layer));
    }
    EXPECT_EQ(RunOf(back), RunOf(network));
  }
}

TEST(TimeModel, OfStreamsIsReadAsTheNetworkThatItWas) {
  for (const char* name : {"lstm", "layer-norm-lstm", "gru", "cnn-lstm"}) {
    const Network network = Named(name, "batch");
    const std::string bytes = OnnxBytes(network, ImageSizes::kFixed, /*streams=*/true);
    const Network back = NetworkFromOnnx(bytes, "m.onnx");
    EXPECT_EQ(OnnxBytes(back, ImageSizes::kFixed, true), bytes);
    EXPECT_EQ(OnnxBytes(back), OnnxBytes(network));
    EXPECT_EQ(RunOf(back), RunOf(network));
  }
}

TEST(TimeModel, LayersThatDoNotStream) {
  const auto error = [](const LayerPtr& layer) {
    Graph graph;
    graph.Add(SequenceInput({.name = "steps", .num_features = 4}));
    graph.Add(layer);
    return ErrorOf([&] {
      static_cast<void>(OnnxBytes(Sequences(graph), ImageSizes::kFixed, /*streams=*/true));
    });
  };
  const std::string expected =
      ", expected in a network that streams LSTM and GRU forward from zeros, and layers that see "
      "each step by itself";
  EXPECT_EQ(error(Convolution1d({.name = "c", .filter_size = 3, .num_filters = 2})),
            "convolution 1-D 'c': looks at other steps" + expected);
  EXPECT_EQ(
      error(Gru(
          {.name = "g", .num_hidden_units = 2, .direction = SequenceDirection::kBidirectional})),
      "GRU 'g': reads the steps backwards" + expected);
  EXPECT_EQ(error(Lstm({.name = "l", .num_hidden_units = 2, .learn_initial_states = true})),
            "LSTM 'l': begins with states of its own" + expected);
  EXPECT_EQ(
      error(Lstm({.name = "l", .num_hidden_units = 2, .direction = SequenceDirection::kReverse})),
      "LSTM 'l': reads the steps backwards" + expected);
  EXPECT_EQ(
      error(Gru({.name = "g", .num_hidden_units = 2, .direction = SequenceDirection::kReverse})),
      "GRU 'g': reads the steps backwards" + expected);
  EXPECT_EQ(error(Lstm({.name = "l", .num_hidden_units = 2, .hidden_state = {1, 2}})),
            "LSTM 'l': begins with states of its own" + expected);
  EXPECT_EQ(error(Lstm({.name = "l", .num_hidden_units = 2, .cell_state = {1, 2}})),
            "LSTM 'l': begins with states of its own" + expected);
  EXPECT_EQ(error(Gru({.name = "g", .num_hidden_units = 2, .hidden_state = {1, 2}})),
            "GRU 'g': begins with states of its own" + expected);
  EXPECT_EQ(error(MaxPooling1d({.name = "m", .pool_size = 2})),
            "max pooling 1-D 'm': looks at other steps" + expected);
  EXPECT_EQ(error(AveragePooling1d({.name = "a", .pool_size = 2})),
            "average pooling 1-D 'a': looks at other steps" + expected);
  EXPECT_EQ(error(GlobalAveragePooling1d("a")),
            "global average pooling 1-D 'a': looks at other steps" + expected);
  EXPECT_EQ(error(GlobalMaxPooling1d("m")),
            "global max pooling 1-D 'm': looks at other steps" + expected);
  EXPECT_EQ(error(SelfAttention({.name = "s", .num_heads = 1, .num_key_channels = 2})),
            "self-attention 's': looks at other steps" + expected);
  EXPECT_EQ(error(SelfAttention({.name = "s",
                                 .num_heads = 1,
                                 .num_key_channels = 2,
                                 .attention_mask = AttentionMask::kCausal})),
            "self-attention 's': looks at other steps" + expected);
  EXPECT_EQ(error(SinusoidalPositionEncoding("w")),
            "sinusoidal position encoding 'w': counts the steps" + expected);
  EXPECT_EQ(error(InstanceNormalization({.name = "in"})),
            "instance normalization 'in': looks at other steps" + expected);
  EXPECT_EQ(error(PositionEmbedding({.name = "p", .max_position = 4})),
            "position embedding 'p': counts the steps" + expected);
  EXPECT_EQ(error(LastStep()), "no error");
  EXPECT_EQ(error(Convolution1d({.filter_size = 1, .num_filters = 2})), "no error");
  EXPECT_EQ(error(MaxPooling1d({.pool_size = 1})), "no error");
  Graph features;
  features.Add(FeatureInput({.num_features = 4}));
  EXPECT_ERROR(OnnxBytes(Sequences(features), ImageSizes::kFixed, true),
               "model file: the network reads no sequences, expected one that does: others have no "
               "step to stream");
}

TEST(TimeModel, WhatNoFileCanSay) {
  Graph graph;
  graph.Add(SequenceInput({.name = "steps", .num_features = 4}));
  graph.Add(Lstm({.name = "lstm", .num_hidden_units = 3, .has_state_outputs = true}));
  graph.Add(Tanh("tanh"), {graph.layer(1).outputs[1]});
  EXPECT_ERROR(OnnxBytes(Sequences(graph)),
               "tanh 'tanh': reads another value of 'lstm' than its first, expected that one in a "
               "model file");
}

class TimeErrors : public ::testing::Test, protected Damaged {
 protected:
  template <class Damage>
  std::string Message(const Damage& damage) {
    return MessageAfter(bytes_, damage);
  }
  std::string bytes_ = OnnxBytes(Named("lstm", "none"));
};

// The network that the metadata describe, changed.
std::string Described(onnx::ModelProto& model, const std::string& from, const std::string& to) {
  std::string& text = *Damaged::Metadata(model, "normkit.network");
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST_F(TimeErrors, OfTheNetwork) {
  const auto described = [&](const std::string& from, const std::string& to) {
    return Message([&](auto& m) { Described(m, from, to); });
  };
  EXPECT_EQ(described("\"num_hidden_units\":100", "\"num_hidden_units\":-1"),
            "m.onnx: layers[1] 'lstm1': LSTM 'lstm1': num_hidden_units is -1, expected a whole "
            "number from 1 to "
            "1048576");
  EXPECT_EQ(described("\"num_hidden_units\":100", "\"num_hidden_units\":1000000").substr(0, 26),
            "m.onnx: its tensors have 1");
  EXPECT_EQ(described("\"num_hidden_units\":100", "\"units\":100").substr(0, 32),
            "m.onnx: layers[1] 'lstm1': prope");
  EXPECT_EQ(described("{\"layers\"", "{\"layer\"").substr(0, 8), "m.onnx: ");
  EXPECT_EQ(described("sequence input", "feature_input").substr(0, 8), "m.onnx: ");
  EXPECT_EQ(Message([](auto& m) { *Metadata(m, "normkit.network") = "[]"; }),
            "m.onnx: metadata 'normkit.network': is array, expected an object");
  EXPECT_EQ(described("\"num_hidden_units\":100", "\"num_hidden_units\":50"),
            "m.onnx: tensor 'lstm1.input_weights' has shape [1,400,3], expected [1,200,3]");
  EXPECT_EQ(Message([](auto& m) {
              auto* entry = m.add_metadata_props();
              entry->set_key("normkit.layers");
              entry->set_value(R"({"lstm1":{}})");
            }),
            "m.onnx: has metadata 'normkit.layers' beside 'normkit.network', expected one of them");
}

TEST_F(TimeErrors, OfStreams) {
  const auto streams = [&](const std::string& value) {
    return Message(
        [&](auto& m) { Described(m, "{\"layers\"", "{\"streams\":" + value + ",\"layers\""); });
  };
  for (const std::string value : {"false", "1", "null", "\"true\"", "[true]"})
    EXPECT_EQ(streams(value),
              "m.onnx: metadata 'normkit.network': streams is " + value + ", expected true");
  EXPECT_EQ(streams("true"),
            "m.onnx: its number of inputs, 2, is not what the network of metadata "
            "'normkit.network' is written as: the file was changed, or another version of normkit "
            "wrote it");
  bytes_ = OnnxBytes(Named("tcn", "none"));
  EXPECT_EQ(streams("true").substr(0, 54),
            "m.onnx: convolution 1-D 'conv1a': looks at other steps");
}

TEST_F(TimeErrors, OfNodesAndTensors) {
  const std::string changed =
      " is not what the network of metadata 'normkit.network' is written as: the file was changed, "
      "or another version of normkit wrote it";
  EXPECT_EQ(Message([](auto& m) { Attribute(m, "lstm1", "direction")->set_s("reverse"); }),
            "m.onnx: node 'lstm1'" + changed);
  EXPECT_EQ(Message([](auto& m) { Node(m, "lstm1")->set_input(0, "input"); }),
            "m.onnx: node 'lstm1'" + changed);
  EXPECT_EQ(Message([](auto& m) { m.mutable_graph()->mutable_node()->RemoveLast(); }),
            "m.onnx: its number of nodes, 14," + changed);
  EXPECT_EQ(Message([](auto& m) { m.mutable_graph()->mutable_output(0)->set_name("fc3"); }),
            "m.onnx: output 'fc3'" + changed);
  EXPECT_EQ(Message([](auto& m) { m.mutable_opset_import(0)->set_version(14); }),
            "m.onnx: opset 14" + changed);
  EXPECT_EQ(Message([](auto& m) { Tensor(m, "lstm1.bias")->set_name("other"); }),
            "m.onnx: has no tensor 'lstm1.bias', expected one");
  EXPECT_EQ(
      Message([](auto& m) { Tensor(m, "lstm1.bias")->set_data_type(onnx::TensorProto::DOUBLE); }),
      "m.onnx: tensor 'lstm1.bias': tensor 'lstm1.bias' has type DOUBLE, expected FLOAT");
  EXPECT_EQ(
      Message([](auto& m) { *m.mutable_graph()->add_initializer() = *Tensor(m, "lstm1.bias"); }),
      "m.onnx: tensor 'lstm1.bias' stands twice, expected unique names");
  EXPECT_EQ(Message([](auto& m) {
              *m.mutable_graph()->add_initializer() = *Tensor(m, "lstm1.bias");
              m.mutable_graph()->mutable_initializer()->rbegin()->set_name("more");
            }),
            "m.onnx: tensor 'more'" + changed);
  // The second half of the biases is 0 whatever the parameters are.
  EXPECT_EQ(Message([](auto& m) {
              const float one = 1;
              std::string& data = *Tensor(m, "lstm1.bias")->mutable_raw_data();
              data.replace(data.size() - 4, 4, reinterpret_cast<const char*>(&one), 4);
            }),
            "m.onnx: tensor 'lstm1.bias'" + changed);
  EXPECT_EQ(Message([](auto& m) {
              const float nan = std::numeric_limits<float>::quiet_NaN();
              Tensor(m, "lstm1.bias")
                  ->mutable_raw_data()
                  ->replace(0, 4, reinterpret_cast<const char*>(&nan), 4);
            }).substr(0, 8),
            "m.onnx: ");
}

// Few words ask for many constants: scale and offset of norms that have none.
TEST(TimeModel, SmallFilesAskForLittle) {
  Graph graph;
  graph.Add(SequenceInput({.name = "steps", .num_features = 4}));
  graph.Add(BatchNormalization({.affine = false}));
  onnx::ModelProto model;
  model.ParseFromString(OnnxBytes(Sequences(std::move(graph))));
  std::string layers =
      R"({"layers":[{"name":"steps","type":"sequence_input","num_features":1048576})";
  for (int i = 0; i < 1000; ++i)
    layers += R"(,{"type":"layer_normalization","affine":false,"operation_dimension":"auto"})";
  *Damaged::Metadata(model, "normkit.network") = layers + "]}";
  const int64_t before = PeakMemory();
  EXPECT_ERROR(NetworkFromOnnx(model.SerializeAsString(), "m.onnx"),
               "m.onnx: its layers have more constants than the file");
  EXPECT_LT(PeakMemory() - before, int64_t{1} << 26);
}

TEST(TimeModel, EverySampleReadBack) {
  for (const Sample& sample : SequenceSamples()) {
    const std::string bytes = OnnxBytes(sample.network);
    const Network back = NetworkFromOnnx(bytes, "m.onnx");
    EXPECT_EQ(OnnxBytes(back), bytes) << sample.name;
    EXPECT_TRUE(std::ranges::equal(back.parameters.values(), sample.network.parameters.values()))
        << sample.name;
  }
}

TEST(TimeModel, DamagedFilesAreReadOrRefused) {
  const std::vector<std::string> files{OnnxBytes(Named("lstm", "batch")), OnnxBytes(Others())};
  const int64_t before = PeakMemory();
  Random random(8);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = files[static_cast<size_t>(random.Below(2))];
    onnx::ModelProto model;
    if (i % 2 == 0 && model.ParseFromString(bytes)) {
      ModelMutator mutator(random, model);
      for (int64_t changes = random.Below(3); changes >= 0; --changes) mutator.Mutate();
      bytes = model.SerializeAsString();
    } else {
      MutateOnce(random, bytes, PositionIn(random, bytes));
    }
    refused += ErrorOf([&] { NetworkFromOnnx(bytes, "m.onnx"); }) != "no error";
  }
  EXPECT_GT(refused, 500);
  EXPECT_LT(PeakMemory() - before, int64_t{1} << 28);
}

}  // namespace
}  // namespace normkit
