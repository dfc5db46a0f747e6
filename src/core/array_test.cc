#include "normkit/core/array.h"

#include <gtest/gtest.h>

#include <vector>

#include "normkit/core/tensor.h"
#include "src/core/elements.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

constexpr DType kAll[] = {DType::kF32, DType::kF64, DType::kBF16, DType::kF16,
                          DType::kI64, DType::kI32, DType::kU8,   DType::kBool};

TEST(ArrayTest, EveryTypeHoldsSmallWholeNumbers) {
  const std::vector<double> values{0, 1, 1, 0};
  for (const DType dtype : kAll) {
    SCOPED_TRACE(Name(dtype));
    Tensor tensor(Layout::Unlabelled(std::vector<int64_t>{2, 2}), dtype);
    EXPECT_EQ(tensor.bytes(), 4 * SizeOf(dtype));
    FromDoubles(values, dtype, tensor.data());
    EXPECT_EQ(ToDoubles(tensor.data(), dtype, 4), values);
    EXPECT_EQ(IsFloating(dtype), Name(dtype).find('f') != std::string_view::npos);
  }
}

TEST(ArrayTest, ViewsGiveOnlyWhatTheyHold) {
  Tensor tensor(Layout::Make("BC", std::vector<int64_t>{2, 3}), DType::kI64);
  tensor.values<int64_t>()[5] = 7;
  ArrayView view = tensor.view();
  EXPECT_EQ(view.type.ToString(), "i64 BC [2,3]");
  EXPECT_EQ(view.values<int64_t>()[5], 7);
  EXPECT_ERROR(view.values<float>(), "array BC [2,3]: holds i64, asked for f32");
  view.strides = {3, 1};
  EXPECT_EQ(view.values<int64_t>().size(), 6u);
  view.strides = {6, 3, 1};
  EXPECT_ERROR(view.values<int64_t>(),
               "array i64 BC [2,3]: has 3 strides, expected one for each axis");
  view.strides = {1, 2};
  EXPECT_ERROR(view.values<int64_t>(),
               "array i64 BC [2,3]: strides are [1,2], expected a dense array");
}

TEST(ArrayTest, AxesNeedNoLabels) {
  const Layout shape = Layout::Unlabelled(std::vector<int64_t>{3, 4});
  EXPECT_EQ(shape.ToString(), "** [3,4]");
  EXPECT_EQ(shape.size(), 12);
  EXPECT_EQ(shape.channels(), 1);
  EXPECT_FALSE(shape.Has(kC));
}

TEST(ArrayTest, MemoryNeedNotBeginAsZero) {
  const Tensor tensor(Layout::Make("C", std::vector<int64_t>{5}), DType::kF32,
                      Tensor::kUninitialized);
  EXPECT_EQ(tensor.bytes(), 20u);
  EXPECT_NE(tensor.data(), nullptr);
}

}  // namespace
}  // namespace normkit
