#include "tools/bench_measure.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <memory>
#include <vector>

#include "normkit/core/random.h"

namespace normkit::tools {
namespace {

constexpr int64_t kColdBytes = int64_t{1} << 30;
constexpr size_t kMinCalls = 9, kMaxCalls = 20000;

// What normal numbers are multiplied by for a kind of values.
double ScaleOf(const std::string& values, DType dtype) {
  if (values == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (values == "infinity") return std::numeric_limits<double>::infinity();
  if (values == "1e25") return 1e25;
  if (values == "1e-20") return 1e-20;
  if (values == "zero") return 0;
  if (values != "denormal") return 1;
  if (dtype == DType::kF64) return std::numeric_limits<double>::min() / 8;
  return dtype == DType::kF16 ? 0x1p-17 : std::numeric_limits<float>::min() / 8;
}

// Values of a kind, from the `seed`-th on. That they differ matters to the time: normal numbers are
// made once and repeated. Of "some-" others every 61st is of that kind.
void Fill(Tensor& tensor, uint64_t seed, const std::string& kind = "normal") {
  constexpr size_t kSome = 61;
  const bool some = kind.starts_with("some-");
  static const std::vector<double> normals = [] {
    Random random(1);
    std::vector<double> values(4099);
    for (double& value : values) value = random.Normal();
    return values;
  }();
  const double scale = ScaleOf(some ? kind.substr(kind.find('-') + 1) : kind, tensor.dtype());
  const auto fill = [&](auto values, auto convert) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = convert(normals[(seed + i) % normals.size()] * (some && i % kSome ? 1 : scale));
  };
  const auto narrow = [](double v) { return static_cast<float>(v); };
  switch (tensor.dtype()) {
    case DType::kF32:
      return fill(tensor.values<float>(), narrow);
    case DType::kF64:
      return fill(tensor.values<double>(), [](double v) { return v; });
    case DType::kBF16:
      return fill(tensor.values<BFloat16>(), [&](double v) { return ToBFloat16(narrow(v)); });
    case DType::kF16:
      return fill(tensor.values<Float16>(), [&](double v) { return ToFloat16(narrow(v)); });
    default:
      break;
  }
}

// The arrays of one call.
struct Arrays {
  Arrays(const Layout& layout, const BenchCell& cell, uint64_t seed)
      : x(Whole(layout, cell), cell.dtype), y(Whole(layout, cell), cell.dtype) {
    Fill(x, seed, cell.values);
    Fill(y, seed + 1);  // touched: the first write to a page is not what is measured
    if (cell.op == NormPass::kBackward) {
      dy = Tensor(Whole(layout, cell), cell.dtype);
      Fill(dy, seed + 2, cell.values);
    } else if (cell.residual) {
      for (Tensor* array : {&residual, &sum}) *array = Tensor(Whole(layout, cell), cell.dtype);
      Fill(residual, seed + 3, cell.values);
      Fill(sum, seed + 4);
    }
  }
  // Of arrays that the operation's are slices of.
  static Layout Whole(const Layout& layout, const BenchCell& cell) {
    std::vector<Axis> axes = layout.axes();
    if (!axes.empty()) axes[0].size *= cell.slices;
    return Layout(std::move(axes));
  }
  Tensor x, y, dy;  // y is dx in the backward pass
  Tensor residual, sum;
};

// One operation with parameters and statistics.
class Call {
 public:
  explicit Call(const BenchCell& cell)
      : cell_(cell),
        op_(cell.MakeOperation()),
        mean_(static_cast<size_t>(op_.num_statistics())),
        rstd_(mean_.size()),
        scales_(mean_.size()) {
    for (Tensor* parameter : {&gamma_, &beta_, &dgamma_, &dbeta_}) {
      *parameter = Tensor(Layout({{kC, op_.num_parameters()}}), ParameterDType(cell.dtype));
      Fill(*parameter, 7);
    }
    running_ = Tensor(Layout({{kC, op_.num_running()}}), ParameterDType(cell.dtype));
    Arrays first(op_.layout(), cell, 1);
    op_.ForwardTraining(ForwardArgs(first, Saved()));
  }

  const Layout& layout() const { return op_.layout(); }

  void operator()(Arrays& arrays) {
    switch (cell_.op) {
      case NormPass::kForward:
        return op_.ForwardTraining(ForwardArgs(arrays, Saved()));
      case NormPass::kInference: {
        const void* running = op_.num_running() > 0 ? running_.data() : nullptr;
        return op_.ForwardInference(ForwardArgs(arrays, {}), running, running);
      }
      case NormPass::kBackward: {
        // What passes a leaky ReLU is told by the signs of what it wrote.
        const bool leaky = cell_.activation == Activation::kLeakyRelu;
        const void* signs = leaky ? arrays.x.data() : nullptr;
        return op_.Backward({.x = arrays.x.data(),
                             .dy = arrays.dy.data(),
                             .gamma = gamma_.data(),
                             .beta = OfCentered(beta_),
                             .mean = mean_.data(),
                             .rstd = rstd_.data(),
                             .dx = arrays.y.data(),
                             .dgamma = dgamma_.data(),
                             .dbeta = OfCentered(dbeta_),
                             .y = signs,
                             .accumulate = cell_.residual});
      }
    }
  }

 private:
  // Root-mean-square normalization and its like have no beta.
  void* OfCentered(Tensor& beta) { return op_.spec().center ? beta.data() : nullptr; }
  SavedStatistics Saved() { return {.mean = mean_.data(), .rstd = rstd_.data()}; }
  Normalization::ForwardArgs ForwardArgs(Arrays& arrays, const SavedStatistics& saved) {
    return {.x = arrays.x.data(),
            .gamma = gamma_.data(),
            .beta = OfCentered(beta_),
            .y = arrays.y.data(),
            .saved = saved,
            .residual = arrays.residual.data(),
            .sum = arrays.sum.data(),
            .scales = cell_.output == OutputType::kInt8PerStatistic ? scales_.data() : nullptr};
  }

  BenchCell cell_;
  Normalization op_;
  std::vector<double> mean_, rstd_;
  std::vector<float> scales_;
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
    arrays.push_back(std::make_unique<Arrays>(call.layout(), cell, 3 * i));
  // From memory 3 are enough; small work is shared from the 17th call on.
  const size_t warm_up = cell.hot ? 20 : 3;
  for (size_t i = 0; i < warm_up; ++i) call(*arrays[i % arrays.size()]);

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

std::vector<double> MeasureInTurns(const std::vector<BenchCell>& cells, double seconds) {
  constexpr size_t kTurns = 3;
  std::vector<std::array<double, kTurns>> times(cells.size());
  for (size_t turn = 0; turn < kTurns; ++turn)
    for (size_t i = 0; i < cells.size(); ++i)
      times[i][turn] = MeasureMilliseconds(cells[i], seconds / kTurns);
  std::vector<double> medians;
  for (auto& one : times) {
    std::ranges::sort(one);
    medians.push_back(one[kTurns / 2]);
  }
  return medians;
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
