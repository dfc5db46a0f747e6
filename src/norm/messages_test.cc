// What the operation says on stderr beside its results.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "normkit/norm/normalization.h"
#include "src/core/log_capture.h"
#include "src/norm/test_reducers.h"

namespace normkit {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// The lines of two objects, each called three times.
std::vector<std::string> Said(const NormSpec& spec, const Layout& layout,
                              const NormOptions& options = {}) {
  std::vector<float> x(static_cast<size_t>(layout.size()), 3.f), y(x.size());
  const LogCapture log;
  for (int object = 0; object < 2; ++object) {
    const Normalization norm(spec, layout, DType::kF32, options);
    for (int call = 0; call < 3; ++call)
      norm.ForwardTraining(x.data(), nullptr, nullptr, y.data(), {});
  }
  return log.lines();
}

const Layout kOne = Layout::Make("BCSS", std::vector<int64_t>{1, 4, 1, 1});
const Layout kTwo = Layout::Make("BCSS", std::vector<int64_t>{2, 4, 1, 1});
const char kWarning[] =
    ": one value per statistic: the output is the offset (beta), and running variances are left "
    "alone; use larger batches\n";

TEST(Messages, OneValuePerStatisticIsSaidOnceByEachObject) {
  const std::string plain =
      std::string("normkit: batch normalization of BCSS [1,4,1,1]") + kWarning;
  EXPECT_THAT(Said(kBatchNorm, kOne), ElementsAre(plain, plain));
  const std::string named = std::string("normkit: batch normalization 'bn1'") + kWarning;
  EXPECT_THAT(Said(kBatchNorm, kOne, {.name = "batch normalization 'bn1'"}),
              ElementsAre(named, named));
}

TEST(Messages, OneValueIsNoNewsWhereMoreAreThereOrNothingRuns) {
  EXPECT_THAT(Said(kBatchNorm, kTwo), IsEmpty());
  EXPECT_THAT(Said(kBatchNorm, kOne.WithBatch(0)), IsEmpty());
}

TEST(Messages, LayersWithoutRunningStatisticsSayItToo) {
  const std::string of =
      " normalization of BCSS [1,4,1,1]: one value per statistic: the output is ";
  const std::string end = ", whatever the batch; use statistics over more values\n";
  const std::string instance = "normkit: instance" + of + "the offset (beta)" + end;
  EXPECT_THAT(Said(kInstanceNorm, kOne), ElementsAre(instance, instance));
  EXPECT_THAT(Said(kGroupNorm, kOne, {.num_groups = kChannelWise}), SizeIs(2));
  EXPECT_THAT(Said(kGroupNorm, kOne, {.num_groups = 2}), IsEmpty());
  EXPECT_THAT(Said(kLayerNorm, kOne), IsEmpty());
  const Layout one_channel = Layout::Make("BC", std::vector<int64_t>{3, 1});
  EXPECT_THAT(Said(kLayerNorm, one_channel), SizeIs(2));
  const std::string rms =
      "normkit: rms normalization of BC [3,1]: one value per statistic: the output is the scale "
      "(gamma) with the sign of x" +
      end;
  EXPECT_THAT(Said(kRmsNorm, one_channel), ElementsAre(rms, rms));
}

TEST(Messages, ValuesOfOtherRanksCount) {
  Twins twins;
  Alone alone;
  EXPECT_THAT(Said(kBatchNorm, kOne, {.reducer = &twins}), IsEmpty());
  EXPECT_THAT(Said(kBatchNorm, kOne, {.reducer = &alone}), SizeIs(2));
}

}  // namespace
}  // namespace normkit
