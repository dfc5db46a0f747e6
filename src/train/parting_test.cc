#include <gtest/gtest.h>

#include "normkit/train/train.h"

namespace normkit {
namespace {

// Three epochs of two mini-batches; validated at the end of each.
TrainingResult Result(double trained, double validated, std::vector<double> validation_losses) {
  TrainingResult result;
  result.of_classes = true;
  for (int64_t i = 0; i < 6; ++i) {
    ProgressRow row{.epoch = i / 2 + 1, .iteration = i + 1};
    row.batch_accuracy = i < 4 ? 1 : trained + (i == 4 ? -2 : 2);
    if (i % 2 == 1) {
      row.has_validation = true;
      row.validation_loss = validation_losses[static_cast<size_t>(i / 2)];
    }
    result.history.push_back(row);
  }
  result.has_validation = true;
  result.final_validation_accuracy = validated;
  result.final_validation_loss = validation_losses[2];
  return result;
}

TEST(Parting, OnlyWhereTheyAreFarApart) {
  struct Case {
    double trained, validated;
    int64_t size;
    bool parts;
  };
  for (const Case& c : std::initializer_list<Case>{
           {88, 45, 300, true},
           {88, 45, 10, false},  // 16 points a deviation
           {88, 45, 20, true},   // 11
           {99.9, 98.9, 750, false},
           {100, 95.1, 100000, false},
           {100, 94.9, 100000, true},
           {40, 60, 300, false},  // the other way round: dropout, say
           {100, 0, 0, false},
       }) {
    const TrainingResult result = Result(c.trained, c.validated, {2, 2, 2});
    EXPECT_EQ(!DescribeParting(result, c.size).empty(), c.parts)
        << c.trained << " " << c.validated << " " << c.size;
    EXPECT_DOUBLE_EQ(TrainingAccuracy(result), c.trained);
  }
}

TEST(Parting, SaysHowFarAndSinceWhen) {
  EXPECT_EQ(
      DescribeParting(Result(88, 45, {2, 1.5, 1.25}), 300),
      "Training and validation part: 88.0 % of the training data are right (last epoch), 45.0 "
      "% of the validation data; more data or fewer epochs help.");
  EXPECT_EQ(
      DescribeParting(Result(88, 45, {2, 1.5, 1.75}), 300),
      "Training and validation part: 88.0 % of the training data are right (last epoch), 45.0 "
      "% of the validation data, and the validation loss was lowest in epoch 2 (1.5, at the "
      "end 1.75); more data or fewer epochs help.");
}

TEST(Parting, OfRegression) {
  TrainingResult result = Result(2, 3.5, {2, 1.5, 1.25});  // accuracies are RMSEs
  result.of_classes = false;
  EXPECT_EQ(DescribeParting(result, 300),
            "Training and validation part: the RMSE is 2 on the training data (last epoch), 3.5 on "
            "the validation data; more data or fewer epochs help.");
  result.final_validation_accuracy = 2.5;
  EXPECT_EQ(DescribeParting(result, 300), "");
}

TEST(Parting, NothingToCompare) {
  TrainingResult result = Result(88, 45, {2, 1.5, 1.25});
  result.has_validation = false;
  EXPECT_EQ(DescribeParting(result, 300), "");
  EXPECT_EQ(DescribeParting({}, 300), "");
  EXPECT_EQ(TrainingAccuracy({}), 0);
}

}  // namespace
}  // namespace normkit
