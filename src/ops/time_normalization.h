// Normalizations of packed time whose statistics run over all steps of each observation.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "src/ops/normalization.h"

namespace normkit::ops {

// What has been made for observations of any length, for all kernels of an operation: a plan takes
// 2 us, as long as a call with a few hundred values.
class PlansByLength {
 public:
  PlansByLength(const NormalizationSettings& settings, const Layout& x);

  // Of an observation of x, with B in front. A plan lives as long as somebody holds it.
  std::shared_ptr<const Normalization> Find(int64_t length);
  // Whether the steps of x are those of the plans.
  bool Fit(const Layout& x) const { return x.WithBatch(1) == step_; }

 private:
  static constexpr size_t kMost = 512;  // a few KB each

  NormalizationSettings settings_;
  Layout step_;
  std::mutex mutex_;
  std::map<int64_t, std::shared_ptr<const Normalization>> plans_;
};

// Whether statistics of x run over all steps of each observation, and of it alone.
bool NormalizesOverTime(const NormSpec& spec, const Layout& x);

// Each observation has the bits it has alone.
std::unique_ptr<Kernel> MakeTimeNormalization(const NormalizationSettings& settings,
                                              const Layout& x, int64_t observations,
                                              const Preparation& how,
                                              std::shared_ptr<PlansByLength> plans);

}  // namespace normkit::ops
