#include "src/onednn/convolution.h"

#include <gtest/gtest.h>

#include <array>

#include "normkit/core/threads.h"
#include "src/onednn/convolution_reference.h"

namespace normkit {
namespace {

void Check(const ConvolutionShape& s) {
  const ConvolutionResults<ExactSum> exact = ExactResults(s);
  const ConvolutionResults<float> r = Results(Convolution(s, true), s);
  ExpectWithinBounds(r.y, exact.y, "y");
  ExpectWithinBounds(r.dx, exact.dx, "dx");
  ExpectWithinBounds(r.dweights, exact.dweights, "dweights");
  ExpectWithinBounds(r.dbias, exact.dbias, "dbias");
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
        Check(MakeShape(batch, {7, 9}, c.in, c.out, c.groups, window, batch != 3));
        if (HasFailure()) return;
      }
}

TEST(ConvolutionTest, AgreesOverLinesAndVolumes) {
  for (const WindowCase& window : kOtherWindowCases)
    for (const auto& [in, out, groups] : {std::array<int64_t, 3>{3, 8, 1}, {16, 16, 1}, {6, 9, 3}})
      for (const int64_t batch : {1, 5}) {
        SCOPED_TRACE(testing::Message() << "window " << &window - kOtherWindowCases << " channels "
                                        << in << ">" << out << "/" << groups);
        Space size{5, 6, 7};
        size.resize(window.size.size());
        Check(MakeShape(batch, size, in, out, groups, window, batch == 1));
        if (HasFailure()) return;
      }
}

// The pieces of a batch and the order of their sums follow from the shape alone.
TEST(ConvolutionTest, SameBitsForAnyNumberOfThreads) {
  const ConvolutionShape s = MakeShape(21, {16, 16}, 16, 24, 1, kWindowCases[1], true);
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
