#include "src/train/parameter_chunks.h"

#include <algorithm>
#include <array>

namespace normkit {

std::vector<ParameterChunk> CutParameters(const Parameters& parameters, double l2_regularization) {
  std::vector<ParameterChunk> chunks;
  const std::vector<Parameter>& list = parameters.list();
  for (size_t p = 0; p < list.size(); ++p) {
    if (!list[p].trainable) continue;
    for (int64_t begin = 0; begin < list[p].size; begin += kParameterChunk)
      chunks.push_back({p, list[p].offset + begin,
                        list[p].offset + std::min(begin + kParameterChunk, list[p].size),
                        static_cast<float>(list[p].learn_rate_factor),
                        static_cast<float>(l2_regularization * list[p].l2_factor)});
  }
  return chunks;
}

double Dot(std::span<const float> a, std::span<const float> b) {
  constexpr size_t kLanes = 8;
  std::array<double, kLanes> sums{};
  size_t i = 0;
  for (; i + kLanes <= a.size(); i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane)
      sums[lane] += double{a[i + lane]} * double{b[i + lane]};
  for (; i < a.size(); ++i) sums[0] += double{a[i]} * double{b[i]};
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace normkit
