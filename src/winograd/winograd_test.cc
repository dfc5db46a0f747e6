#include "src/winograd/winograd.h"

#include <gtest/gtest.h>

#include "normkit/core/threads.h"
#include "src/norm/cpu/target.h"
#include "src/onednn/convolution_reference.h"

namespace normkit {
namespace {

ConvolutionShape Shape(int64_t batch, int64_t height, int64_t width, int64_t channels,
                       int64_t filters, const WindowCase& window = kWindowCases[1]) {
  return MakeShape(batch, height, width, channels, filters, 1, window, batch % 2 == 1);
}

// In root mean squares of the exact values.
double LargestError(const std::vector<float>& got, const std::vector<double>& exact) {
  double largest = 0, squares = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    largest = std::max(largest, std::abs(got[i] - exact[i]));
    squares += exact[i] * exact[i];
  }
  return largest / std::sqrt(squares / static_cast<double>(got.size()));
}

void ExpectExact(const ConvolutionResults<float>& r, const ConvolutionResults<double>& exact,
                 const ConvolutionShape& s) {
  // Twice of what was seen; direct convolutions of these sizes have up to 4e-6.
  constexpr double kLargest = 4e-6;
  EXPECT_LT(LargestError(r.y, exact.y), kLargest);
  EXPECT_LT(LargestError(r.dx, exact.dx), kLargest);
  EXPECT_LT(LargestError(r.dweights, exact.dweights), kLargest);
  if (!s.bias) return;
  EXPECT_LT(LargestError(r.dbias, exact.dbias), kLargest);
}

// Every way an image can end in the middle of a tile, every padding, and batches of less than a
// block, of blocks across images and of several.
TEST(WinogradTest, AgreesWithNestedLoops) {
  const WindowCase paddings[] = {{{3, 3}, {1, 1}, {1, 1}, 0, 0, 0, 0},
                                 {{3, 3}, {1, 1}, {1, 1}, 1, 1, 1, 1},
                                 {{3, 3}, {1, 1}, {1, 1}, 2, 0, 1, 3}};
  for (const WindowCase& window : paddings)
    for (const auto& [height, width] : {std::pair<int64_t, int64_t>{6, 8}, {7, 5}, {4, 9}, {3, 30}})
      for (const auto& [channels, filters] :
           {std::pair<int64_t, int64_t>{16, 16}, {32, 48}, {48, 16}})
        for (const int64_t batch : {1, 2, 9}) {
          const ConvolutionShape s = Shape(batch, height, width, channels, filters, window);
          SCOPED_TRACE(testing::Message() << s.batch << "x" << height << "x" << width << " "
                                          << channels << ">" << filters << " top " << window.top);
          ExpectExact(Results(WinogradConvolution(s), s), ExactResults(s), s);
          if (HasFailure()) return;
        }
}

TEST(WinogradTest, AddsToWhatIsThere) {
  const ConvolutionShape s = Shape(3, 9, 9, 16, 32);
  const auto over = Results(WinogradConvolution(s), s),
             added = Results(WinogradConvolution(s), s, true);
  for (size_t i = 0; i < over.dx.size(); ++i) ASSERT_EQ(added.dx[i], over.dx[i] + 1) << i;
}

TEST(WinogradTest, SameBitsForAnyNumberOfThreads) {
  const ConvolutionShape s = Shape(21, 14, 16, 32, 16);
  SetNumThreads(1);
  const auto one = Results(WinogradConvolution(s), s);
  for (const int threads : {2, 3, 8}) {
    SetNumThreads(threads);
    EXPECT_TRUE(Results(WinogradConvolution(s), s) == one) << threads;
  }
  SetNumThreads(0);
}

TEST(WinogradTest, EveryTargetIsExactAndThoseThatFuseAgree) {
  const ConvolutionShape s = Shape(5, 8, 10, 48, 32);
  const auto exact = ExactResults(s);
  const std::vector<std::string> targets = AvailableTargets();
  std::vector<ConvolutionResults<float>> fused;
  for (const std::string& target : targets) {
    SCOPED_TRACE(target);
    ASSERT_TRUE(ForceTarget(target));
    const auto r = Results(WinogradConvolution(s), s);
    ExpectExact(r, exact, s);
    if (target.starts_with("AVX")) fused.push_back(r);
  }
  ForceTarget(targets.front());
  for (const auto& r : fused) EXPECT_TRUE(r == fused.front());
}

// What an image gives does not depend on those beside it.
TEST(WinogradTest, ImagesStandAlone) {
  const ConvolutionShape many = Shape(6, 10, 6, 16, 16), one = Shape(1, 10, 6, 16, 16);
  const auto all = Results(WinogradConvolution(many), many);
  auto first = Results(WinogradConvolution(one), one);
  const ConvolutionArrays arrays(one);
  for (size_t i = 0; i < first.y.size(); ++i)
    ASSERT_EQ(first.y[i], all.y[i] + arrays.bias[i % arrays.bias.size()]) << i;
}

TEST(WinogradTest, TheSizesDecide) {
  EXPECT_TRUE(IsForWinograd(Shape(1, 32, 32, 16, 16)));
  EXPECT_TRUE(IsForWinograd(Shape(64, 14, 14, 16, 32)));
  EXPECT_TRUE(IsForWinograd(Shape(1, 14, 14, 512, 512)));
  EXPECT_FALSE(IsForWinograd(Shape(64, 7, 7, 32, 64)));    // tiles too empty
  EXPECT_FALSE(IsForWinograd(Shape(64, 32, 32, 3, 16)));   // no whole vectors of channels
  EXPECT_FALSE(IsForWinograd(Shape(64, 32, 32, 16, 24)));  // nor of filters
  EXPECT_FALSE(IsForWinograd(Shape(64, 8, 8, 512, 512)));  // weights cost more than tiles save
  EXPECT_FALSE(IsForWinograd(Shape(8, 32, 32, 16, 16, kWindowCases[2])));                // stride 2
  EXPECT_FALSE(IsForWinograd(Shape(8, 32, 32, 16, 16, kWindowCases[6])));                // dilation
  EXPECT_FALSE(IsForWinograd(Shape(8, 32, 32, 16, 16, kWindowCases[5])));                // 5x5
  EXPECT_FALSE(IsForWinograd(MakeShape(8, 32, 32, 32, 32, 2, kWindowCases[1], false)));  // groups
}

}  // namespace
}  // namespace normkit
