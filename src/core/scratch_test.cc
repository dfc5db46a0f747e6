#include "src/core/scratch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <thread>

namespace normkit {
namespace {

struct SmallTag;
struct LargeTag;
struct LateTag;

TEST(Scratch, KeepsWhatItIsAskedForUntilItGrowsOrIsTrimmed) {
  bool fresh = false;
  double* first = Scratch<SmallTag, double>(10, &fresh);
  EXPECT_TRUE(fresh);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
  first[9] = 7;
  EXPECT_TRUE((Scratch<SmallTag, double>(5, &fresh) == first));
  EXPECT_FALSE(fresh);
  Scratch<LargeTag, char>(1000, &fresh);
  EXPECT_TRUE(fresh);
  TrimScratch(500);
  const double* again = Scratch<SmallTag, double>(10, &fresh);
  EXPECT_EQ(again[9], 7);
  EXPECT_FALSE(fresh);
  Scratch<LargeTag, char>(1, &fresh);
  EXPECT_TRUE(fresh);
  Scratch<SmallTag, double>(11, &fresh);
  EXPECT_TRUE(fresh);
}

TEST(Scratch, IsKeptWhileTheCallThatMakesOthersLasts) {
  constexpr size_t kLarge = kKeptScratchBytes + 1;
  bool fresh = false;
  {
    const TrimScratchAtEnd outer;
    const void* large = Scratch<LargeTag, char>(kLarge);
    { const TrimScratchAtEnd inner; }
    EXPECT_TRUE((Scratch<LargeTag, char>(kLarge, &fresh) == large));
    EXPECT_FALSE(fresh);
  }
  Scratch<LargeTag, char>(kLarge, &fresh);
  EXPECT_TRUE(fresh);
  TrimScratch();
}

// What frees a thread's arrays stands behind its last thread-local object, whose destructor may ask
// for more of them.
struct AsksAtTheEnd {
  ~AsksAtTheEnd() { Scratch<LateTag, char>(kBytes)[0] = 1; }
  static constexpr size_t kBytes = 40 << 20;
  char used = 0;
};

// AddressSanitizer holds back what is freed; what never is it reports itself.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kHoldsBack = true;
#else
constexpr bool kHoldsBack = false;
#endif

TEST(Scratch, GoesBackWhenItsThreadEnds) {
  const auto held = [] {  // in mappings of their own, which are large arrays
    std::ifstream maps("/proc/self/statm");
    size_t pages = 0;
    maps >> pages;
    return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  };
  const auto thread = [](size_t bytes) {
    std::thread([bytes] {
      thread_local AsksAtTheEnd asks;
      asks.used = 1;
      Scratch<LargeTag, char>(bytes)[0] = 1;
    }).join();
  };
  thread(1);
  const size_t before = held();
  for (int i = 0; i < 8; ++i) thread(AsksAtTheEnd::kBytes);
  if (!kHoldsBack) {
    EXPECT_LT(held(), before + AsksAtTheEnd::kBytes);
  }
}

}  // namespace
}  // namespace normkit
