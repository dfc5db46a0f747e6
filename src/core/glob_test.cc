#include "src/core/glob.h"

#include <gtest/gtest.h>

#include "src/core/testing.h"

namespace normkit {
namespace {

TEST(Glob, StarsAndQuestionMarks) {
  EXPECT_TRUE(MatchesGlob("conv1", "conv1"));
  EXPECT_FALSE(MatchesGlob("conv1", "conv11"));
  EXPECT_FALSE(MatchesGlob("conv11", "conv1"));
  EXPECT_TRUE(MatchesGlob("conv*", "conv"));
  EXPECT_TRUE(MatchesGlob("*", ""));
  EXPECT_FALSE(MatchesGlob("?", ""));
  EXPECT_TRUE(MatchesGlob("layer?.*.bn*", "layer1.0.bn2"));
  EXPECT_FALSE(MatchesGlob("layer?.*.bn", "layer1.0.bn2"));
  EXPECT_TRUE(MatchesGlob("*bn1*", "/layer1/layer1.0/bn1/BatchNormalization"));
  EXPECT_TRUE(MatchesGlob("a*b*c", "abbbcbc"));
  EXPECT_FALSE(MatchesGlob("[ab]", "a"));
}

TEST(Glob, HostilePatternsEndSoon) {
  std::string pattern;
  for (int i = 0; i < 2000; ++i) pattern += "*a";
  EXPECT_FALSE(MatchesGlob(pattern + "b", std::string(20000, 'a')));
}

TEST(Glob, EachPatternHasToNameSomething) {
  Globs globs({"bn*", "con*1"}, "freeze");
  EXPECT_TRUE(globs.Match({"bn1"}));
  EXPECT_FALSE(globs.Match({"fc"}));
  EXPECT_ERROR(globs.CheckAllNamed(),
               "freeze: nothing is called 'con*1'; expected some of: bn1, fc");
  EXPECT_TRUE(globs.Match({"layer", "conv1"}));
  globs.CheckAllNamed();
}

}  // namespace
}  // namespace normkit
