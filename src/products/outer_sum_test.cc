#include "src/products/outer_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "normkit/core/random.h"
#include "src/core/exact_sum_testing.h"
#include "src/simd/target.h"

namespace normkit::products {
namespace {

struct Shape {
  int64_t batch, inputs, outputs;
};

// Leaves that are empty, of one row, of few and of many, of different lengths; ends of panels.
constexpr Shape kShapes[] = {{1, 1, 1},    {3, 17, 5},     {15, 33, 2},    {16, 16, 4},
                             {20, 40, 11}, {33, 100, 10},  {48, 7, 130},   {60, 140, 9},
                             {64, 65, 66}, {128, 100, 10}, {300, 150, 133}};

std::vector<float> Normal(int64_t size, uint64_t stream) {
  Random random(1, stream);
  std::vector<float> values(static_cast<size_t>(size));
  for (float& value : values) value = static_cast<float>(random.Normal());
  return values;
}

// All of the weights, in tiles of at most 64 by 48.
std::vector<float> Sum(const Shape& s, const std::vector<float>& x, const std::vector<float>& dy) {
  const LeafCut cut(s.batch, {});
  const LeafOrder order(cut, 0, BatchPart::kLeaves);
  std::vector<float> dw(static_cast<size_t>(s.inputs * s.outputs), NAN);
  for (int64_t o = 0; o < s.outputs; o += 64)
    for (int64_t i = 0; i < s.inputs; i += 48)
      SumOuterProducts(
          order, {x.data(), dy.data(), s.inputs, s.outputs},
          {o, i, std::min<int64_t>(64, s.outputs - o), std::min<int64_t>(48, s.inputs - i)},
          dw.data() + o * s.inputs + i, s.inputs);
  return dw;
}

// One weight's gradient by nested loops and the tree of core.
float ByTree(const Shape& s, const float* x, const float* dy, bool fused) {
  const LeafCut cut(s.batch, {});
  std::array<float, BatchPart::kLeaves> sums{};
  LeafArrays<float> leaves{};
  for (int64_t i = 0; i < cut.count(); ++i) {
    float& sum = sums[static_cast<size_t>(i)];
    for (int64_t b = cut.begin(i); b < cut.begin(i + 1); ++b) {
      const float left = dy[b * s.outputs], right = x[b * s.inputs];
      const float product = left * right;
      if (b == cut.begin(i))
        sum = product;
      else
        sum = fused ? std::fma(left, right, sum) : sum + product;
    }
    leaves[static_cast<size_t>(cut.leaf(i))] = &sum;
  }
  return *SumLeaves(leaves, cut.part(), nullptr, 1);
}

TEST(OuterSumTest, EveryTargetSumsByTheTree) {
  const std::vector<std::string> targets = simd::AvailableTargets();
  for (const std::string& target : targets) {
    ASSERT_TRUE(simd::ForceTarget(target));
    for (const Shape& s : kShapes) {
      SCOPED_TRACE(testing::Message()
                   << target << " " << s.batch << "x" << s.inputs << "x" << s.outputs);
      const auto x = Normal(s.batch * s.inputs, 1), dy = Normal(s.batch * s.outputs, 2);
      const std::vector<float> dw = Sum(s, x, dy);
      std::vector<ExactSum> exact(dw.size());
      for (int64_t o = 0; o < s.outputs; ++o)
        for (int64_t i = 0; i < s.inputs; ++i) {
          const auto at = static_cast<size_t>(o * s.inputs + i);
          ASSERT_EQ(dw[at], ByTree(s, x.data() + i, dy.data() + o, target.starts_with("AVX")));
          for (int64_t b = 0; b < s.batch; ++b)
            exact[at].Add(dy[static_cast<size_t>(b * s.outputs + o)],
                          x[static_cast<size_t>(b * s.inputs + i)]);
        }
      ExpectWithinBounds(dw, exact, "dw");
    }
  }
  simd::ForceTarget(targets.front());
}

// What a rank has summed are nodes of the same tree.
TEST(OuterSumTest, NodesOfPartsAreThoseOfTheWhole) {
  for (const Shape& s : kShapes) {
    const auto x = Normal(s.batch * s.inputs, 1), dy = Normal(s.batch * s.outputs, 2);
    const std::vector<float> whole = Sum(s, x, dy);
    for (const int ranks : {2, 3, 8}) {
      std::vector<std::vector<float>> sums(BatchPart::kLeaves, std::vector<float>(whole.size()));
      LeafArrays<float> nodes{};
      for (int rank = 0; rank < ranks; ++rank) {
        const BatchPart part = BatchPart::OfRank(s.batch, rank, ranks);
        if (part.size() == 0) continue;
        const LeafCut cut(part.size(), part);
        ForNodes(part, [&](int first, int leaves) {
          float* to = nodes[static_cast<size_t>(first)] = sums[static_cast<size_t>(first)].data();
          SumOuterProducts(LeafOrder(cut, first, leaves),
                           {x.data() + part.begin() * s.inputs,
                            dy.data() + part.begin() * s.outputs, s.inputs, s.outputs},
                           {0, 0, s.outputs, s.inputs}, to, s.inputs);
        });
      }
      const auto size = static_cast<int64_t>(whole.size());
      const float* sum = SumLeaves(nodes, {.whole = s.batch}, nullptr, size);
      EXPECT_EQ(std::vector<float>(sum, sum + size), whole) << s.batch << " on " << ranks;
    }
  }
}

}  // namespace
}  // namespace normkit::products
