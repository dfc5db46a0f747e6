#pragma once

#include <algorithm>
#include <chrono>

namespace normkit {

// How long a thread of the pool waits before it sleeps. One that sleeps takes 5 to 50 us to wake;
// between the operations of a network lies less than that.
inline constexpr std::chrono::microseconds kAwake{100};
// Those of libgomp spin some 300,000 times, which is milliseconds.
inline constexpr std::chrono::microseconds kTeamAwake{500};
// The longest that one thread takes for small work of numbers that slow it, as denormal ones.
inline constexpr std::chrono::microseconds kAlone{500};

// Whether calls follow each other so quickly that the threads which share them stay awake.
class Succession {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // A call begins `now`. `team`: shared with threads of another library, which wait longer, and
  // which its own operations wake as well.
  bool Next(Time now, bool team) {
    // That the first, which wakes the threads, is paid for.
    const int enough = team ? 1 : kEnough;
    // From start to start of calls that one thread does; the other end is not worth a look at the
    // clock. (Short ones with as much time between them are shared in vain, one in seventeen.)
    const std::chrono::microseconds alone = count_ < enough ? kAlone : kAwake;
    const std::chrono::microseconds within = team ? kTeamAwake : alone;
    count_ = now - last_ < within ? std::min(count_ + 1, kEnough) : 0;
    last_ = now;
    return count_ >= enough;
  }

  // Threads have shared a job until `now`: from here on they wait for the next.
  void Ended(Time now) { last_ = now; }

 private:
  static constexpr int kEnough = 16;

  Time last_;
  int count_ = 0;
};

}  // namespace normkit
