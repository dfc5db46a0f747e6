#include "src/products/row_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "normkit/core/random.h"
#include "src/simd/target.h"

namespace normkit::products {
namespace {

struct RowShape {
  int64_t rows, inputs, outputs;
};

// Ends of panels and tiles on every target, one row of several panels.
constexpr RowShape kRowShapes[] = {{1, 1, 1},   {1, 37, 400}, {2, 5, 17},  {3, 64, 48},
                                   {7, 33, 49}, {9, 20, 95},  {16, 8, 96}, {70, 100, 130}};

std::vector<float> NormalRow(int64_t size, uint64_t stream) {
  Random random(1, stream);
  std::vector<float> values(static_cast<size_t>(size));
  for (float& value : values) value = static_cast<float>(random.Normal());
  return values;
}

struct Operand {
  std::vector<float> x, w, bias, y;
  explicit Operand(const RowShape& s)
      : x(NormalRow(s.rows * s.inputs, 1)),
        w(NormalRow(s.inputs * s.outputs, 2)),
        bias(NormalRow(s.outputs, 3)),
        y(NormalRow(s.rows * s.outputs, 4)) {}
};

std::vector<float> Product(const RowShape& s, Begin begin, bool back = false) {
  const Operand o(s);
  std::vector<float> memory(PackedSize(s.outputs, s.inputs) + 16);
  float* packed = memory.data();
  while (reinterpret_cast<uintptr_t>(packed) % 64 != 0) ++packed;
  PackWeights(o.w.data(),
              back ? WeightOrder::Back(s.inputs, s.outputs) : WeightOrder::Of(s.outputs, s.inputs),
              packed);
  std::vector<float> y = o.y;
  const RowProduct product{packed, s.outputs, s.inputs, begin, o.bias.data()};
  product.RunAll(o.x.data(), s.inputs, y.data(), s.outputs, s.rows);
  return y;
}

// One element after the other, fused or not.
std::vector<float> InOrder(const RowShape& s, Begin begin, bool back, bool fused) {
  const Operand o(s);
  std::vector<float> y = o.y;
  for (int64_t r = 0; r < s.rows; ++r)
    for (int64_t c = 0; c < s.outputs; ++c) {
      float& sum = y[static_cast<size_t>(r * s.outputs + c)];
      if (begin == Begin::kZeros) sum = 0;
      if (begin == Begin::kBias) sum = o.bias[static_cast<size_t>(c)];
      for (int64_t i = 0; i < s.inputs; ++i) {
        const float x = o.x[static_cast<size_t>(r * s.inputs + i)],
                    w = o.w[static_cast<size_t>(back ? i * s.outputs + c : c * s.inputs + i)];
        const float product = x * w;
        sum = fused ? std::fma(x, w, sum) : sum + product;
      }
    }
  return y;
}

TEST(RowProduct, AddsInOrderOnEveryTarget) {
  for (const std::string& target : simd::AvailableTargets()) {
    ASSERT_TRUE(simd::ForceTarget(target));
    for (const RowShape& s : kRowShapes)
      for (const Begin begin : {Begin::kZeros, Begin::kBias, Begin::kThere})
        for (const bool back : {false, true}) {
          const std::vector<float> y = Product(s, begin, back);
          EXPECT_TRUE(y == InOrder(s, begin, back, true) || y == InOrder(s, begin, back, false))
              << target << " " << s.rows << " " << s.inputs << " " << s.outputs;
        }
  }
  simd::ForceTarget(simd::AvailableTargets()[0]);
}

}  // namespace
}  // namespace normkit::products
