// The operation over the shapes of the design, as a fraction of what the machine can stream.
//   norm_bench --benchmark_filter=layer/forward
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "normkit/core/threads.h"
#include "src/norm/cases.h"
#include "src/simd/bandwidth.h"

namespace normkit {
namespace {

enum class Direction { kForward, kInference, kBackward };

struct Row {
  const NormSpec& spec;
  const char* format;
  std::vector<int64_t> shape;
  int64_t slices = 1;  // of an array so many times as wide the first part of each row
};

const std::vector<Row>& Rows() {
  static const std::vector<Row> rows = {
      {kLayerNorm, "BC", {8192, 768}},
      {kLayerNorm, "BC", {4096, 4096}},
      {kLayerNorm, "BC", {4096, 4096}, 3},
      {kRmsNorm, "BC", {131072, 128}},
      {kRmsNorm, "BC", {131072, 128}, 3},
      {kLayerNorm, "BC", {512, 50257}},
      {kLayerNorm, "BC", {64, 512}},
      {kRmsNorm, "BC", {4096, 4096}},
      {kBatchNorm, "BCSS", {32, 64, 56, 56}},
      {kBatchNorm, "BCSS", {8, 64, 224, 224}},
      {kBatchNorm, "BCSS", {32, 256, 14, 14}},
      {kBatchNorm, "BSSC", {32, 56, 56, 64}},
      {kBatchNorm, "BSSC", {8, 224, 224, 64}},
      {kBatchNorm, "BSSC", {32, 14, 14, 256}},
      {kInstanceNorm, "BCSS", {8, 64, 224, 224}},
      {kInstanceNorm, "BCSS", {1, 32, 720, 1280}},
      {kGroupNorm, "BCSS", {8, 256, 56, 56}},
      {kGroupNorm, "BSSC", {8, 56, 56, 256}},
  };
  return rows;
}

// Measured once for each number of threads, beside what it is compared with.
double Limit(int threads) {
  static std::map<int, double> limits;
  if (!limits.contains(threads)) limits[threads] = simd::StreamingBandwidth(threads);
  return limits[threads];
}

// Enough copies of the arrays that none of them is in a cache when its turn comes.
class Arrays {
 public:
  Arrays(const Layout& layout, DType dtype) {
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

void Measure(benchmark::State& state, const Row& row, DType dtype, Direction direction,
             int threads) {
  SetNumThreads(threads);
  Layout layout = Layout::Make(row.format, row.shape);
  if (IsGrouped(row.spec)) layout = layout.SplitChannels(32);
  NormOptions options;
  std::vector<int64_t> memory = row.shape;
  memory.back() *= row.slices;
  if (row.slices > 1)  // of two axes
    options.strides.x = options.strides.y = options.strides.dy = options.strides.dx =
        std::vector<int64_t>{memory.back(), 1};
  const Normalization norm(row.spec, layout, dtype, options);
  Arrays arrays(Layout::Make(row.format, memory), dtype);
  const auto n = static_cast<size_t>(norm.num_statistics());
  std::vector<double> mean(n), rstd(n), ones(n, 1.0);
  std::vector<float> given(2 * n, 1.0f);
  std::vector<double> dgamma(static_cast<size_t>(norm.num_parameters())), dbeta(dgamma);
  norm.ForwardTraining(arrays.x(), nullptr, nullptr, arrays.y(), {mean.data(), rstd.data()});
  for (auto _ : state) {
    if (direction == Direction::kForward)
      norm.ForwardTraining(arrays.x(), nullptr, nullptr, arrays.y(), {mean.data(), rstd.data()});
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
  const double crossings = direction == Direction::kBackward ? 3 : 2;
  const double bytes = crossings * static_cast<double>(layout.size()) *
                       static_cast<double>(SizeOf(dtype) * state.iterations());
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(bytes / 1e9, Counter::kIsRate);
  state.counters["fraction"] = Counter(bytes / 1e9 / Limit(threads), Counter::kIsRate);
  state.SetLabel(norm.Describe());
  SetNumThreads(0);
}

void Register(const Row& row, DType dtype, Direction direction, int threads) {
  const char* directions[] = {"forward", "inference", "backward"};
  const std::string name =
      fmt::format("{}/{}/{} {}{}/{}/threads:{}", row.spec.name,
                  directions[static_cast<int>(direction)], row.format, fmt::join(row.shape, "x"),
                  row.slices > 1 ? fmt::format(" of {}", row.slices) : "", Name(dtype), threads);
  benchmark::RegisterBenchmark(
      name.c_str(),
      [=](benchmark::State& state) { Measure(state, row, dtype, direction, threads); })
      ->UseRealTime()
      ->MinTime(0.3);
}

const bool kRegistered = [] {
  for (const Row& row : Rows())
    for (DType dtype : {DType::kF32, DType::kBF16, DType::kF16, DType::kF64})
      for (Direction direction : {Direction::kForward, Direction::kInference, Direction::kBackward})
        for (int threads : {1, 2})
          if (direction != Direction::kInference || row.spec.running)
            Register(row, dtype, direction, threads);
  return true;
}();

}  // namespace
}  // namespace normkit
