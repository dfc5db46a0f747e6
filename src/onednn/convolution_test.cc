#include "src/onednn/convolution.h"

#include <gtest/gtest.h>

#include "normkit/core/threads.h"
#include "src/onednn/convolution_reference.h"

namespace normkit {
namespace {

// Sums of n products of normal numbers: |error| stays below a few 2^-24 * sqrt(n) * log(n).
void ExpectNear(const std::vector<float>& got, const std::vector<double>& expected, double terms) {
  const double tolerance = 1e-6 * std::sqrt(terms) + 1e-6;
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], tolerance * 4) << i;
}

void Check(const ConvolutionShape& s) {
  const ConvolutionResults<double> exact = ExactResults(s);
  const ConvolutionResults<float> r = Results(Convolution(s, true), s);
  const auto pixels = static_cast<double>(r.y.size() / static_cast<size_t>(s.filters));
  const auto products = static_cast<double>(r.dweights.size() / static_cast<size_t>(s.filters));
  ExpectNear(r.y, exact.y, products);
  ExpectNear(r.dx, exact.dx,
             products * static_cast<double>(s.filters) / static_cast<double>(s.channels));
  ExpectNear(r.dweights, exact.dweights, pixels);
  if (s.bias) ExpectNear(r.dbias, exact.dbias, pixels);
}

TEST(ConvolutionTest, AgreesWithNestedLoops) {
  struct Channels {
    int64_t in, out, groups;
  };
  for (const WindowCase& window : kWindowCases)
    for (const Channels& c :
         {Channels{1, 8, 1}, {3, 16, 1}, {16, 32, 1}, {6, 9, 3}, {8, 8, 8}, {32, 17, 1}})
      for (const int64_t batch : {1, 3, 18}) {
        SCOPED_TRACE(testing::Message()
                     << "window " << &window - kWindowCases << " channels " << c.in << ">" << c.out
                     << "/" << c.groups << " batch " << batch);
        Check(MakeShape(batch, 7, 9, c.in, c.out, c.groups, window, batch != 3));
        if (HasFailure()) return;
      }
}

// The pieces of a batch and the order of their sums follow from the shape alone.
TEST(ConvolutionTest, SameBitsForAnyNumberOfThreads) {
  const ConvolutionShape s = MakeShape(21, 16, 16, 16, 24, 1, kWindowCases[1], true);
  SetNumThreads(1);
  const auto one = Results(Convolution(s, true), s);
  for (const int threads : {2, 3, 8}) {
    SetNumThreads(threads);
    EXPECT_TRUE(Results(Convolution(s, true), s) == one) << threads;
  }
  SetNumThreads(0);
}

}  // namespace
}  // namespace normkit
