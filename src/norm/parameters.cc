#include "src/norm/parameters.h"

#include "src/core/scratch.h"
#include "src/simd/convert.h"

namespace normkit {
namespace {

double Get(double value) { return value; }
double Get(float value) { return value; }
double Get(BFloat16 value) { return ToFloat(value); }
double Get(Float16 value) { return ToFloat(value); }

void Set(double value, double* to) { *to = value; }
void Set(double value, float* to) { *to = static_cast<float>(value); }
void Set(double value, BFloat16* to) { *to = ToBFloat16(static_cast<float>(value)); }
void Set(double value, Float16* to) { *to = ToFloat16(static_cast<float>(value)); }

// Calls f with a pointer of the type that `dtype` is stored as.
template <class F>
void WithStorage(DType dtype, const F& f) {
  switch (dtype) {
    case DType::kF64:
      return f(static_cast<double*>(nullptr));
    case DType::kBF16:
      return f(static_cast<BFloat16*>(nullptr));
    case DType::kF16:
      return f(static_cast<Float16*>(nullptr));
    default:  // f32: parameters are of floating-point numbers
      return f(static_cast<float*>(nullptr));
  }
}

// to = from + added.
template <class From, class To>
void Convert(const From* from, int64_t n, double added, To* to) {
  for (int64_t i = 0; i < n; ++i) Set(Get(from[i]) + added, &to[i]);
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
    WithStorage(from, [&](auto* source) {
      const auto* values = static_cast<const std::remove_pointer_t<decltype(source)>*>(given);
      if (to == DType::kF64)
        Convert(values, n, added, static_cast<double*>(copy));
      else
        Convert(values, n, added, static_cast<float*>(copy));
    });
  else
    simd::ToFloats(given, from, n, static_cast<float>(added), static_cast<float*>(copy));
  return copy;
}

struct GammaTag;
struct BetaTag;

}  // namespace

void AddOrStore(const double* from, int64_t n, bool accumulate, DType dtype, void* to) {
  if (!to) return;
  WithStorage(dtype, [&](auto* storage) {
    auto* values = static_cast<decltype(storage)>(to);
    for (int64_t i = 0; i < n; ++i) Set(from[i] + (accumulate ? Get(values[i]) : 0), &values[i]);
  });
}

ReadyParameters::ReadyParameters(const Problem& problem, const void* gamma, const void* beta)
    : gamma_(Ready<GammaTag>(problem, gamma, problem.options.scale_plus_one ? 1 : 0, large_[0])),
      beta_(Ready<BetaTag>(problem, beta, 0, large_[1])) {}

}  // namespace normkit
