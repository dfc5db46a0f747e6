#include "src/core/succession.h"

#include <gtest/gtest.h>

namespace normkit {
namespace {

using std::chrono::microseconds;

// Which of `calls` is the first that is shared, each `apart` behind the one before; 0 for none.
int FirstShared(Succession& succession, Succession::Time& now, microseconds apart, bool team,
                int calls = 100) {
  for (int call = 1; call <= calls; ++call)
    if (succession.Next(now += apart, team)) return call;
  return 0;
}

struct Of {
  Succession succession;
  Succession::Time now{std::chrono::hours(1)};  // nothing has been asked for an hour
  int First(microseconds apart, bool team = false) {
    return FirstShared(succession, now, apart, team);
  }
};

TEST(Succession, SixteenCallsThatFollowQuicklyAreEnough) {
  Of pool;
  EXPECT_FALSE(pool.succession.Next(pool.now, false));
  EXPECT_EQ(pool.First(microseconds(20)), 16);
  EXPECT_EQ(pool.First(microseconds(20)), 1);
  EXPECT_EQ(pool.First(kAwake), 17);  // the threads sleep: all over again
}

TEST(Succession, WorkThatTakesLongerAloneIsShared) {
  Of pool;
  EXPECT_FALSE(pool.succession.Next(pool.now, false));
  EXPECT_EQ(pool.First(kAwake + microseconds(50)), 16);
  EXPECT_EQ(pool.First(kAwake - microseconds(1)), 1);  // shared, it follows while they are awake
  EXPECT_EQ(pool.First(2 * kAwake), 0);
}

TEST(Succession, AnotherLibrarysThreadsWaitLonger) {
  Of team;
  EXPECT_FALSE(team.succession.Next(team.now, true));
  EXPECT_EQ(team.First(kTeamAwake - microseconds(1), true), 1);
  EXPECT_EQ(team.First(kTeamAwake, true), 0);
}

}  // namespace
}  // namespace normkit
