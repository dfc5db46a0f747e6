// Convolution by strips gives what the whole convolution gives, for any number of threads.
#include "src/onednn/strips.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "normkit/core/random.h"
#include "normkit/core/tensor.h"
#include "src/core/parallel.h"
#include "src/core/testing.h"
#include "src/onednn/convolution.h"

namespace normkit {
namespace {

struct Case {
  std::string name;
  ConvolutionShape shape;
};
void PrintTo(const Case& test, std::ostream* stream) { *stream << test.name; }

// {batch, size, channels, filters, groups, window, stride, dilation, before, after, bias}
const Case kCases[] = {
    {"plain", {1, {40, 37}, 16, 24, 1, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, true}},
    {"strided", {2, {97, 40}, 8, 16, 1, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, true}},
    {"dilated", {1, {50, 41}, 8, 8, 1, {3, 2}, {1, 2}, {4, 3}, {3, 0}, {5, 1}, false}},
    {"grouped", {1, {33, 20}, 16, 16, 4, {5, 3}, {1, 1}, {1, 1}, {2, 2}, {0, 1}, true}},
    {"volume",
     {1, {19, 9, 7}, 8, 8, 1, {3, 3, 3}, {1, 2, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, true}},
    {"foldedInput", {1, {37, 45}, 3, 16, 1, {9, 9}, {1, 1}, {1, 1}, {4, 4}, {4, 4}, true}},
    {"foldedInputBare", {2, {37, 45}, 1, 8, 1, {7, 5}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, false}},
    {"foldedInputUneven", {1, {20, 45}, 4, 8, 1, {9, 9}, {1, 1}, {1, 1}, {8, 1}, {3, 7}, true}},
    {"foldedOutput", {1, {37, 45}, 16, 3, 1, {9, 9}, {1, 1}, {1, 1}, {4, 4}, {4, 4}, true}},
    {"foldedOutputBare", {2, {37, 45}, 8, 4, 1, {5, 7}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, false}},
    {"foldedOutputUneven", {1, {20, 45}, 8, 1, 1, {9, 9}, {1, 1}, {1, 1}, {8, 1}, {3, 7}, true}},
};

class StripsTest : public testing::TestWithParam<Case> {};

Tensor Normal(int64_t size, uint64_t stream) {
  Tensor tensor(Layout::Unlabelled(std::vector{size}));
  Random random(1, stream);
  for (float& x : tensor.values<float>()) x = static_cast<float>(random.Normal());
  return tensor;
}

template <class Implementation>
Tensor Forward(Implementation& convolution, const ConvolutionShape& s, int threads) {
  const WithThreads with(threads);
  Tensor x = Normal(s.batch * s.x_size(), 1), weights = Normal(s.weights_size(), 2),
         bias = Normal(s.filters, 3), y = Normal(s.batch * s.y_size(), 4);
  Tensor scratch(
      Layout::Unlabelled(std::vector{static_cast<int64_t>(convolution.forward_scratch_bytes())}),
      DType::kU8);
  convolution.Forward(x.values<float>().data(), weights.values<float>().data(),
                      s.bias ? bias.values<float>().data() : nullptr, y.values<float>().data(),
                      static_cast<std::byte*>(scratch.data()));
  return y;
}

TEST_P(StripsTest, GiveTheWhole) {
  const ConvolutionShape& s = GetParam().shape;
  StripConvolution strips(s);
  Convolution whole(s, /*training=*/false);
  const Tensor y = Forward(strips, s, 1), expected = Forward(whole, s, 1);
  const double terms = static_cast<double>(s.weights_size() / s.filters);
  for (int64_t i = 0; i < y.size(); ++i)
    ASSERT_NEAR(y.values<float>()[static_cast<size_t>(i)],
                expected.values<float>()[static_cast<size_t>(i)], 4e-6 * terms)
        << i;
  const Tensor again = Forward(strips, s, 3);
  EXPECT_EQ(std::memcmp(again.data(), y.data(), y.bytes()), 0);
}

INSTANTIATE_TEST_SUITE_P(Shapes, StripsTest, testing::ValuesIn(kCases),
                         [](const auto& tested) { return tested.param.name; });

TEST(Strips, SayWhyNot) {
  ConvolutionShape s{1, {512, 512}, 16, 16, 1, {5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}, true};
  EXPECT_EQ(WhyNotStrips(s), "");
  s.batch = 5;
  EXPECT_EQ(WhyNotStrips(s), "5 observations, expected at most 4");
  s.batch = 1;
  s.before = {5, 2};
  EXPECT_EQ(WhyNotStrips(s), "the window is not smaller than x or not larger than its padding");
  s.size = {32, 32};
  EXPECT_EQ(WhyNotStrips(s), "7168000 products an observation, expected 67108864");
  s.size = {1 << 20};
  EXPECT_EQ(WhyNotStrips(s), "1 dimension of space, expected more");
  StripConvolution strips(kCases[0].shape);
  EXPECT_ERROR(strips.BackwardData(nullptr, nullptr, false, nullptr, nullptr),
               "convolution by strips: a gradient asked for, expected inference");
}

}  // namespace
}  // namespace normkit
