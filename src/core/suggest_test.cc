#include "src/core/suggest.h"

#include <gtest/gtest.h>

namespace normkit {
namespace {

const std::vector<std::string> kOptions{
    "--data",           "--validation-data", "--network",    "--norm",
    "--solver",         "--max-epochs",      "--seed",       "--mini-batch-size",
    "--solver-epsilon", "--momentum",        "--shuffle",    "--initial-learn-rate",
    "--output",         "--threads",         "--num-groups", "--l2-regularization"};
const std::vector<std::string> kNorms{"none", "batch", "layer", "instance", "group", "rms"};
const std::vector<std::string> kNetworks{"small-cnn", "mlp", "lenet", "resnet-tiny"};
const std::vector<std::string> kFormats{"BC", "BCS", "BSC", "BCSS", "BSSC", "BTC"};
const std::vector<std::string> kLayers{
    "batch_normalization", "convolution2d", "fully_connected",
    "group_normalization", "image_input",   "layer_normalization",
    "leaky_relu",          "max_pooling2d", "relu"};
const std::vector<std::string> kProperties{"filter_size", "num_filters", "stride", "epsilon"};

TEST(DidYouMean, NamesWhatTheWordStandsFor) {
  const struct {
    const char* word;
    const std::vector<std::string>& candidates;
    const char* expected;
  } cases[] = {
      // A few wrong letters.
      {"bacth", kNorms, "batch"},
      {"instanse", kNorms, "instance"},
      {"--treads", kOptions, "--threads"},
      {"filtersize", kProperties, "filter_size"},
      // Spellings of the toolbox.
      {"MaxEpochs", kOptions, "--max-epochs"},
      {"--InitialLearnRate", kOptions, "--initial-learn-rate"},
      {"--MiniBatchSize", kOptions, "--mini-batch-size"},
      {"Epsilon", kProperties, "epsilon"},
      {"Epsilon", kOptions, "--solver-epsilon"},
      {"batchNormalizationLayer", kNorms, "batch"},
      {"batchNormalizationLayer", kLayers, "batch_normalization"},
      {"convolution2dLayer", kLayers, "convolution2d"},
      {"leakyReluLayer", kLayers, "leaky_relu"},
      {"L2Regularization", kOptions, "--l2-regularization"},
      // Common words.
      {"--lr", kOptions, "--initial-learn-rate"},
      {"--learning_rate", kOptions, "--initial-learn-rate"},
      {"--epochs", kOptions, "--max-epochs"},
      {"--batch-size", kOptions, "--mini-batch-size"},
      {"--groups", kOptions, "--num-groups"},
      {"--weight-decay", kOptions, "--l2-regularization"},
      {"bn", kNorms, "batch"},
      {"gn", kNorms, "group"},
      {"groupnorm", kNorms, "group"},
      {"GroupNorm", kLayers, "group_normalization"},
      {"LayerNorm", kNorms, "layer"},
      {"rmsnorm", kNorms, "rms"},
      {"conv2d", kLayers, "convolution2d"},
      {"Linear", kLayers, "fully_connected"},
      {"NCHW", kFormats, "BCSS"},
      {"NHWC", kFormats, "BSSC"},
      {"nlc", kFormats, "BSC"},
      {"bcss", kFormats, "BCSS"},
      {"BCXS", kFormats, "BCSS"},
      // A beginning, rather than a few wrong letters.
      {"resnet", kNetworks, "resnet-tiny"},
      {"--out", kOptions, "--output"},
      {"--val", kOptions, "--validation-data"},
      {"cnn", kNetworks, "small-cnn"},
  };
  for (const auto& [word, candidates, expected] : cases)
    EXPECT_EQ(DidYouMean(word, candidates), ", did you mean '" + std::string(expected) + "'?")
        << word;
}

TEST(DidYouMean, FarWordsStandForNothing) {
  for (const char* word : {"zebra", "x", "", "--", "sometimes"})
    for (const auto* candidates : {&kOptions, &kNorms, &kNetworks, &kFormats, &kLayers})
      EXPECT_EQ(DidYouMean(word, *candidates), "") << word;
  EXPECT_EQ(DidYouMean(std::string(1000, 'b'), kNorms), "");
  EXPECT_EQ(DidYouMean("batch", {}), "");
}

TEST(SameLetters, IsAnotherSpellingOfTheSame) {
  EXPECT_EQ(SameLetters("--MaxEpochs", kOptions), "--max-epochs");
  EXPECT_EQ(SameLetters("--max_epochs", kOptions), "--max-epochs");
  EXPECT_EQ(SameLetters("--max-epoch", kOptions), "");
}

TEST(SameLetters, SignsAreNoSpelling) {
  const std::vector<std::string> numbers{"1", "255", "inf"};
  for (const char* text :
       {"-1", "1-", " 1", "_1", "25-5", "2 5_5", "-inf", "inf ", "--255", "-", ""})
    EXPECT_EQ(SameLetters(text, numbers), "") << text;
  EXPECT_EQ(SameLetters("INF", numbers), "inf");
  EXPECT_EQ(SameLetters("resnet_18", {"resnet-18"}), "resnet-18");
  EXPECT_EQ(SameLetters("resnet18", {"resnet-18"}), "resnet-18");
  EXPECT_EQ(SameLetters("beta 12", {"beta12"}), "beta12");
}

TEST(SameStem, SignsAreNoSpelling) {
  EXPECT_TRUE(SameStem("batchNormalizationLayer", "batch"));
  EXPECT_TRUE(SameStem("layer_norm", "Layer-Norm"));
  EXPECT_FALSE(SameStem("-1", "1"));
  EXPECT_FALSE(SameStem("-batch", "batch"));
}

}  // namespace
}  // namespace normkit
