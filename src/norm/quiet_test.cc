// The tests of the operation pass many batches of one value, which are warned of each time. Here
// the warnings are kept off the screen, and held against what they may say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "src/core/log_capture.h"

namespace normkit {
namespace {

class Quiet : public testing::Environment {
 public:
  void SetUp() override { log_ = std::make_unique<LogCapture>(); }
  void TearDown() override {
    EXPECT_THAT(log_->lines(), testing::Each(testing::ContainsRegex(
                                   "^normkit: .* normalization .*: one value per "
                                   "statistic: the output is the (offset|scale)")));
    log_.reset();
  }

 private:
  std::unique_ptr<LogCapture> log_;
};

const testing::Environment* const quiet = testing::AddGlobalTestEnvironment(new Quiet);

}  // namespace
}  // namespace normkit
