#include "src/core/parallel.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "src/core/fail.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

// How often each of `count` tasks ran.
std::vector<int> Runs(int64_t count) {
  std::vector<int> runs(static_cast<size_t>(count));
  ParallelFor(count, true, [&](int64_t i) { ++runs[static_cast<size_t>(i)]; });
  return runs;
}

class ParallelTest : public testing::Test {
 protected:
  ~ParallelTest() override { SetNumThreads(0); }
};

TEST_F(ParallelTest, EveryTaskRunsOnce) {
  for (const int threads : {1, 2, 3, 8, 2}) {
    SetNumThreads(threads);
    EXPECT_EQ(NumThreads(), threads);
    for (const int64_t count : {0, 1, 2, 3, 7, 8, 1000})
      for (const int n : Runs(count)) ASSERT_EQ(n, 1) << threads << " threads, " << count;
  }
  SetNumThreads(0);
  EXPECT_GE(NumThreads(), 1);
  EXPECT_ERROR(SetNumThreads(-1), "threads: -1 given, expected 0 (default) to 1024");
}

// Threads as another library has them.
std::atomic<int> teams{0};
void RunOnNewThreads(void (*work)(void*), void* data, unsigned threads, unsigned) {
  ++teams;
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back(work, data);
  work(data);
  for (std::thread& other : others) other.join();
}

TEST_F(ParallelTest, AnotherLibrarysThreadsRunTasks) {
  SetNumThreads(3);
  teams = 0;
  {
    const WithTeam with(RunOnNewThreads);
    for (const int64_t count : {2, 7, 1000})
      for (const int n : Runs(count)) ASSERT_EQ(n, 1) << count;
    EXPECT_EQ(teams, 3);
    const auto fails = [](int64_t i) {
      if (i == 5) Fail("task {} fails", i);
    };
    EXPECT_ERROR(ParallelFor(10, true, fails), "task 5 fails");
    for (const int n : Runs(10)) ASSERT_EQ(n, 1);
  }
  const int before = teams;
  Runs(10);
  EXPECT_EQ(teams, before);
}

TEST_F(ParallelTest, AForkedChildHasNoneOfAnotherLibrarysThreads) {
  SetNumThreads(2);
  const WithTeam with(RunOnNewThreads);
  const pid_t child = fork();
  if (child == 0) {
    teams = 0;
    const std::vector<int> runs = Runs(100);
    _exit(teams == 0 && runs == std::vector<int>(100, 1) ? 0 : 1);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(ParallelTest, WhatTasksWroteIsSeenAfterwards) {
  SetNumThreads(3);
  for (int64_t round = 0; round < 2000; ++round) {
    std::vector<int64_t> values(16);
    ParallelFor(16, true, [&](int64_t i) { values[static_cast<size_t>(i)] = round + i; });
    for (int64_t i = 0; i < 16; ++i) ASSERT_EQ(values[static_cast<size_t>(i)], round + i);
  }
}

TEST_F(ParallelTest, NoMoreThreadsThanAskedFor) {
  SetNumThreads(8);
  Runs(8);  // makes the threads
  SetNumThreads(2);
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> inside{0}, most{0};
    ParallelFor(64, true, [&](int64_t) {
      const int now = ++inside;
      for (int before = most; now > before && !most.compare_exchange_weak(before, now);) {
      }
      --inside;
    });
    ASSERT_LE(most, 2);
  }
}

TEST_F(ParallelTest, TasksOfTasksAndOfSeveralThreadsRun) {
  SetNumThreads(3);
  const auto nested = [](std::atomic<int64_t>& sum) {
    ParallelFor(20, true, [&](int64_t i) {
      EXPECT_TRUE(InParallel());
      ParallelFor(10, true, [&](int64_t k) { sum += i * 10 + k; });
    });
    EXPECT_FALSE(InParallel());
  };
  std::vector<std::atomic<int64_t>> sums(4);
  std::vector<std::thread> users;
  for (auto& sum : sums)
    users.emplace_back([&] {
      for (int round = 0; round < 50; ++round) nested(sum);
    });
  for (std::thread& user : users) user.join();
  for (const auto& sum : sums) EXPECT_EQ(sum, 50 * 199 * 200 / 2);
}

TEST_F(ParallelTest, AForkedChildHasThreadsOfItsOwn) {
  SetNumThreads(2);
  Runs(100);
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // instead of waiting for ever
    std::atomic<int> here{0};
    ParallelFor(2, true, [&](int64_t) {
      for (++here; here < 2;) std::this_thread::yield();
    });
    _exit(Runs(100) == std::vector<int>(100, 1) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(ParallelTest, WhatATaskThrowsIsThrownToTheCaller) {
  for (const int threads : {1, 2, 4}) {
    SetNumThreads(threads);
    for (const int64_t which : {0, 1, 50, 99}) {
      const auto task = [&](int64_t i) {
        if (i == which) throw Error("task");
      };
      EXPECT_EQ(ErrorOf([&] { ParallelFor(100, true, task); }), "task") << threads;
      EXPECT_FALSE(InParallel());
      EXPECT_EQ(Runs(100), std::vector<int>(100, 1)) << threads;
    }
  }
}

}  // namespace
}  // namespace normkit
