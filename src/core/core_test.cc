// The small things of core: moments, tensors.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "normkit/core/moments.h"
#include "normkit/core/random.h"
#include "normkit/core/tensor.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

Moments MomentsOf(const std::vector<double>& values) {
  Moments moments;
  for (double value : values) moments.Merge({1, value, 0});
  return moments;
}

TEST(MomentsTest, MergingPartsIsTheWhole) {
  Random random(1);
  std::vector<double> all, left, right;
  for (int i = 0; i < 1000; ++i) {
    all.push_back(1e6 + random.Normal());
    (i < 137 ? left : right).push_back(all.back());
  }
  Moments merged = MomentsOf(left);
  merged.Merge(MomentsOf(right));
  double mean = 0, m2 = 0;
  for (double value : all) mean += value / 1000;
  for (double value : all) m2 += (value - mean) * (value - mean);
  EXPECT_EQ(merged.n, 1000);
  EXPECT_NEAR(merged.mean, mean, 1e-8);
  EXPECT_NEAR(merged.m2, m2, 1e-6 * m2);
}

TEST(MomentsTest, EmptySetsChangeNothing) {
  Moments moments{3, 0.1, 0.7};
  moments.Merge({});
  EXPECT_EQ(moments.mean, 0.1);
  Moments empty;
  empty.Merge(moments);
  EXPECT_EQ(empty.m2, 0.7);
  EXPECT_EQ(Moments{}.variance(), 0);
}

TEST(MomentsTest, EqualNumbersHaveNoVariance) {
  EXPECT_EQ(MomentsOf(std::vector<double>(1000, 1234.567)).m2, 0);
}

TEST(TensorTest, StartsAsZeroAndIsAligned) {
  Tensor tensor(Layout::Make("BC", std::vector<int64_t>{3, 5}), DType::kF16);
  EXPECT_EQ(tensor.bytes(), 30u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data()) % 64, 0u);
  for (Float16 value : tensor.values<Float16>()) EXPECT_EQ(value.bits, 0);
  EXPECT_ERROR(tensor.values<float>(), "tensor BC [3,5]: holds f16, asked for f32");
}

TEST(TensorTest, CloneIsACopy) {
  Tensor tensor(Layout::Make("C", std::vector<int64_t>{4}));
  tensor.values<float>()[2] = 7;
  const Tensor copy = tensor.Clone();
  tensor.values<float>()[2] = 8;
  EXPECT_EQ(copy.values<float>()[2], 7);
  EXPECT_EQ(Tensor().Clone().data(), nullptr);
}

TEST(TensorTest, MemoryThatIsNotToBeHadIsAnError) {
  EXPECT_ERROR_LIKE(Tensor(Layout::Make("C", std::vector<int64_t>{int64_t{1} << 57})),
                    "bytes of memory are not to be had");
}

TEST(DTypeNameTest, RoundTripAndError) {
  for (DType dtype : {DType::kF32, DType::kF64, DType::kBF16, DType::kF16})
    EXPECT_EQ(ParseDType(Name(dtype)), dtype);
  EXPECT_ERROR(ParseDType("int8"), "dtype 'int8' is unknown, expected f32, f64, bf16 or f16");
}

}  // namespace
}  // namespace normkit
