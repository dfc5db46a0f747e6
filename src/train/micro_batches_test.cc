// Parts of mini-batches one after the other: the bytes of the whole.
#include "src/train/micro_batches.h"

#include "src/core/testing.h"
#include "src/train/needs.h"
#include "src/train/test_data.h"

namespace normkit {
namespace {

TEST(MicroBatchesTest, PartsOfAMiniBatch) {
  const auto parts = [](int64_t micro, int64_t mini) {
    return MicroBatches({.micro_batch_size = micro}, mini);
  };
  EXPECT_EQ(parts(0, 128), 1);
  EXPECT_EQ(parts(128, 128), 1);
  EXPECT_EQ(parts(127, 128), 2);
  EXPECT_EQ(parts(32, 128), 4);
  EXPECT_EQ(parts(8, 128), 16);
  EXPECT_EQ(parts(1, 3), 4);
  EXPECT_ERROR(Resolve({.mini_batch_size = 128, .micro_batch_size = 7}),
               "training options: micro_batch_size is 7 with a mini_batch_size of 128, expected 8 "
               "or more (a sixteenth)");
}

// Two batch normalizations behind each other, one of each observation, and none.
Graph Blocks(const std::vector<LayerPtr>& norms) {
  Graph graph;
  graph.Add(ImageInput({.input_size = {8, 8, 1}}));
  for (const LayerPtr& norm : norms) {
    graph.Add(Convolution2d({.filter_size = {3, 3}, .num_filters = 4, .padding = Padding::Same()}));
    if (norm) graph.Add(norm);
    graph.Add(Relu());
  }
  graph.Add(Dropout({.probability = 0.2}));
  graph.Add(Flatten());
  graph.Add(FullyConnected({.output_size = 3}));
  graph.Add(Softmax());
  return graph;
}

TEST(MicroBatchesTest, TheSameBytesAsTheWhole) {
  const std::vector<LayerPtr> kinds[] = {
      {BatchNormalization({.name = "a"}), BatchNormalization({.name = "b"})},
      {GroupNormalization({.num_groups = 2}), BatchNormalization({.name = "b"})},
      {LayerNormalization(), nullptr}};
  for (const auto& norms : kinds) {
    TrainingOptions options{.solver = Solver::kAdam,
                            .max_epochs = 2,
                            .mini_batch_size = 24,
                            .shuffle = Shuffle::kEveryEpoch,
                            .augment = {.flip = 0.5, .rotate = 10},
                            .validation_data = StripeData(30, 2),
                            .validation_frequency = 3};
    const TrainingResult whole =
        TrainNetwork(StripeData(75), Blocks(norms), options);  // a rest of 3
    for (const int64_t micro : {12, 6, 2}) {
      options.micro_batch_size = micro;
      const TrainingResult parts = TrainNetwork(StripeData(75), Blocks(norms), options);
      EXPECT_EQ(ValuesOf(parts.network), ValuesOf(whole.network)) << micro;
      for (size_t i = 0; i < whole.history.size(); ++i)
        EXPECT_EQ(parts.history[i].batch_loss, whole.history[i].batch_loss) << micro;
      EXPECT_EQ(parts.network.facts, whole.network.facts);
      EXPECT_LT(parts.peak_bytes, whole.peak_bytes);
    }
  }
}

TEST(MicroBatchesTest, RanksAndPartsAreOneTooMany) {
  EXPECT_ERROR(RunRanks(2,
                        [](Reducer& reducer) {
                          TrainingOptions options{.mini_batch_size = 24, .micro_batch_size = 12};
                          options.reducer = &reducer;
                          Resolve(options);
                        }),
               "training options: micro_batch_size is 12 on 2 ranks, expected one of them");
}

TEST(AugmentedTrainingTest, ResumesWithTheSameBytes) {
  const TestFolder folder;
  TrainingOptions options{
      .max_epochs = 3, .mini_batch_size = 32, .augment = {0.5, 0.2, 0.1, 0.1, 15, 0.3}};
  const TrainingResult whole = TrainNetwork(StripeData(100), StripeGraph(), options);
  EXPECT_EQ(whole.network.facts.at("augment"), "flip,crop,shift,scale,rotate,erase");
  EXPECT_TRUE(StopAfter(6, folder / "checkpoint.npz", options, StripeData(100), StripeGraph()));
  options.resume_from = folder / "checkpoint.npz";
  options.micro_batch_size = 8;  // as memory is at hand
  EXPECT_EQ(ValuesOf(TrainNetwork(StripeData(100), StripeGraph(), options).network),
            ValuesOf(whole.network));
}

TEST(AugmentedTrainingTest, OnlyPictures) {
  TrainingOptions options{.augment = {.shift = 2}};
  EXPECT_ERROR(TrainNetwork(StripeData(30), StripeGraph(), options),
               "training options: augment.shift is 2, expected a number from 0 to 1");
}

}  // namespace
}  // namespace normkit
