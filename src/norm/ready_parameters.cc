#include "src/norm/ready_parameters.h"

#include <algorithm>
#include <span>

#include "src/core/elements.h"
#include "src/core/scratch.h"
#include "src/simd/convert.h"

namespace normkit {
namespace {

// to = from + added, some at a time, for nothing is allocated.
void Convert(const void* from, DType from_type, int64_t n, double added, DType to_type, void* to) {
  constexpr int64_t kChunk = 256;
  double chunk[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const std::span values(chunk, static_cast<size_t>(std::min(kChunk, n - i)));
    const auto at = static_cast<size_t>(i);
    ToDoubles(static_cast<const char*>(from) + at * SizeOf(from_type), from_type, values);
    if (added != 0)  // -0 stays
      for (double& value : values) value += added;
    FromDoubles(values, to_type, static_cast<char*>(to) + at * SizeOf(to_type));
  }
}

// A copy of `given` for the back-ends, or itself.
template <class Tag>
const void* Ready(const Problem& problem, const void* given, double added,
                  std::vector<char>& large) {
  const DType from = problem.parameter_dtype(), to = ParameterDType(problem.dtype);
  const int64_t n = problem.plan.num_param;
  if (!given || n == 0 || (from == to && added == 0)) return given;
  const size_t bytes = static_cast<size_t>(n) * SizeOf(to);
  // Scratch of that size goes back as soon as the first of a call's leaves is done.
  const bool keeps = bytes <= kKeptScratchBytes;
  if (!keeps) large.resize(bytes);
  void* copy = keeps ? Scratch<Tag, char>(bytes) : large.data();
  if (from == DType::kF64 || to == DType::kF64)
    Convert(given, from, n, added, to, copy);
  else
    simd::ToFloats(given, from, n, static_cast<float>(added), static_cast<float*>(copy));
  return copy;
}

struct GammaTag;
struct BetaTag;

}  // namespace

ReadyParameters::ReadyParameters(const Problem& problem, const void* gamma, const void* beta)
    : gamma_(Ready<GammaTag>(problem, gamma, problem.options.scale_plus_one ? 1 : 0, large_[0])),
      beta_(Ready<BetaTag>(problem, beta, 0, large_[1])) {}

}  // namespace normkit
