#include "normkit/data/input_form.h"

#include <gtest/gtest.h>

#include "normkit/data/moved_pictures.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

DataPtr Pixels(int64_t channels, const std::vector<float>& x) {
  const int64_t count = std::ssize(x) / (channels * 2);
  return FromArrays(Layout::Make("BSSC", std::vector<int64_t>{1, 1, 2, channels}), x,
                    std::vector<int64_t>(static_cast<size_t>(count)), {"a", "b"}, "pixels");
}

std::vector<float> First(const DataSource& data) {
  std::vector<float> x(static_cast<size_t>(data.layout().size()));
  data.Read(0, x);
  return x;
}

TEST(InputForm, ScalesSwapsAndNormalizes) {
  const DataPtr data = Pixels(3, {0, 51, 255, 102, 204, 153});
  EXPECT_EQ(WithInputForm(data, {}), data);
  EXPECT_EQ(First(*WithInputForm(data, {.white = 1})),
            (std::vector<float>{0, 0.2f, 1, 0.4f, 0.8f, 0.6f}));
  EXPECT_EQ(First(*WithInputForm(data, {.bgr = true})),
            (std::vector<float>{255, 51, 0, 153, 204, 102}));
  // Numbers are of the network's channels: blue first.
  const DataPtr formed =
      WithInputForm(data, {.white = 1, .bgr = true, .mean = {0.5, 0, 0}, .std = {1, 2, 4}});
  const std::vector<float> y = First(*formed);
  const std::vector<float> expected{0.5f, 0.1f, 0, 0.1f, 0.4f, 0.1f};
  for (size_t i = 0; i < y.size(); ++i) EXPECT_FLOAT_EQ(y[i], expected[i]) << i;
  EXPECT_FLOAT_EQ(formed->Range().low, -0.5);
  EXPECT_FLOAT_EQ(formed->Range().high, 0.5);
  EXPECT_EQ(formed->Fingerprint(), data->Fingerprint());
}

TEST(InputForm, ByNameAndBack) {
  for (const InputForm& form :
       {InputForm{}, InputForm{.white = 1}, InputForm{.bgr = true, .mean = {103.9, 116.8, 123.7}},
        InputForm{.white = 1, .mean = {0.5}, .std = {0.25, 0.1, 1e-3}}})
    EXPECT_EQ(ParseInputForm(Name(form)), form) << Name(form);
  EXPECT_EQ(Name({.white = 1, .bgr = true, .mean = {0.5, 1}}), "range 1, bgr, mean 0.5,1");
  EXPECT_ERROR(
      ParseInputForm("rgb"),
      "input form 'rgb': 'rgb' is unknown, expected range N, bgr, mean N,N,N or std N,N,N");
  EXPECT_ERROR(ParseInputForm("mean a"), "input form 'mean a': has no numbers where expected");
}

TEST(InputForm, Refuses) {
  const DataPtr grey = Pixels(1, {1, 2});
  EXPECT_ERROR(WithInputForm(grey, {.bgr = true}),
               "data 'pixels': channel order bgr asked for, expected 3 channels, not 1");
  EXPECT_ERROR(WithInputForm(grey, {.mean = {1, 2}}),
               "data 'pixels': mean has 2 numbers, expected 1 or 1 (channels)");
  EXPECT_ERROR(WithInputForm(grey, {.std = {0}}), "data 'pixels': std is 0, expected more than 0");
}

TEST(MovedPictures, ShiftsAndMirrors) {
  const DataPtr data = Pixels(1, {1, 2, 3, 4});
  const DataPtr moved = MovePictures(data, {.shift = 1, .mirror = true, .rounds = 500});
  EXPECT_EQ(moved->size(), 1000);
  EXPECT_EQ(moved->label(3), data->label(1));
  std::vector<float> x(2), again(2);
  bool same = false, mirrored = false, black = false;
  for (int64_t i = 0; i < moved->size(); i += 2) {  // the first picture
    moved->Read(i, x);
    same |= x == std::vector<float>{1, 2};
    mirrored |= x == std::vector<float>{2, 1};
    black |= x == std::vector<float>{0, 1};
    for (const float value : x) EXPECT_TRUE(value == 0 || value == 1 || value == 2);
    moved->Read(i, again);
    EXPECT_EQ(x, again);
  }
  EXPECT_TRUE(same && mirrored && black);
  const DataPtr features =
      FromArrays(Layout::Make("BC", std::vector<int64_t>{1, 2}), {1, 2}, {0}, {"a"}, "rows");
  EXPECT_ERROR(MovePictures(features, {.shift = 1}),
               "moving pictures of 'rows': observations are BC [1,2], expected pictures, BSSC");
}

}  // namespace
}  // namespace normkit
