#include "src/simd/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace normkit::simd {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsSubsetOf;

TEST(TargetTest, WhatRunsIsCompiledAndScalarAlwaysIs) {
  EXPECT_THAT(AvailableTargets(), IsSubsetOf(CompiledTargets()));
  EXPECT_EQ(AvailableTargets().back(), "SCALAR");
  EXPECT_THAT(AvailableTargets(), Contains(TargetName()));
}

TEST(TargetTest, KernelsOfAnotherMachineAreSaid) {
  using Targets = std::vector<std::string>;
  const Targets all{"AVX3", "AVX2", "SSE4", "SCALAR"}, avx2{"AVX2", "SSE4", "SCALAR"};
  EXPECT_THAT(MissingKernels({"AVX3", "SCALAR"}, avx2),
              AllOf(HasSubstr("kernels for AVX3, SCALAR, of which this processor runs only SCALAR"),
                    HasSubstr("than kernels for AVX2 would be; build with NORMKIT_TARGETS=all")));
  for (const auto& [compiled, supported] : std::vector<std::pair<Targets, Targets>>{
           {all, avx2},                 // ships everywhere
           {{"AVX2", "SCALAR"}, avx2},  // built here
           {{"AVX2", "SCALAR"}, all},   // slower than could be, by little
           {all, {"SCALAR"}},           // nothing else is to be had
           {{"SCALAR"}, avx2},          // built so on purpose
       })
    EXPECT_EQ(MissingKernels(compiled, supported), "");
}

}  // namespace
}  // namespace normkit::simd
