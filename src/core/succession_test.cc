#include "src/core/succession.h"

#include <gtest/gtest.h>

namespace normkit {
namespace {

using std::chrono::microseconds;

// Calls one behind the other, before which there was none for an hour.
struct Calls {
  Succession succession;
  Succession::Time now{std::chrono::hours(1)};

  // Which of a hundred, each `apart` behind the one before, is the first that is shared; 0: none.
  int FirstShared(microseconds apart, bool team = false) {
    for (int call = 1; call <= 100; ++call)
      if (succession.Next(now += apart, team)) return call;
    return 0;
  }
};

TEST(Succession, SixteenCallsThatFollowQuicklyAreEnough) {
  Calls calls;
  EXPECT_FALSE(calls.succession.Next(calls.now, false));
  EXPECT_EQ(calls.FirstShared(microseconds(20)), 16);
  EXPECT_EQ(calls.FirstShared(microseconds(20)), 1);
  EXPECT_EQ(calls.FirstShared(kAwake), 17);  // the threads sleep: all over again
}

TEST(Succession, WorkThatTakesLongerAloneIsShared) {
  Calls calls;
  EXPECT_FALSE(calls.succession.Next(calls.now, false));
  EXPECT_EQ(calls.FirstShared(kAlone - microseconds(1)), 16);
  // Shared, it follows while they are awake.
  EXPECT_EQ(calls.FirstShared(kAwake - microseconds(1)), 1);
  EXPECT_EQ(calls.FirstShared(kAlone), 0);
}

TEST(Succession, ThreadsWaitFromTheEndOfWhatTheyShared) {
  Calls calls;
  EXPECT_FALSE(calls.succession.Next(calls.now, false));
  EXPECT_EQ(calls.FirstShared(kAlone - microseconds(1)), 16);
  for (int call = 0; call < 3; ++call) {  // each takes longer than they stay awake
    calls.succession.Ended(calls.now += 2 * kAwake);
    EXPECT_EQ(calls.FirstShared(kAwake - microseconds(1)), 1);
  }
  calls.succession.Ended(calls.now += 2 * kAwake);
  EXPECT_EQ(calls.FirstShared(kAwake), 17);
}

TEST(Succession, AnotherLibrarysThreadsWaitLonger) {
  Calls calls;
  EXPECT_FALSE(calls.succession.Next(calls.now, true));
  EXPECT_EQ(calls.FirstShared(kTeamAwake - microseconds(1), true), 1);
  EXPECT_EQ(calls.FirstShared(kTeamAwake, true), 0);
}

}  // namespace
}  // namespace normkit
