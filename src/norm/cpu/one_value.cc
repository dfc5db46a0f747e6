#include "src/norm/cpu/one_value.h"

#include <algorithm>
#include <cstring>

#include "src/norm/cpu/tasks.h"
#include "src/simd/convert.h"
#include "src/simd/stream_copy.h"

namespace normkit::norm::cpu {
namespace {

constexpr int64_t kTogether = 1024;  // of each array in the L1 cache

// f(to) makes n numbers; null: not wanted.
template <class F>
void Store(int64_t n, bool stream, float* to, const F& f) {
  if (!to) return;
  if (!stream) return f(to);
  alignas(64) float values[kTogether];
  f(values);
  const auto bytes = n * static_cast<int64_t>(sizeof(float));
  simd::StreamCopy(values, bytes, 1, bytes, to, bytes);
}

// To add 0 makes 0 of -0, as sums that begin with 0.
void StoreSome(const void* x, const void* dy, DType dtype, int64_t n, bool stream, float* dgamma,
               float* dbeta) {
  alignas(64) float wide_x[kTogether], wide_dy[kTogether];
  if (dtype != DType::kF32) {
    simd::ToFloats(x, dtype, n, 0, wide_x), simd::ToFloats(dy, dtype, n, 0, wide_dy);
    x = wide_x, dy = wide_dy;
  }
  const float* v = static_cast<const float*>(x);
  const float* w = static_cast<const float*>(dy);
  Store(n, stream, dgamma, [&](float* to) {
    for (int64_t i = 0; i < n; ++i) to[i] = w[i] * (v[i] - v[i]) + 0.0f;
  });
  Store(n, stream, dbeta, [&](float* to) {
    for (int64_t i = 0; i < n; ++i) to[i] = w[i] + 0.0f;
  });
}

}  // namespace

void FillZeros(const Problem& problem, void* dx) {
  const int64_t n = problem.plan.size, bytes = static_cast<int64_t>(SizeOf(problem.dtype));
  ForTasks(n, kTaskElements, n > 4 * kTaskElements, [&](int64_t first, int64_t last) {
    std::memset(static_cast<char*>(dx) + bytes * first, 0,
                static_cast<size_t>(bytes * (last - first)));
  });
}

void StoreGradientsOfValues(const Problem& problem, const NormBackwardArgs& args) {
  const int64_t size = problem.plan.size, bytes = static_cast<int64_t>(SizeOf(problem.dtype));
  const bool stream = StreamsParameters(size);  // asked here: of this thread's number of threads
  const auto at = [](void* sums, int64_t i) {
    return sums ? static_cast<float*>(sums) + i : nullptr;
  };
  const auto input = [&](const void* array, int64_t i) {
    return static_cast<const char*>(array) + i * bytes;
  };
  ForTasks(size, kTaskElements, size > kTaskElements, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i += kTogether)
      StoreSome(input(args.x, i), input(args.dy, i), problem.dtype, std::min(kTogether, last - i),
                stream, at(args.dgamma, i), at(args.dbeta, i));
    if (stream) simd::EndStreams();
  });
}

}  // namespace normkit::norm::cpu
