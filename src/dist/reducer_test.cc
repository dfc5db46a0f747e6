// Run alone (a job of one process) and by mpirun with 2 and 3 processes; every process runs all
// tests, in the same order.

#include "normkit/dist/reducer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "normkit/core/random.h"
#include "src/core/late_sums_testing.h"

// Asked by AddressSanitizer: Open MPI leaves memory behind in modules that it unloads.
extern "C" [[gnu::visibility("default")]] int __lsan_is_turned_off();  // NOLINT: the runtime's name
int __lsan_is_turned_off() { return 1; }                               // NOLINT

namespace normkit {
namespace {

class ReducerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(MpiAvailable());
    reducer_ = MakeMpiReducer();
  }
  // What rank `rank` brings: any rank can say, so any rank can compute what all should get.
  static std::vector<double> Values(int rank, size_t count) {
    Random random(7, static_cast<uint64_t>(rank));
    std::vector<double> values(count);
    for (double& v : values) v = random.Normal() * 1e3 + 1e6;
    return values;
  }
  std::unique_ptr<Reducer> reducer_;
};

TEST_F(ReducerTest, RankLiesInTheJob) {
  EXPECT_GE(reducer_->ranks(), 1);
  EXPECT_GE(reducer_->rank(), 0);
  EXPECT_LT(reducer_->rank(), reducer_->ranks());
  if (const char* expected = std::getenv("NORMKIT_EXPECT_RANKS")) {
    EXPECT_EQ(reducer_->ranks(), std::atoi(expected));
  }
}

// Sizes around the number of ranks (slices of no element), and past one block.
TEST_F(ReducerTest, SumsInRankOrderToTheBit) {
  for (const size_t count : {0, 1, 2, 3, 5, 64, 1000, (1 << 20) + 7}) {
    std::vector<double> expected = Values(0, count);
    for (int r = 1; r < reducer_->ranks(); ++r) {
      const std::vector<double> other = Values(r, count);
      for (size_t i = 0; i < count; ++i) expected[i] += other[i];
    }
    std::vector<double> values = Values(reducer_->rank(), count);
    reducer_->Sum(values);
    EXPECT_EQ(values, expected) << count;
  }
}

TEST_F(ReducerTest, GathersInRankOrder) {
  for (const size_t count : {0, 1, 3, 1000, (1 << 17) + 7}) {
    const std::vector<double> own = Values(reducer_->rank(), count);
    std::vector<double> all(count * static_cast<size_t>(reducer_->ranks())), expected;
    for (int r = 0; r < reducer_->ranks(); ++r) {
      const std::vector<double> theirs = Values(r, count);
      expected.insert(expected.end(), theirs.begin(), theirs.end());
    }
    reducer_->Gather(std::as_bytes(std::span(own)), std::as_writable_bytes(std::span(all)));
    EXPECT_EQ(all, expected) << count;
  }
}

TEST_F(ReducerTest, MergesMomentsInRankOrderToTheBit) {
  for (const size_t count : {1, 2, 3, 64, 257}) {
    // Rank r brings the moments of r + 1 numbers; the last of three brings an empty set.
    const auto moments_of = [&](int rank) {
      std::vector<Moments> moments(count);
      for (size_t i = 0; i < count && rank != 2; ++i)
        for (const double v : Values(rank * 1000 + static_cast<int>(i), size_t(rank) + 1))
          moments[i].Merge({1, v, 0});
      return moments;
    };
    std::vector<Moments> expected = moments_of(0);
    for (int r = 1; r < reducer_->ranks(); ++r) {
      const std::vector<Moments> other = moments_of(r);
      for (size_t i = 0; i < count; ++i) expected[i].Merge(other[i]);
    }
    std::vector<Moments> moments = moments_of(reducer_->rank());
    reducer_->Merge(moments);
    EXPECT_EQ(std::memcmp(moments.data(), expected.data(), count * sizeof(Moments)), 0) << count;
  }
}

// Ranks that ask at different times begin gathers at different times; between them stand messages
// that all wait for.
TEST_F(ReducerTest, GradientsComeLateInTheBitsOfOneRank) {
  const Gradients gradients(21);
  const std::vector<float> expected = gradients.Of(nullptr, nullptr);
  LateSums late;
  for (int pass = 0; pass < 4; ++pass) {
    const int progresses = (reducer_->rank() + pass) % 2 * 1000;
    EXPECT_TRUE(gradients.Of(reducer_.get(), &late, progresses) == expected) << pass;
    std::vector<double> values(1, 1);
    reducer_->Sum(values);
    EXPECT_EQ(values[0], reducer_->ranks());
  }
}

TEST_F(ReducerTest, ReducersDoNotDisturbOneAnother) {
  const std::unique_ptr<Reducer> second = MakeMpiReducer();
  std::vector<double> a{1}, b{static_cast<double>(second->rank())};
  reducer_->Sum(a);
  second->Sum(b);
  EXPECT_EQ(a[0], second->ranks());
  EXPECT_EQ(b[0], second->ranks() * (second->ranks() - 1) / 2);
}

}  // namespace
}  // namespace normkit
