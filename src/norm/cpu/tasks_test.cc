#include "src/norm/cpu/tasks.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <vector>

#include "normkit/norm/normalization.h"

namespace normkit::norm::cpu {
namespace {

// The threads that help do not know how many the caller wants.
TEST(ForRuns, WritesEveryTaskHoweverManyThreadsThisOneWants) {
  const Layout layout = Layout::Make("BSC", std::vector<int64_t>{2, 16384, 64});
  const auto size = static_cast<size_t>(layout.size());
  std::vector<float> x(size);
  for (size_t i = 0; i < size; ++i) x[i] = static_cast<float>(i * 7919 % 1013);
  const Normalization norm(kBatchNorm, layout);
  const auto results = [&](int threads) {
    const WithThreads with(threads);
    std::vector<double> mean(64), rstd(64);
    std::vector<float> y(size, std::numeric_limits<float>::quiet_NaN()), dx = y;
    norm.ForwardTraining({.x = x.data(), .y = y.data(), .saved = {mean.data(), rstd.data()}});
    Normalization::BackwardArgs back{.x = x.data(), .dy = y.data()};
    back.mean = mean.data(), back.rstd = rstd.data(), back.dx = dx.data();
    norm.Backward(back);
    y.insert(y.end(), dx.begin(), dx.end());
    return y;
  };
  const std::vector<float> alone = results(1);
  for (const int threads : {2, 3, 5})
    EXPECT_EQ(std::memcmp(results(threads).data(), alone.data(), alone.size() * sizeof(float)), 0)
        << threads;
}

}  // namespace
}  // namespace normkit::norm::cpu
