// Every message that a layer refuses with.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "normkit/graph/graph.h"
#include "normkit/nn/input_statistics.h"
#include "normkit/nn/layers.h"
#include "normkit/nn/loss.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

// What a layer says behind images of 6x5 with 4 channels, or 3 features.
std::string AfterImages(const LayerPtr& layer) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {6, 5, 4}}));
  return ErrorOf([&] { graph.Add(layer); });
}
std::string AfterFeatures(const LayerPtr& layer) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 3}));
  return ErrorOf([&] { graph.Add(layer); });
}

// Of a layer that reads so many inputs like x.
std::string ErrorBehind(const LayerPtr& layer, const Layout& x, size_t inputs = 1) {
  Graph graph;
  const Value value = graph.AddInput({DType::kF32, x});
  return ErrorOf([&] { graph.Add(layer, std::vector<Value>(inputs, value)); });
}

TEST(LayerErrorsTest, Graph) {
  Graph graph;
  EXPECT_EQ(ErrorOf([&] { graph.input_layout(); }),
            "graph: has no layers, expected an input layer");
  EXPECT_EQ(ErrorOf([&] { graph.Add(nullptr); }), "graph: a null layer given");
  EXPECT_EQ(ErrorOf([&] { graph.Add(Relu("r")); }),
            "ReLU 'r': stands first in the graph, expected an input layer");
  graph.Add(FeatureInput({.name = "in", .num_features = 3}));
  EXPECT_EQ(ErrorOf([&] { graph.Add(Relu("in")); }),
            "ReLU 'in': a layer of this name stands in the graph already");
  EXPECT_EQ(ErrorOf([&] { graph.Add(Relu("r"), {1}); }),
            "ReLU 'r': reads value 1, expected 0 to 0");
  EXPECT_EQ(ErrorOf([&] { graph.Add(Relu("r"), std::vector<Value>{}); }),
            "ReLU 'r': no inputs given, expected at least 1 (only input layers have none)");
  EXPECT_EQ(ErrorOf([&] { graph.Add(FeatureInput({.name = "two", .num_features = 1}), {0}); }),
            "feature input 'two': 1 inputs given, expected none: observations come in here");
  EXPECT_EQ(ErrorOf([&] { graph.Add(Relu("r"), {0, 0}); }), "ReLU 'r': 2 inputs given, expected 1");
  EXPECT_EQ(graph.num_layers(), 1);
  graph.Add(Relu());
  graph.Add(Relu());
  EXPECT_EQ(graph.Find("relu_2"), 2);
}

TEST(LayerErrorsTest, Inputs) {
  EXPECT_EQ(ErrorOf([] {
              ImageInput({.name = "in", .input_size = {0, 28, 1}});
            }),
            "image input 'in': input_size height is 0, expected a whole number from 1 to 1048576");
  EXPECT_EQ(ErrorOf([] {
              ImageInput({.input_size = {28, -1, 1}});
            }),
            "image input: input_size width is -1, expected a whole number from 1 to 1048576");
  EXPECT_EQ(ErrorOf([] {
              ImageInput({.input_size = {28, 28, 0}});
            }),
            "image input: input_size channels is 0, expected a whole number from 1 to 1048576");
  EXPECT_EQ(ErrorOf([] { FeatureInput({}); }),
            "feature input: num_features is 0, expected a whole number from 1 to 1048576");
  EXPECT_EQ(ErrorOf([] { ParseInputNormalization("z-scoer"); }),
            "normalization 'z-scoer' is unknown, expected none, zerocenter, zscore, "
            "rescale-zero-one, rescale-symmetric, did you mean 'zscore'?");
  EXPECT_EQ(ParseInputNormalization("z-score"), InputNormalization::kZscore);
}

TEST(LayerErrorsTest, InputStatistics) {
  Graph graph;
  graph.Add(FeatureInput(
      {.name = "in", .num_features = 3, .normalization = InputNormalization::kZscore}));
  InputStatistics statistics(graph);
  Parameters parameters(graph);
  EXPECT_EQ(
      ErrorOf([&] { statistics.WriteTo(parameters); }),
      "feature input 'in': no observations given, expected at least one to take statistics from");
  EXPECT_EQ(ErrorOf([&] { statistics.Add(std::vector<float>(4)); }),
            "feature input 'in': 4 values of observations given, expected a multiple of 3");
}

TEST(LayerErrorsTest, Convolution) {
  const auto error = [](const Convolution2dOptions& options) {
    return ErrorOf([&] { Convolution2d(options); });
  };
  EXPECT_EQ(error({.name = "c", .filter_size = {0, 3}, .num_filters = 1}),
            "convolution 2-D 'c': filter_size is 0, expected a whole number from 1 to 4096");
  EXPECT_EQ(error({.filter_size = {3, 3}}),
            "convolution 2-D: num_filters is 0, expected a whole number from 1 to 1048576");
  EXPECT_EQ(error({.filter_size = {3, 3}, .num_filters = 1, .stride = {1, 0}}),
            "convolution 2-D: stride is 0, expected a whole number from 1 to 4096");
  EXPECT_EQ(error({.filter_size = {3, 3}, .num_filters = 1, .dilation = {-1, 1}}),
            "convolution 2-D: dilation is -1, expected a whole number from 1 to 4096");
  EXPECT_EQ(error({.filter_size = {3, 3}, .num_filters = 1, .padding = Padding::All(-1)}),
            "convolution 2-D: padding is -1, expected a whole number from 0 to 4096");
  EXPECT_EQ(error({.filter_size = {3, 3}, .num_filters = 4, .num_groups = 0}),
            "convolution 2-D: num_groups is 0, expected a whole number from 1 to 1048576");
  EXPECT_EQ(error({.filter_size = {3, 3}, .num_filters = 4, .num_groups = 3}),
            "convolution 2-D: num_groups is 3, expected a divisor of num_filters 4");
  EXPECT_EQ(
      error({.filter_size = {3, 3}, .num_filters = 4, .weight_learn_rate_factor = std::nan("")}),
      "convolution 2-D: weight_learn_rate_factor is nan, expected a finite number, 0 or more");
  EXPECT_EQ(error({.filter_size = {3, 3}, .num_filters = 4, .bias_l2_factor = -1}),
            "convolution 2-D: bias_l2_factor is -1, expected a number, 0 or more");
  EXPECT_EQ(AfterFeatures(Convolution2d({.filter_size = {3, 3}, .num_filters = 1})),
            "convolution 2-D 'conv_1': input is BC [1,3], expected images, BSSC "
            "[batch,height,width,channels]");
  EXPECT_EQ(AfterImages(Convolution2d(
                {.name = "c", .filter_size = {3, 3}, .num_filters = 9, .num_groups = 3})),
            "convolution 2-D 'c': num_groups is 3, expected a divisor of the 4 channels of x (BSSC "
            "[1,6,5,4])");
  EXPECT_EQ(AfterImages(Convolution2d(
                {.name = "c", .filter_size = {3, 4}, .num_filters = 1, .dilation = {1, 2}})),
            "convolution 2-D 'c': the window covers 3x7, expected at most the padded input, 6x5 "
            "(BSSC [1,6,5,4])");
  EXPECT_EQ(
      AfterImages(Convolution2d({.name = "c",
                                 .filter_size = {1, 1},
                                 .num_filters = 4,
                                 .num_groups = 4,
                                 .weight_standardization = true})),
      "convolution 2-D 'c': filters have 1 weight each, which weight_standardization makes 0, "
      "expected more (x is BSSC [1,6,5,4], num_groups 4)");
}

TEST(LayerErrorsTest, FullyConnected) {
  EXPECT_EQ(ErrorOf([] { FullyConnected({.name = "fc"}); }),
            "fully connected 'fc': output_size is 0, expected a whole number from 1 to 1048576");
  EXPECT_EQ(ErrorOf([] { FullyConnected({.output_size = 1, .weight_l2_factor = -2}); }),
            "fully connected: weight_l2_factor is -2, expected a number, 0 or more");
  EXPECT_EQ(
      AfterImages(FullyConnected({.name = "fc", .output_size = 2})),
      "fully connected 'fc': input is BSSC [1,6,5,4], expected features, BC [batch,channels] or TC "
      "[rows,channels]: flatten images first");
}

TEST(LayerErrorsTest, Pooling) {
  EXPECT_EQ(ErrorOf([] { MaxPooling2d({.name = "p"}); }),
            "max pooling 2-D 'p': pool_size is 0, expected a whole number from 1 to 4096");
  EXPECT_EQ(ErrorOf([] {
              AveragePooling2d({.name = "p", .pool_size = {2, 3}, .padding = {false, 1, 1, 1, 3}});
            }),
            "average pooling 2-D 'p': padding is 3, expected less than pool_size 3: a window would "
            "see nothing");
  EXPECT_EQ(AfterImages(MaxPooling2d({.name = "p", .pool_size = {7, 2}})),
            "max pooling 2-D 'p': the window covers 7x2, expected at most the padded input, 6x5 "
            "(BSSC [1,6,5,4])");
  EXPECT_EQ(AfterFeatures(GlobalAveragePooling2d("g")),
            "global average pooling 2-D 'g': input is BC [1,3], expected images, BSSC "
            "[batch,height,width,channels]");
  EXPECT_EQ(AfterFeatures(Flatten("f")),
            "flatten 'f': input is BC [1,3], expected images, BSSC [batch,height,width,channels]");
}

TEST(LayerErrorsTest, OthersWithProperties) {
  EXPECT_EQ(ErrorOf([] { LeakyRelu({.name = "l", .scale = -1}); }),
            "leaky ReLU 'l': scale is -1, expected a number, 0 or more");
  EXPECT_EQ(ErrorOf([] { Dropout({.name = "d", .probability = 1}); }),
            "dropout 'd': probability is 1, expected a number from 0 to 0.999");
  EXPECT_EQ(ErrorOf([] { Addition({.name = "a", .num_inputs = 1}); }),
            "addition 'a': num_inputs is 1, expected a whole number from 2 to 1024");
  EXPECT_EQ(AfterImages(Addition({.name = "a"})),
            "addition 'a': 1 inputs given, expected 2 (num_inputs)");
  EXPECT_EQ(ErrorOf([] { Concatenation({.name = "c", .num_inputs = 0}); }),
            "concatenation 'c': num_inputs is 0, expected a whole number from 2 to 1024");

  Graph graph;
  graph.Add(ImageInput({.input_size = {6, 5, 4}}));
  const Value pooled = graph.Add(GlobalAveragePooling2d());
  EXPECT_EQ(ErrorOf([&] {
              graph.Add(Addition({.name = "a"}), {0, pooled});
            }),
            "addition 'a': inputs are BSSC [1,6,5,4] and BSSC [1,1,1,4], expected equal sizes");
  EXPECT_EQ(ErrorOf([&] {
              graph.Add(Concatenation({.name = "c"}), {0, pooled});
            }),
            "concatenation 'c': inputs are BSSC [1,6,5,4] and BSSC [1,1,1,4], expected sizes that "
            "differ in the channels only");
}

TEST(LayerErrorsTest, Normalization) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(ErrorOf([] { BatchNormalization({.name = "bn", .epsilon = 0}); }),
            "batch normalization 'bn': epsilon is 0, expected a number above 0");
  EXPECT_EQ(ErrorOf([&] { RmsNormalization({.epsilon = infinity}); }),
            "RMS normalization: epsilon is inf, expected a finite number above 0");
  EXPECT_EQ(ErrorOf([] { BatchNormalization({.mean_decay = 1.5}); }),
            "batch normalization: mean_decay is 1.5, expected a number from 0 to 1");
  EXPECT_EQ(ErrorOf([] { BatchNormalization({.variance_decay = -0.5}); }),
            "batch normalization: variance_decay is -0.5, expected a number from 0 to 1");
  EXPECT_EQ(ErrorOf([] {
              BatchNormalization({.trained_variance = {1, -1}});
            }),
            "batch normalization: trained_variance[1] is -1, expected a number, 0 or more");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(ErrorOf([&] {
              BatchNormalization({.trained_mean = {0, nan}});
            }),
            "batch normalization: trained_mean[1] is nan, expected a finite number");
  EXPECT_EQ(ErrorOf([&] { InstanceNormalization({.scale = {nan}}); }),
            "instance normalization: scale[0] is nan, expected a finite number");
  EXPECT_EQ(ErrorOf([&] { LayerNormalization({.offset = {-infinity}}); }),
            "layer normalization: offset[0] is -inf, expected a finite number");
  EXPECT_EQ(ErrorOf([&] { BatchNormalization({.trained_variance = {infinity}}); }),
            "batch normalization: trained_variance[0] is inf, expected a finite number, 0 or more");
  EXPECT_EQ(ErrorOf([] { LayerNormalization({.num_channels = 0}); }),
            "layer normalization: num_channels is 0, expected a whole number from 1 to 1048576");
  EXPECT_EQ(ErrorOf([] { InstanceNormalization({.scale_learn_rate_factor = -1}); }),
            "instance normalization: scale_learn_rate_factor is -1, expected a number, 0 or more");
  EXPECT_EQ(ErrorOf([] { GroupNormalization({.name = "gn"}); }),
            "group normalization 'gn': num_groups is 0, expected a whole number from 1 to 1048576, "
            "all-channels or channel-wise");
  EXPECT_EQ(AfterImages(GroupNormalization({.name = "gn", .num_groups = 3})),
            "group normalization 'gn': num_groups is 3, expected a divisor of the 4 channels of x "
            "(BSSC [1,6,5,4])");
  EXPECT_EQ(
      AfterImages(BatchNormalization({.name = "bn", .num_channels = 5})),
      "batch normalization 'bn': num_channels is 5, expected 4 (channels of x, BSSC [1,6,5,4])");
  EXPECT_EQ(
      AfterImages(LayerNormalization({.name = "ln", .scale = {1, 2}})),
      "layer normalization 'ln': scale has 2 values, expected 4 (channels of x, BSSC [1,6,5,4])");
  EXPECT_EQ(
      AfterImages(LayerNormalization({.name = "ln", .offset = {1, 2}})),
      "layer normalization 'ln': offset has 2 values, expected 4 (channels of x, BSSC [1,6,5,4])");
  EXPECT_EQ(
      AfterFeatures(BatchNormalization({.name = "bn", .trained_mean = {1}})),
      "batch normalization 'bn': trained_mean has 1 values, expected 3 (channels of x, BC [1,3])");
  EXPECT_EQ(AfterFeatures(BatchNormalization({.name = "bn", .trained_variance = {1}})),
            "batch normalization 'bn': trained_variance has 1 values, expected 3 (channels of x, "
            "BC [1,3])");
}

// Each property given to the layers that do not have it.
TEST(LayerErrorsTest, PropertiesThatANormalizationLacks) {
  using P = NormalizationProperties;
  EXPECT_EQ(ErrorOf([] { LayerNormalization({.name = "ln", .trained_mean = {1}}); }),
            "layer normalization 'ln': trained_mean is given, expected none: it is a property of "
            "batch normalization");
  EXPECT_EQ(ErrorOf([] { BatchNormalization({.renormalization_shift_limit = 2}); }),
            "batch normalization: renormalization_shift_limit is given, expected none: renormalize "
            "is false");
  EXPECT_EQ(
      ErrorOf([] { BatchNormalization({.use_trained_statistics = true, .renormalize = true}); }),
      "batch normalization: renormalize and use_trained_statistics are given, expected one of "
      "them");
  EXPECT_EQ(
      ErrorOf(
          [] { BatchNormalization({.renormalize = true, .renormalization_scale_limit = 0.5}); }),
      "batch normalization: renormalization_scale_limit is 0.5, expected a number, 1 or more");
  EXPECT_EQ(ErrorOf([] { RmsNormalization({.offset_l2_factor = 0}); }),
            "RMS normalization: offset_l2_factor is given, expected none: it is a property of "
            "every normalization but RMS normalization and group RMS normalization");
  struct Row {
    P properties;
    std::string_view
        had_by;  // batch, layer, instance, group, rms, group RMS: x where the layer has it
  };
  const auto with_function = [] {
    return P{.num_groups = 2, .offset_initializer = Initializer([](auto, Random&) {})};
  };
  const Row rows[] = {
      {{.num_groups = 2}, "...x.x"},
      {{.num_groups = 2, .epsilon = 1e-3, .num_channels = 4, .scale = {1}}, "...x.x"},
      {{.epsilon = 1e-3, .num_channels = 4, .scale = {1}}, "xxx.x."},
      {{.operation_dimension = OperationDimension::kAuto}, ".x...."},
      {{.trained_variance = {1}}, "x....."},
      {{.offset = {1}}, "xxx..."},
      {{.mean_decay = 0.5}, "x....."},
      {{.variance_decay = 0.5}, "x....."},
      {{.offset_initializer = Initializer::kOnes}, "xxx..."},
      {with_function(), "...x.."},
      {{.offset_learn_rate_factor = 2}, "xxx..."},
      {{.freeze_statistics = true}, "x....."},
      {{.use_trained_statistics = true}, "x....."},
      {{.renormalize = true}, "x....."},
      {{.renormalize = true, .renormalization_warm_up = 5}, "x....."},
  };
  LayerPtr (*const makers[])(const P&) = {BatchNormalization,    LayerNormalization,
                                          InstanceNormalization, GroupNormalization,
                                          RmsNormalization,      GroupRmsNormalization};
  for (size_t row = 0; row < std::size(rows); ++row)
    for (size_t i = 0; i < std::size(makers); ++i) {
      const std::string error = ErrorOf([&] { makers[i](rows[row].properties); });
      EXPECT_EQ(error == "no error", rows[row].had_by[i] == 'x')
          << row << ", " << i << ": " << error;
    }
}

TEST(LayerErrorsTest, AttentionOfPictures) {
  const auto message = [](const LayerPtr& layer) {
    return ErrorOf([&] {
      Graph graph;
      graph.Add(ImageInput({.input_size = {4, 3, 6}}));
      graph.Add(layer);
    });
  };
  EXPECT_EQ(message(SelfAttention({.name = "a",
                                   .num_heads = 1,
                                   .num_key_channels = 2,
                                   .attention_mask = AttentionMask::kCausal})),
            "self-attention 'a': attention_mask is causal, expected none: x has no time (BSSC "
            "[1,4,3,6])");
  EXPECT_EQ(message(PositionEmbedding({.name = "p", .max_position = 13})),
            "position embedding 'p': max_position is 13, expected 12 (positions of x, BSSC "
            "[1,4,3,6])");
  EXPECT_EQ(message(SinusoidalPositionEncoding("s")),
            "sinusoidal position encoding 's': input is BSSC [1,4,3,6], expected rows of "
            "sequences, TC [rows,channels]");
}

// Every kind of norm behind features and images of each size: where a statistic is of one value
// whatever the batch, the layer cannot say anything about its input, and is refused.
TEST(LayerErrorsTest, NormalizationsThatSayNothing) {
  using enum OperationDimension;
  const auto layer = [](OperationDimension dimension) {
    return LayerNormalization({.name = "n", .operation_dimension = dimension});
  };
  const auto group = [](int64_t groups) {
    return GroupNormalization({.name = "n", .num_groups = groups});
  };
  struct Place {
    const char* format;
    std::vector<int64_t> shape;
  };
  const Place places[] = {{"BC", {1, 4}},         {"BC", {1, 1}},         {"BSSC", {1, 1, 1, 4}},
                          {"BSSC", {1, 1, 1, 1}}, {"BSSC", {1, 2, 1, 4}}, {"BSSC", {1, 2, 1, 1}},
                          {"BTC", {1, 1, 4}},     {"BTC", {1, 3, 1}},     {"BSC", {1, 1, 1}},
                          {"BSC", {1, 5, 1}}};
  struct Row {
    const char* name;
    LayerPtr layer;
    std::string_view refused;  // a letter a place: x where it is
  };
  const Row rows[] = {
      {"batch", BatchNormalization({.name = "n"}), ".........."},
      {"layer", layer(kBatchExcluded), ".x.x....x."},
      {"auto", layer(kAuto), ".x.x...xxx"},
      {"channel-only", layer(kChannelOnly), ".x.x.x.xxx"},
      {"spatial-channel", layer(kSpatialChannel), ".x.x...xx."},
      {"instance", InstanceNormalization({.name = "n"}), "xxxx..x.x."},
      {"group 1", group(1), ".x.x....x."},
      {"all channels", group(GroupNormalizationOptions::kAllChannels), ".x.x....x."},
      {"channel-wise", group(GroupNormalizationOptions::kChannelWise), "xxxx..x.x."},
      {"rms", RmsNormalization({.name = "n"}), ".x.x.x.xxx"},
      {"group RMS", GroupRmsNormalization({.name = "n", .num_groups = 1}), ".x.x....x."},
  };
  for (const Row& row : rows)
    for (size_t i = 0; i < std::size(places); ++i) {
      const Layout x = Layout::Make(places[i].format, places[i].shape);
      const std::string error = ErrorBehind(row.layer, x);
      SCOPED_TRACE(std::string(row.name) + " of " + x.ToString());
      if (row.refused[i] == '.') {
        EXPECT_EQ(error, "no error");
      } else {
        const bool rms = std::string_view(row.name).ends_with("rms") ||
                         std::string_view(row.name).ends_with("RMS");
        EXPECT_NE(error.find(" normalization 'n': each statistic is of one value of x (" +
                             x.ToString() + "), so that the output would be " +
                             (rms ? "the scale with the sign of x" : "the offset") +
                             " whatever the input; expected "),
                  std::string::npos)
            << error;
      }
    }
  EXPECT_EQ(AfterFeatures(group(3)),
            "group normalization 'n': each statistic is of one value of x (BC [1,3]), so that the "
            "output would be the offset whatever the input; expected fewer groups, images larger "
            "than 1x1, or batch normalization");
}

TEST(LayerErrorsTest, SoftmaxOfOneValueSaysNothing) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 8}));
  graph.Add(FullyConnected({.output_size = 1}));
  EXPECT_EQ(ErrorOf([&] { graph.Add(Softmax("s")); }),
            "softmax 's': input is BC [1,1], expected at least 2 channels (classes): of one value "
            "it is 1, whatever the input");
}

// Grey images are channels last too.
TEST(LayerErrorsTest, OneChannelMayBeJoined) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {6, 5, 1}}));
  graph.Add(Concatenation(), {0, 0});
  EXPECT_EQ(graph.Infer(2).types.back().shape.ToString(), "BSSC [2,6,5,2]");
}

TEST(LayerErrorsTest, LayoutsOfOtherOrders) {
  const std::vector<int64_t> sizes{1, 4, 6, 5};
  const auto error_of = [&](const LayerPtr& layer, const char* format, size_t inputs = 1) {
    return ErrorBehind(layer, Layout::Make(format, sizes), inputs);
  };
  EXPECT_EQ(error_of(Concatenation({.name = "c"}), "BCSS", 2),
            "concatenation 'c': input is BCSS [1,4,6,5], expected channels last");
  EXPECT_EQ(error_of(Softmax("s"), "BCSS"),
            "softmax 's': input is BCSS [1,4,6,5], expected channels last");
  EXPECT_EQ(error_of(BatchNormalization({.name = "bn"}), "BTSS"),
            "batch normalization 'bn': input is BTSS [1,4,6,5], expected a channel dimension");
}

TEST(LayerErrorsTest, Losses) {
  const std::vector<float> scores(6);
  const std::vector<int64_t> labels{0, 3};
  std::vector<float> gradient(5);
  EXPECT_EQ(ErrorOf([&] { CrossEntropyLoss(scores, labels, 4, {}); }),
            "cross-entropy: 6 scores given, expected 2 (labels) x 4 (classes)");
  EXPECT_EQ(ErrorOf([&] { CrossEntropyLoss(scores, labels, 3, {}); }),
            "cross-entropy: label of observation 1 is 3, expected 0 to 2");
  EXPECT_EQ(ErrorOf([&] { CrossEntropyLoss(scores, labels, 3, gradient); }),
            "cross-entropy: gradient has 5 values, expected 6");
  EXPECT_EQ(ErrorOf([&] { HalfMeanSquaredError(scores, gradient, 2, {}); }),
            "mean squared error: 6 values given, expected 5 (targets), a multiple of batch size 2");
  EXPECT_EQ(ErrorOf([&] { HalfMeanSquaredError(scores, scores, 2, gradient); }),
            "mean squared error: gradient has 5 values, expected 6");
}

}  // namespace
}  // namespace normkit
