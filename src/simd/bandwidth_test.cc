#include "src/simd/bandwidth.h"

#include <gtest/gtest.h>

namespace normkit::simd {
namespace {

// Nothing about speed: that a probe measures something finite and physical for any number of
// threads is all a test can ask of a shared machine.
TEST(Bandwidth, MeasuresSomethingPhysical) {
  constexpr size_t kBytes = size_t{16} << 20;
  for (const int threads : {1, 2, 3, 8}) {
    for (const double rate :
         {StreamingBandwidth(threads, kBytes), ReadBandwidth(threads, kBytes)}) {
      EXPECT_GT(rate, 0.01);
      EXPECT_LT(rate, 1e5);
    }
  }
}

}  // namespace
}  // namespace normkit::simd
