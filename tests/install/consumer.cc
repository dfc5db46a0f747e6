// Batch normalization of a small tensor through the installed headers and library.

#include <normkit/normkit.h>

#include <cmath>
#include <cstdio>
#include <numeric>

bool OwnLayerStandsInFiles();  // own_layer.cc

int main() {
  if (!OwnLayerStandsInFiles()) {
    std::fprintf(stderr, "a network with a layer of its own is another after it was a model\n");
    return 1;
  }
  const int64_t shape[] = {2, 3, 2, 2};
  normkit::Tensor x(normkit::Layout::Make("BCSS", shape));
  auto values = x.values<float>();
  std::iota(values.begin(), values.end(), 1.0f);
  const auto result = normkit::ForwardTraining(normkit::kBatchNorm, x, nullptr, nullptr);
  // Channel 0 holds 1..4 and 13..16.
  if (std::abs(result.mean[0] - 8.5) > 1e-12 || std::abs(result.variance[0] - 37.25) > 1e-12) {
    std::fprintf(stderr, "mean %g, variance %g, expected 8.5, 37.25\n", result.mean[0],
                 result.variance[0]);
    return 1;
  }
  try {
    normkit::Layout::Make("BCQ", shape);
  } catch (const normkit::Error& error) {
    std::printf("normkit %s: %s\n", NORMKIT_VERSION, error.what());
    return 0;
  }
  return 1;
}
