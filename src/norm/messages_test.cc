// What the operation says on stderr beside its results.
#include <gtest/gtest.h>

#include <vector>

#include "normkit/norm/normalization.h"
#include "src/norm/test_reducers.h"

namespace normkit {
namespace {

// The lines of two objects, each called three times.
std::string Said(const NormSpec& spec, const Layout& layout, const NormOptions& options = {}) {
  std::vector<float> x(static_cast<size_t>(layout.size()), 3.f), y(x.size());
  testing::internal::CaptureStderr();
  for (int object = 0; object < 2; ++object) {
    const Normalization norm(spec, layout, DType::kF32, options);
    for (int call = 0; call < 3; ++call)
      norm.ForwardTraining(x.data(), nullptr, nullptr, y.data(), {});
  }
  return testing::internal::GetCapturedStderr();
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

const Layout kOne = Layout::Make("BCSS", std::vector<int64_t>{1, 4, 1, 1});
const Layout kTwo = Layout::Make("BCSS", std::vector<int64_t>{2, 4, 1, 1});
const char kWarning[] =
    ": one value per statistic: the output is the offset (beta), and running variances are left "
    "alone; use larger batches\n";

TEST(Messages, OneValuePerStatisticIsSaidOnceByEachObject) {
  const std::string plain = Said(kBatchNorm, kOne);
  EXPECT_EQ(Count(plain, std::string("normkit: batch normalization of BCSS [1,4,1,1]") + kWarning),
            2u);
  EXPECT_EQ(Count(plain, "one value"), 2u);
  const std::string named = Said(kBatchNorm, kOne, {.name = "batch normalization 'bn1'"});
  EXPECT_EQ(Count(named, std::string("normkit: batch normalization 'bn1'") + kWarning), 2u);
  EXPECT_EQ(Count(named, "one value"), 2u);
}

TEST(Messages, OneValueIsNoNewsWhereMoreAreThereOrNothingRuns) {
  EXPECT_EQ(Count(Said(kBatchNorm, kTwo), "one value"), 0u);
  EXPECT_EQ(Count(Said(kBatchNorm, kOne.WithBatch(0)), "one value"), 0u);
  EXPECT_EQ(Count(Said(kInstanceNorm, kOne), "one value"), 0u);
}

TEST(Messages, ValuesOfOtherRanksCount) {
  Twins twins;
  Alone alone;
  EXPECT_EQ(Count(Said(kBatchNorm, kOne, {.reducer = &twins}), "one value"), 0u);
  EXPECT_EQ(Count(Said(kBatchNorm, kOne, {.reducer = &alone}), "one value"), 2u);
}

}  // namespace
}  // namespace normkit
