#include "src/data/training_data.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "normkit/data/image.h"
#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/data/array_samples.h"
#include "src/data/testing.h"

namespace normkit {
namespace {

TEST(TrainingDataTest, APartOfEachClassIsHeldOut) {
  const TrainingData data =
      OpenTrainingData({.data = "digits:200", .validation_fraction = 0.25}, {.seed = 3});
  const Split expected = SplitData(OpenData("digits:200", {.seed = 3}), 0.25, 3);
  ASSERT_GT(data.second->size(), 40);
  EXPECT_EQ(data.first->size(), expected.first->size());
  ASSERT_EQ(data.second->size(), expected.second->size());
  for (int64_t i = 0; i < data.second->size(); ++i)
    EXPECT_EQ(ReadOne(*data.second, i), ReadOne(*expected.second, i)) << i;
  EXPECT_EQ(data.summary, OpenData("digits:200", {.seed = 3})->Summary());
}

TEST(TrainingDataTest, OrNothing) {
  const TrainingData data = OpenTrainingData({.data = "digits:20", .validation_fraction = 0}, {});
  EXPECT_EQ(data.first->size(), 20);
  EXPECT_EQ(data.second, nullptr);
  data.Load();
}

TEST(TrainingDataTest, ValidationDataAreReadAsTheTrainingDataAre) {
  const TestFolder folder;
  const auto write = [&](const std::string& name, int64_t height, int64_t width, uint8_t value) {
    MakeFolder(std::filesystem::path(folder / name).parent_path());
    const auto bytes = static_cast<size_t>(height * width * 3);
    WriteImage(folder / name, {height, width, 3, std::vector<uint8_t>(bytes, value)});
  };
  MakeFolder(folder / "train");
  MakeFolder(folder / "other");
  write("train/ant/1.png", 4, 6, 10);
  write("train/bee/1.png", 4, 6, 20);
  write("train/cat/1.png", 4, 6, 30);
  write("other/cat/1.png", 8, 12, 31);
  write("other/cat/2.png", 8, 12, 32);
  const TrainingDataNames names{.data = folder / "train", .validation_data = folder / "other"};
  const TrainingData data = OpenTrainingData(names, {});
  EXPECT_EQ(data.first->size(), 3);  // nothing is held out of them
  EXPECT_EQ(data.second->layout().ToString(), "BSSC [1,4,6,3]");
  EXPECT_EQ(data.second->classes(), data.first->classes());
  EXPECT_EQ(data.second->label(1), 2);
  EXPECT_EQ(ReadOne(*data.second, 1), std::vector<float>(72, 32));
  EXPECT_EQ(data.bytes, data.first->MemoryBytes() + data.second->MemoryBytes());
  EXPECT_EQ(data.summary, data.first->Summary() + "; validation: " + data.second->Summary());
}

TEST(TrainingDataTest, WhatCannotBeTrainedOnIsTold) {
  const TestFolder folder;
  const auto write = [&](const std::string& prefix, const std::string& labels) {
    WriteFile(folder / (prefix + "-images-idx3-ubyte"), Idx({3, 1, 2}, "abcdef"));
    WriteFile(folder / (prefix + "-labels-idx1-ubyte"), Idx({3}, labels));
    return OpenData(folder / prefix)->Description();
  };
  const std::string single = write("single", std::string(3, '\0'));
  EXPECT_ERROR(OpenTrainingData({.data = folder / "single"}, {}),
               fmt::format("data '{}': has one class, '0', expected two or more: a folder a class, "
                           "or class numbers",
                           single));
  const std::string few = write("few", std::string("\1\0\2", 3));
  EXPECT_ERROR(
      OpenTrainingData({.data = folder / "few"}, {}),
      fmt::format("data '{}': nothing is held out of it by a validation fraction of 0.15, expected "
                  "two observations of a class; give more data, validation data of their own, or a "
                  "fraction of 0",
                  few));
}

// Pieces that may be held out are those of a sequence that is all there is.
TEST(TrainingDataTest, PiecesAreProposedWhereTheyHelp) {
  const TestFolder folder;
  const auto message = [&](const std::string& name, const OpenOptions& options) {
    return ErrorOf([&] { OpenTrainingData({.data = folder / name}, options); });
  };
  const std::string steps = "1,2\n3,4\n5,6\n7,8\n";
  const std::string hint = "; --sequence-length N makes pieces of a sequence";
  std::filesystem::create_directories(folder / "two/up");
  std::filesystem::create_directories(folder / "two/down");
  WriteFile(folder / "two/up/1.csv", steps);
  WriteFile(folder / "two/down/1.csv", steps);
  EXPECT_TRUE(message("two", {}).ends_with("or a fraction of 0")) << message("two", {});
  EXPECT_EQ(message("two", {.sequence_length = 2}), message("two", {}));
  const std::string head = "@classLabel true up down\n@data\n";
  WriteFile(folder / "one.ts", head + "1,2,3,4:up\n");
  EXPECT_TRUE(message("one.ts", {}).ends_with("or a fraction of 0" + hint))
      << message("one.ts", {});
  EXPECT_EQ(message("one.ts", {.sequence_length = 2}), "no error");
  WriteFile(folder / "step.ts", head + "1:up\n");
  EXPECT_TRUE(message("step.ts", {}).ends_with("or a fraction of 0")) << message("step.ts", {});
}

}  // namespace
}  // namespace normkit
