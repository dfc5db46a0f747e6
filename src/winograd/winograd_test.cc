#include "src/winograd/winograd.h"

#include <gtest/gtest.h>

#include "normkit/core/threads.h"
#include "src/onednn/convolution_reference.h"
#include "src/simd/target.h"
#include "src/winograd/magnitudes.h"

namespace normkit {
namespace {

ConvolutionShape Shape(int64_t batch, int64_t height, int64_t width, int64_t channels,
                       int64_t filters, const WindowCase& window = kWindowCases[1]) {
  return MakeShape(batch, {height, width}, channels, filters, 1, window, batch % 2 == 1);
}

// The exact results, with the bounds of Winograd's sums.
ConvolutionResults<ExactSum> ExactWinograd(const ConvolutionShape& s) {
  const ConvolutionArrays a(s);
  ConvolutionResults<ExactSum> r = ExactResults(s);
  const auto set = [](std::vector<ExactSum>& sums, const std::vector<double>& magnitudes,
                      int64_t terms) {
    for (size_t i = 0; i < sums.size(); ++i) {
      sums[i].magnitude = magnitudes[i];
      sums[i].terms = terms;
    }
  };
  set(r.y, winograd::ForwardMagnitudes(s, a.x, a.weights), s.channels + winograd::kMoreRoundings);
  for (size_t i = 0; s.bias && i < r.y.size(); ++i)
    r.y[i].magnitude += std::abs(a.bias[i % a.bias.size()]);
  set(r.dx, winograd::DataMagnitudes(s, a.dy, a.weights), s.filters + winograd::kMoreRoundings);
  const Space out = s.output_size();
  const int64_t tiles = s.batch * ((out[0] + 1) / 2) * ((out[1] + 1) / 2);
  set(r.dweights, winograd::WeightMagnitudes(s, a.x, a.dy), tiles + winograd::kMoreOfWeights);
  return r;
}

void ExpectExact(const ConvolutionResults<float>& r, const ConvolutionResults<ExactSum>& exact) {
  ExpectWithinBounds(r.y, exact.y, "y");
  ExpectWithinBounds(r.dx, exact.dx, "dx");
  ExpectWithinBounds(r.dweights, exact.dweights, "dweights");
  ExpectWithinBounds(r.dbias, exact.dbias, "dbias");
}

// Every way an image can end in the middle of a tile, every padding, and batches of less than a
// block, of blocks across images and of several.
TEST(WinogradTest, AgreesWithNestedLoops) {
  const WindowCase paddings[] = {{{3, 3}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
                                 {{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
                                 {{3, 3}, {1, 1}, {1, 1}, {2, 1}, {0, 3}}};
  for (const WindowCase& window : paddings)
    for (const auto& [height, width] : {std::pair<int64_t, int64_t>{6, 8}, {7, 5}, {4, 9}, {3, 30}})
      for (const auto& [channels, filters] :
           {std::pair<int64_t, int64_t>{16, 16}, {32, 48}, {48, 16}})
        for (const int64_t batch : {1, 2, 9}) {
          const ConvolutionShape s = Shape(batch, height, width, channels, filters, window);
          SCOPED_TRACE(testing::Message()
                       << s.batch << "x" << height << "x" << width << " " << channels << ">"
                       << filters << " top " << window.before[0]);
          ExpectExact(Results(WinogradConvolution(s), s), ExactWinograd(s));
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
  const auto exact = ExactWinograd(s);
  const std::vector<std::string> targets = simd::AvailableTargets();
  std::vector<ConvolutionResults<float>> fused;
  for (const std::string& target : targets) {
    SCOPED_TRACE(target);
    ASSERT_TRUE(simd::ForceTarget(target));
    const auto r = Results(WinogradConvolution(s), s);
    ExpectExact(r, exact);
    if (target.starts_with("AVX")) fused.push_back(r);
  }
  simd::ForceTarget(targets.front());
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
  const auto why = [](const ConvolutionShape& shape) { return WhyNotWinograd(shape); };
  EXPECT_EQ(why(Shape(1, 32, 32, 16, 16)), "");
  EXPECT_EQ(why(MakeShape(1, {8, 8, 8}, 16, 16, 1, kOtherWindowCases[2], false)),
            "3 dimensions of space, expected 2");
  EXPECT_EQ(why(Shape(64, 14, 14, 16, 32)), "");
  EXPECT_EQ(why(Shape(1, 14, 14, 512, 512)), "");
  EXPECT_EQ(why(Shape(64, 7, 7, 32, 64)),
            "images fill 0.77 of their tiles, expected more than 0.8");
  EXPECT_EQ(why(Shape(64, 32, 32, 3, 16)), "3 channels and 16 filters, expected multiples of 16");
  EXPECT_EQ(why(Shape(64, 32, 32, 16, 24)), "16 channels and 24 filters, expected multiples of 16");
  EXPECT_EQ(why(Shape(64, 8, 8, 512, 512)),
            "16 tiles an image for 262144 weights a tap, expected 36 tiles");
  EXPECT_EQ(why(Shape(8, 32, 32, 16, 16, kWindowCases[2])), "stride is 2x2, expected 1x1");
  EXPECT_EQ(why(Shape(8, 32, 32, 16, 16, kWindowCases[6])), "dilation is 2x2, expected 1x1");
  EXPECT_EQ(why(Shape(8, 32, 32, 16, 16, kWindowCases[5])), "filters are 5x5, expected 3x3");
  EXPECT_EQ(why(MakeShape(8, {32, 32}, 32, 32, 2, kWindowCases[1], false)), "2 groups, expected 1");
}

}  // namespace
}  // namespace normkit
