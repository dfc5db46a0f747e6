// The names that others give arrays in an .npz, and other forms of class numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "normkit/data/npy.h"
#include "normkit/data/source.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

NpyArray Numbers(std::vector<int64_t> shape, const std::vector<float>& values) {
  return MakeNpy(DType::kF32, std::move(shape), values.data());
}

NpyArray Bytes(std::vector<int64_t> shape, const std::vector<uint8_t>& values) {
  const auto* begin = reinterpret_cast<const std::byte*>(values.data());
  return {"|u1", std::move(shape), {begin, begin + values.size()}};
}

std::vector<int64_t> LabelsOf(const DataSource& data) {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < data.size(); ++i) labels.push_back(data.label(i));
  return labels;
}

DataPtr Open(const std::string& spec, const std::map<std::string, NpyArray>& arrays) {
  const TestFolder folder;
  WriteNpz(folder / "a.npz", arrays);
  DataPtr data = OpenData((folder / "a.npz") + spec);
  data->Load();
  return data;
}

TEST(NpzPartsTest, NamesOfOthers) {
  const NpyArray x = Numbers({2, 1}, {1, 2}), x3 = Numbers({3, 1}, {1, 2, 3});
  const NpyArray y = Bytes({2, 1}, {0, 1}), y3 = Bytes({3, 1}, {0, 1, 1});
  for (const auto& [images, labels] :
       std::map<std::string, std::string>{{"x_train", "y_train"},
                                          {"X_train", "y_train"},
                                          {"train_images", "train_labels"},
                                          {"X", "y"},
                                          {"images", "labels"}})
    EXPECT_THAT(LabelsOf(*Open("", {{images, x}, {labels, y}})), ElementsAre(0, 1)) << images;
  const std::map<std::string, NpyArray> both{
      {"x_train", x}, {"y_train", y}, {"x_test", x3}, {"y_test", y3}};
  EXPECT_EQ(Open("", both)->size(), 2);
  EXPECT_THAT(Open("", both)->Summary(),
              HasSubstr("x_train and y_train of the file; others: FILE:test"));
  EXPECT_EQ(Open(":train", both)->size(), 2);
  const DataPtr test = Open(":test", both);
  EXPECT_EQ(test->size(), 3);
  EXPECT_THAT(test->Description(), HasSubstr("a.npz:test (3 observations)"));
  EXPECT_EQ(Open(":val",
                 {{"val_images", x3}, {"val_labels", y3}, {"train_images", x}, {"train_labels", y}})
                ->size(),
            3);
  // x and y come before all others.
  EXPECT_EQ(Open("", {{"x", x3}, {"y", y3}, {"x_train", x}, {"y_train", y}})->size(), 3);
}

TEST(NpzPartsTest, PartsThatAreNotThere) {
  const TestFolder folder;
  WriteNpz(folder / "a.npz", {{"x", Numbers({2, 1}, {1, 2})}, {"y", Bytes({2}, {0, 1})}});
  EXPECT_ERROR(OpenData((folder / "a.npz") + ":test"),
               (folder / "a.npz") +
                   ": has no part 'test', expected arrays x_test and y_test, or test_images and "
                   "test_labels");
}

TEST(NpzPartsTest, OneHotClasses) {
  const NpyArray x = Numbers({3, 1}, {1, 2, 3});
  for (const NpyArray& y :
       {Numbers({3, 3}, {0, 1, 0, 1, 0, 0, 0, 0, 1}), Bytes({3, 3}, {0, 1, 0, 1, 0, 0, 0, 0, 1})}) {
    const DataPtr data = Open("", {{"x", x}, {"y", y}});
    EXPECT_THAT(LabelsOf(*data), ElementsAre(1, 0, 2));
    EXPECT_THAT(data->Summary(), HasSubstr("y [N,3] taken for one-hot classes"));
  }
  // Two ones, none, or half of one: targets.
  for (const std::vector<float>& row : {std::vector<float>{1, 1}, {0, 0}, {0.5F, 0}})
    EXPECT_EQ(
        Open("", {{"x", Numbers({2, 1}, {1, 2})}, {"y", Numbers({2, 2}, {1, 0, row[0], row[1]})}})
            ->target_size(),
        2);
}

TEST(NpzPartsTest, WholeFloats) {
  const NpyArray x = Numbers({4, 1}, {1, 2, 3, 4});
  const DataPtr data = Open("", {{"x", x}, {"y", Numbers({4}, {2, 1, 1, 2})}});
  EXPECT_THAT(LabelsOf(*data), ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(data->Summary(),
              HasSubstr("y of whole numbers taken for classes (targets: as [N,1])"));
  for (const std::vector<float>& y : {std::vector<float>{0, 1, 2, 3},
                                      {0, 0, 2, 2},
                                      {0.5F, 1, 1, 0},
                                      {5, 5, 6, 6},
                                      {-1, 0, -1, 0},
                                      {1, 1, 1, 1}})
    EXPECT_EQ(Open("", {{"x", x}, {"y", Numbers({4}, y)}})->target_size(), 1);
  EXPECT_EQ(Open("", {{"x", x}, {"y", Numbers({4, 1}, {0, 1, 0, 1})}})->target_size(), 1);
}

}  // namespace
}  // namespace normkit
