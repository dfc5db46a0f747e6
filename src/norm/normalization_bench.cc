// The operation over the shapes of the design, as a fraction of what the machine can stream.
//   norm_bench --benchmark_filter="layer f32.*forward"
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "normkit/core/threads.h"
#include "src/norm/case_data.h"
#include "src/simd/bandwidth.h"

namespace normkit {
namespace {

enum class Direction { kForward, kInference, kBackward };

// Measured once for each number of threads, beside what it is compared with.
double Limit(int threads) {
  static std::map<int, double> limits;
  if (!limits.contains(threads)) limits[threads] = simd::StreamingBandwidth(threads);
  return limits[threads];
}

// Enough copies of the arrays that none of them is in a cache when its turn comes; a case whose
// rows lie apart has arrays that are as much larger.
class BenchArrays {
 public:
  BenchArrays(const Layout& layout, DType dtype) {
    const int64_t bytes = layout.size() * static_cast<int64_t>(SizeOf(dtype));
    const int64_t copies = bytes < (1 << 20) ? 1 : std::max<int64_t>(2, (int64_t{1} << 29) / bytes);
    auto values = cases::Normals(layout.size(), 1, 1, 2);
    x_.push_back(cases::MakeTensor(layout, dtype, values));
    while (static_cast<int64_t>(x_.size()) < copies) x_.push_back(x_[0].Clone());
    for (int64_t i = 0; i < copies; ++i) y_.push_back(x_[0].Clone());
  }
  void Next() { at_ = (at_ + 1) % x_.size(); }
  const void* x() const { return x_[at_].data(); }
  const void* dy() const { return x_[(at_ + x_.size() / 2) % x_.size()].data(); }
  void* y() { return y_[at_].data(); }

 private:
  std::vector<Tensor> x_, y_;
  size_t at_ = 0;
};

void Measure(benchmark::State& state, const cases::Case& test, Direction direction, int threads) {
  SetNumThreads(threads);
  const Layout& layout = test.layout;
  const bool narrow = test.output != OutputType::kSame;
  NormOptions options = test.Options();
  int64_t elements = layout.size();
  if (test.lie) {
    const cases::Strides strides = test.lie->strides(layout, /*seed=*/1);
    options.strides.x = options.strides.dy = options.strides.dx = options.strides.y = strides;
    elements = std::max(elements, strides[0] * layout.axes()[0].size);
  }
  const Normalization norm(test.spec, layout, test.dtype, options);
  BenchArrays arrays(Layout({{kB, elements}}), test.dtype);
  const auto n = static_cast<size_t>(norm.num_statistics());
  std::vector<double> mean(n), rstd(n), ones(n, 1.0);
  std::vector<float> given(2 * n, 1.0f);
  std::vector<double> dgamma(static_cast<size_t>(norm.num_parameters())), dbeta(dgamma);
  std::vector<float> scales(n);
  const auto forward = [&] {
    norm.ForwardTraining({.x = arrays.x(),
                          .y = arrays.y(),
                          .saved = {mean.data(), rstd.data()},
                          .scales = scales.data()});
  };
  forward();
  for (auto _ : state) {
    if (direction == Direction::kForward)
      forward();
    else if (direction == Direction::kInference)
      norm.ForwardInference(arrays.x(), nullptr, nullptr, given.data(), given.data(), arrays.y());
    else
      norm.Backward({.x = arrays.x(),
                     .dy = arrays.dy(),
                     .mean = mean.data(),
                     .rstd = rstd.data(),
                     .dx = arrays.y(),
                     .dgamma = dgamma.data(),
                     .dbeta = dbeta.data()});
    arrays.Next();
  }
  const size_t element = SizeOf(test.dtype), written = narrow ? 1 : element;
  const size_t crossings = direction == Direction::kBackward ? 3 * element : element + written;
  const double bytes = static_cast<double>(layout.size()) *
                       static_cast<double>(crossings * static_cast<size_t>(state.iterations()));
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(bytes / 1e9, Counter::kIsRate);
  state.counters["fraction"] = Counter(bytes / 1e9 / Limit(threads), Counter::kIsRate);
  state.SetLabel(norm.Describe());
  SetNumThreads(0);
}

void Register(const cases::Case& test, Direction direction, int threads) {
  const char* directions[] = {"forward", "inference", "backward"};
  const std::string name = fmt::format("{}/{}/threads:{}", test.ToString(),
                                       directions[static_cast<int>(direction)], threads);
  benchmark::RegisterBenchmark(
      name.c_str(), [=](benchmark::State& state) { Measure(state, test, direction, threads); })
      ->UseRealTime()
      ->MinTime(0.3);
}

const bool kRegistered = [] {
  for (DType dtype : {DType::kF32, DType::kBF16, DType::kF16, DType::kF64})
    for (const cases::Case& test : cases::BenchCases(dtype))
      for (Direction direction : {Direction::kForward, Direction::kInference, Direction::kBackward})
        for (int threads : {1, 2})
          if (direction == Direction::kForward ||
              (direction == Direction::kInference ? test.spec.running != 0
                                                  : test.output == OutputType::kSame))
            Register(test, direction, threads);
  return true;
}();

}  // namespace
}  // namespace normkit
