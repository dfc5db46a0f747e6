#include "src/norm/bandwidth.h"

#include <gtest/gtest.h>

namespace normkit {
namespace {

// No statement about speed: a probe that measures something finite and physical for any number of
// threads is all a test can ask of a shared machine.
TEST(Bandwidth, MeasuresSomethingPhysical) {
  for (const int threads : {1, 3}) {
    EXPECT_GT(StreamingBandwidth(threads), 0.05);
    EXPECT_LT(StreamingBandwidth(threads), 1e5);
    EXPECT_GT(ReadBandwidth(threads), 0.05);
    EXPECT_LT(ReadBandwidth(threads), 1e5);
  }
}

}  // namespace
}  // namespace normkit
