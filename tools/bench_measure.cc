#include "tools/bench_measure.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "normkit/core/random.h"

namespace normkit::tools {
namespace {

constexpr int64_t kColdBytes = int64_t{1} << 30;
constexpr size_t kMinCalls = 9, kMaxCalls = 20000;

// Normally distributed values, from the `seed`-th on. What they are does not matter to the time,
// that they differ does: they are made once and repeated.
void FillNormal(Tensor& tensor, uint64_t seed) {
  static const std::vector<float> normals = [] {
    Random random(1);
    std::vector<float> values(4099);
    for (float& value : values) value = static_cast<float>(random.Normal());
    return values;
  }();
  const auto fill = [&](auto values, auto convert) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = convert(normals[(seed + i) % normals.size()]);
  };
  switch (tensor.dtype()) {
    case DType::kF32:
      return fill(tensor.values<float>(), [](float v) { return v; });
    case DType::kF64:
      return fill(tensor.values<double>(), [](float v) { return static_cast<double>(v); });
    case DType::kBF16:
      return fill(tensor.values<BFloat16>(), ToBFloat16);
    case DType::kF16:
      return fill(tensor.values<Float16>(), ToFloat16);
    default:
      break;
  }
}

// The arrays of one call.
struct Arrays {
  Arrays(const Layout& layout, DType dtype, bool backward, uint64_t seed)
      : x(layout, dtype), y(layout, dtype) {
    FillNormal(x, seed);
    FillNormal(y, seed + 1);  // touched: the first write to a page is not what is measured
    if (!backward) return;
    dy = Tensor(layout, dtype);
    FillNormal(dy, seed + 2);
  }
  Tensor x, y, dy;  // y is dx in the backward pass
};

// One operation with parameters and statistics.
class Call {
 public:
  explicit Call(const BenchCell& cell)
      : cell_(cell),
        op_(cell.MakeOperation()),
        mean_(static_cast<size_t>(op_.num_statistics())),
        rstd_(mean_.size()) {
    for (Tensor* parameter : {&gamma_, &beta_, &dgamma_, &dbeta_}) {
      *parameter = Tensor(Layout({{kC, op_.num_parameters()}}), ParameterDType(cell.dtype));
      FillNormal(*parameter, 7);
    }
    running_ = Tensor(Layout({{kC, op_.num_running()}}), ParameterDType(cell.dtype));
    Arrays first(op_.layout(), cell.dtype, false, 1);
    op_.ForwardTraining(first.x.data(), gamma_.data(), beta_.data(), first.y.data(), Saved());
  }

  const Layout& layout() const { return op_.layout(); }

  void operator()(Arrays& arrays) {
    switch (cell_.op) {
      case NormPass::kForward:
        return op_.ForwardTraining(arrays.x.data(), gamma_.data(), beta_.data(), arrays.y.data(),
                                   Saved());
      case NormPass::kInference: {
        const void* running = op_.num_running() > 0 ? running_.data() : nullptr;
        return op_.ForwardInference(arrays.x.data(), gamma_.data(), beta_.data(), running, running,
                                    arrays.y.data());
      }
      case NormPass::kBackward:
        return op_.Backward({.x = arrays.x.data(),
                             .dy = arrays.dy.data(),
                             .gamma = gamma_.data(),
                             .beta = beta_.data(),
                             .mean = mean_.data(),
                             .rstd = rstd_.data(),
                             .dx = arrays.y.data(),
                             .dgamma = dgamma_.data(),
                             .dbeta = dbeta_.data()});
    }
  }

 private:
  SavedStatistics Saved() { return {.mean = mean_.data(), .rstd = rstd_.data()}; }

  BenchCell cell_;
  Normalization op_;
  std::vector<double> mean_, rstd_;
  Tensor gamma_, beta_, dgamma_, dbeta_, running_;
};

}  // namespace

double MeasureMilliseconds(const BenchCell& cell, double seconds) {
  using Clock = std::chrono::steady_clock;
  Call call(cell);
  const int64_t bytes = std::max<int64_t>(cell.bytes(), 1);
  const int64_t sets = cell.hot ? 1 : std::clamp<int64_t>(kColdBytes / bytes + 1, 2, 4096);
  std::vector<std::unique_ptr<Arrays>> arrays;
  for (int64_t i = 0; i < sets; ++i)
    arrays.push_back(
        std::make_unique<Arrays>(call.layout(), cell.dtype, cell.op == NormPass::kBackward, 3 * i));
  for (int i = 0; i < 3; ++i) call(*arrays[static_cast<size_t>(i) % arrays.size()]);  // warm up

  std::vector<double> times;
  const auto begin = Clock::now();
  std::chrono::duration<double> total{0};
  while (times.size() < kMaxCalls && (times.size() < kMinCalls || total.count() < seconds)) {
    const auto start = Clock::now();
    call(*arrays[times.size() % arrays.size()]);
    const auto end = Clock::now();
    times.push_back(std::chrono::duration<double, std::milli>(end - start).count());
    total = end - begin;
  }
  std::ranges::nth_element(times, times.begin() + static_cast<ptrdiff_t>(times.size() / 2));
  return times[times.size() / 2];
}

std::string PartOfDescription(const std::string& description, const std::string& part) {
  const size_t begin = description.find(part + " ");
  if (begin == std::string::npos) return "";
  const size_t value = begin + part.size() + 1;
  // The plan is one word; the kernel is the rest of the line.
  const size_t end = part == "kernel" ? std::string::npos : description.find_first_of(", ", value);
  return description.substr(value, end == std::string::npos ? end : end - value);
}

}  // namespace normkit::tools
