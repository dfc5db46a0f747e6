// What computes a normalization: a list in order of preference, each with the reason why it cannot
// serve a problem. Nothing outside this list knows a machine.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "src/norm/problem.h"

namespace normkit {

using NormForwardArgs = Normalization::ForwardArgs;
using NormBackwardArgs = Normalization::BackwardArgs;

// Statistics that a call is given instead of taking them from x: an array of each, of
// ParameterDType(dtype).
struct GivenStatistics {
  const void* mean = nullptr;  // not read where the spec does not center
  const void* variance = nullptr;
};

// One problem, made ready by one back-end. Used from any thread; arguments have been checked
// (check.h), and what a call gets with an empty x is decided there.
class NormImplementation {
 public:
  virtual ~NormImplementation() = default;

  // Statistics of x (or of x + residual), which args.saved receives, and y.
  virtual void Forward(const NormForwardArgs& args) const = 0;
  // y from given statistics.
  virtual void Inference(const NormForwardArgs& args, const GivenStatistics& given) const = 0;
  virtual void Backward(const NormBackwardArgs& args) const = 0;

  // What runs: "AVX2 fused rows, 2 threads".
  virtual std::string Describe(NormPass pass) const = 0;
};

struct NormBackend {
  std::string_view name;
  // Empty where it can compute the problem, else the reason why not.
  std::string (*why_not)(const Problem& problem);
  // The problem outlives what is made.
  std::unique_ptr<NormImplementation> (*make)(const Problem& problem);
};

// In order of preference: the processor's kernels, then the oracle of the tests.
std::span<const NormBackend> NormBackends();

// The first that can; with NORMKIT_BACKEND=NAME in the environment that one. Throws Error where
// none can, or the named one is unknown or cannot, with its reason.
const NormBackend& ChooseNormBackend(const Problem& problem);

// The members of the list (src/norm/cpu/cpu_backend.cc, reference_backend.cc).
extern const NormBackend kCpuBackend, kReferenceBackend;

}  // namespace normkit
