// Arrays without elements: every format, layer and axis of size 0, each in a process of its own, so
// that one that ends the program is one that failed.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/norm/cases.h"
#include "src/norm/choose.h"
#include "src/norm/test_reducers.h"

namespace normkit {
namespace {

using cases::Case;

// All passes over `test`; arrays of x are null, those of parameters and statistics as they have to
// be. Whether gradients and statistics came out as an empty array's.
bool Runs(const Case& test, const NormOptions& options) {
  const Normalization norm(test.spec, test.layout, test.dtype, options);
  for (const NormPass pass : {NormPass::kForward, NormPass::kInference, NormPass::kBackward})
    if (norm.Describe(pass).empty()) return false;
  const auto stats = static_cast<size_t>(norm.num_statistics());
  const auto params = static_cast<size_t>(norm.num_parameters());
  std::vector<double> mean(stats, 7), rstd(stats, 8);
  std::vector<float> gamma(params, 1), dgamma(params, 5), dbeta(params, 6);
  std::vector<float> given(stats, 1);
  norm.ForwardTraining(nullptr, gamma.data(), nullptr, nullptr, {mean.data(), rstd.data()});
  norm.ForwardInference(nullptr, gamma.data(), nullptr, given.data(), given.data(), nullptr);
  norm.Backward({.gamma = gamma.data(),
                 .mean = mean.data(),
                 .rstd = rstd.data(),
                 .dgamma = dgamma.data(),
                 .dbeta = dbeta.data()});
  std::vector<float> running(stats, 3), running_variance(stats, 4);
  UpdateRunning<float>(mean, rstd, norm.reduced_count(), 0.1, 0.1, RunningDivisor::kCount, running,
                       running_variance);
  const std::vector<float> zeros(params);
  return mean == std::vector<double>(stats, 7) && rstd == std::vector<double>(stats, 8) &&
         dgamma == zeros && dbeta == zeros;
}

// Every subset of axes of a format that are empty.
std::vector<Layout> EmptyLayouts(const char* format) {
  // Channels for a vector of statistics and some behind it.
  const Layout full = cases::MakeLayout(format, {.b = 2, .t = 3, .s = 4, .c = 10});
  std::vector<Layout> result;
  for (unsigned which = 1; which < 1u << full.rank(); ++which) {
    std::vector<Axis> axes(full.axes().begin(), full.axes().end());
    for (size_t i = 0; i < axes.size(); ++i)
      if (which >> i & 1) axes[i].size = 0;
    result.emplace_back(axes);
  }
  return result;
}

class Empty : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Norm, Empty, testing::ValuesIn(cases::kFormats),
                         [](const auto& format) { return std::string(format.param); });

// How a process ends that goes through all of `tests`.
int StatusOf(std::span<const Case> tests) {
  const pid_t child = fork();
  if (child == 0) {
    bool right = true;
    Twins twins;  // who have no elements, either
    for (const Case& test : tests) {
      for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kSilu})
        right = right && Runs(test, {.activation = activation});
      right = right && Runs(test, {.reducer = &twins});
    }
    _exit(right ? 0 : 1);
  }
  int status = -1;
  return waitpid(child, &status, 0) == child ? status : -1;
}

TEST_P(Empty, NothingIsComputedAndNothingEnds) {
  std::vector<Case> tests;
  for (const NormSpec& spec : NormSpecs())
    for (const Layout& layout : EmptyLayouts(GetParam()))
      tests.push_back({spec, cases::InGroups(spec, layout, 2)});
  if (StatusOf(tests) == 0) return;
  for (const Case& test : tests) EXPECT_EQ(StatusOf({&test, 1}), 0) << test.ToString();
}

}  // namespace
}  // namespace normkit
