// Pooling of packed time: from the rows of sequences to one row for each, and windows of rows.
#include <algorithm>

#include "src/core/fail.h"
#include "src/ops/ops.h"
#include "src/ops/pieces.h"
#include "src/ops/time_ops.h"
#include "src/ops/time_rows.h"

namespace normkit::ops {
namespace {

bool Wins(float x, float largest) { return x > largest || (x != x && largest == largest); }

class TimePoolingKernel : public Kernel {
 public:
  TimePoolingKernel(TimePool pool, const Layout& x, const TimeRows& time)
      : pool_(pool), width_(x.size() / time.rows()), time_(time) {}
  // Of a maximum: the rows that hold it.
  size_t saved_bytes() const override {
    return pool_ == TimePool::kMax ? static_cast<size_t>(time_.observations() * width_) * 8 : 0;
  }
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    if (time_.Idle()) return (void)std::fill_n(context.y(), width_, 0.f);
    auto* largest = reinterpret_cast<int64_t*>(context.saved);
    ForObservations([&](int64_t i, int64_t begin, int64_t end) {
      const float* x = context.x() + begin * width_;
      float* y = context.y() + i * width_;
      if (pool_ == TimePool::kLast)
        std::copy_n(x + (end - begin - 1) * width_, width_, y);
      else if (pool_ == TimePool::kMean)
        Mean(x, end - begin, y);
      else
        Maximum(context.x(), begin, end, y, largest ? largest + i * width_ : nullptr);
    });
  }

  // dx = dy / rows of the observation, or dy in the last one, or where the largest was
  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    const bool add = context.add[0];
    if (time_.Idle())
      return Store(context.dx(), 0, time_.rows() * width_, add, [](int64_t) { return 0.f; });
    const auto* largest = reinterpret_cast<const int64_t*>(context.saved);
    ForObservations([&](int64_t i, int64_t begin, int64_t end) {
      const float* dy = context.dy() + i * width_;
      const auto count = static_cast<float>(end - begin);
      for (int64_t row = begin; row < end; ++row)
        Store(context.dx() + row * width_, 0, width_, add, [&](int64_t c) {
          if (pool_ == TimePool::kMean) return dy[c] / count;
          const int64_t from = pool_ == TimePool::kMax ? largest[i * width_ + c] : end - 1;
          return row == from ? dy[c] : 0.f;
        });
    });
  }

 private:
  // f(observation, its first row, the row behind its last)
  template <class F>
  void ForObservations(const F& f) const {
    const int64_t each = std::max<int64_t>(1, time_.rows() / time_.observations());
    ForRowPieces(time_.observations(), each * width_,
                 [&](int64_t i) { f(i, time_.begin(i), time_.begin(i + 1)); });
  }

  // Row by row, in f64, some columns at a time.
  void Mean(const float* x, int64_t rows, float* y) const {
    constexpr int64_t kColumns = 64;
    double sums[kColumns];
    for (int64_t begin = 0; begin < width_; begin += kColumns) {
      const int64_t columns = std::min(kColumns, width_ - begin);
      std::fill_n(sums, columns, 0.0);
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t c = 0; c < columns; ++c) sums[c] += x[row * width_ + begin + c];
      for (int64_t c = 0; c < columns; ++c)
        y[begin + c] = static_cast<float>(sums[c] / static_cast<double>(rows));
    }
  }

  // The first of equal ones; NaN wins. `largest`: where it was; null: not wanted.
  void Maximum(const float* x, int64_t begin, int64_t end, float* y, int64_t* largest) const {
    std::copy_n(x + begin * width_, width_, y);
    if (largest) std::fill_n(largest, width_, begin);
    for (int64_t row = begin + 1; row < end; ++row)
      for (int64_t c = 0; c < width_; ++c) {
        if (!Wins(x[row * width_ + c], y[c])) continue;
        y[c] = x[row * width_ + c];
        if (largest) largest[c] = row;
      }
  }

  TimePool pool_;
  int64_t width_;
  TimeRows time_;
};

class TimePoolingOp : public Op {
 public:
  explicit TimePoolingOp(TimePool pool) : pool_(pool) {}
  std::string_view name() const override { return "time pooling"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    if (!x.packed()) Fail("input is {}, expected rows of sequences, T first", x.ToString());
    std::vector<Axis> axes = x.axes();
    axes[0] = {kB, inputs[0].observations};
    return {{DType::kF32, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    const Layout& x = inputs[0].type.shape;
    return std::make_unique<TimePoolingKernel>(pool_, x,
                                               TimeRows(x, inputs[0].observations, how.time));
  }

 private:
  TimePool pool_;
};

class TimeWindowKernel : public Kernel {
 public:
  TimeWindowKernel(Pool pool, int64_t size, int64_t before, const Layout& x, const TimeRows& time)
      : pool_(pool), size_(size), before_(before), width_(x.size() / time.rows()), time_(time) {}
  // Of a maximum: which row of its window holds it.
  size_t saved_bytes() const override {
    return pool_ == Pool::kMax ? static_cast<size_t>(time_.rows() * width_) * 4 : 0;
  }
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    if (time_.Idle()) return (void)std::fill_n(context.y(), width_, 0.f);
    auto* largest = reinterpret_cast<int32_t*>(context.saved);
    ForWindows([&](int64_t row, int64_t first, int64_t last) {
      const float* x = context.x() + first * width_;
      float* y = context.y() + row * width_;
      int32_t* of = largest ? largest + row * width_ : nullptr;
      for (int64_t c = 0; c < width_; ++c)
        y[c] = pool_ == Pool::kMax ? Largest(x + c, last - first, of ? of + c : nullptr)
                                   : Mean(x + c, last - first);
    });
  }

  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    const int64_t all = time_.rows() * width_;
    if (!context.add[0]) std::fill_n(context.dx(), all, 0.f);
    if (time_.Idle()) return;
    const auto* largest = reinterpret_cast<const int32_t*>(context.saved);
    // Windows overlap, observations do not.
    ParallelFor(time_.observations(), all >= kParallelElements, [&](int64_t i) {
      ForWindowsOf(
          time_.begin(i), time_.begin(i + 1), [&](int64_t row, int64_t first, int64_t last) {
            const float* dy = context.dy() + row * width_;
            float* dx = context.dx() + first * width_;
            for (int64_t c = 0; pool_ == Pool::kMax && c < width_; ++c)
              dx[largest[row * width_ + c] * width_ + c] += dy[c];
            for (int64_t at = first; pool_ == Pool::kAverage && at < last; ++at, dx += width_)
              Store(dx, 0, width_, true,
                    [&](int64_t c) { return dy[c] / static_cast<float>(size_); });
          });
    });
  }

 private:
  // f(row, the first row of its window that there is, the row behind its last)
  template <class F>
  void ForWindowsOf(int64_t begin, int64_t end, const F& f) const {
    for (int64_t row = begin; row < end; ++row) Call(row, begin, end, f);
  }
  template <class F>
  void ForWindows(const F& f) const {
    constexpr int64_t kRows = 64;
    ParallelFor((time_.rows() + kRows - 1) / kRows, time_.rows() * width_ >= kParallelElements,
                [&](int64_t piece) {
                  time_.ForRows(
                      piece * kRows, std::min(time_.rows(), (piece + 1) * kRows),
                      [&](int64_t row, int64_t begin, int64_t end) { Call(row, begin, end, f); });
                });
  }
  template <class F>
  void Call(int64_t row, int64_t begin, int64_t end, const F& f) const {
    f(row, std::max(begin, row - before_), std::min(end, row - before_ + size_));
  }

  float Largest(const float* x, int64_t rows, int32_t* place) const {
    int64_t best = 0;
    for (int64_t row = 1; row < rows; ++row)
      if (Wins(x[row * width_], x[best * width_])) best = row;
    if (place) *place = static_cast<int32_t>(best);
    return x[best * width_];
  }
  float Mean(const float* x, int64_t rows) const {
    double sum = 0;
    for (int64_t row = 0; row < rows; ++row) sum += x[row * width_];
    return static_cast<float>(sum / static_cast<double>(size_));
  }

  Pool pool_;
  int64_t size_, before_, width_;
  TimeRows time_;
};

class TimeWindowOp : public Op {
 public:
  TimeWindowOp(Pool pool, int64_t size, int64_t before)
      : pool_(pool), size_(size), before_(before) {}
  std::string_view name() const override { return "time window pooling"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    if (!x.packed()) Fail("input is {}, expected rows of sequences, T first", x.ToString());
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    const Layout& x = inputs[0].type.shape;
    return std::make_unique<TimeWindowKernel>(pool_, size_, before_, x,
                                              TimeRows(x, inputs[0].observations, how.time));
  }

 private:
  Pool pool_;
  int64_t size_, before_;
};

}  // namespace

OpPtr TimeWindowPooling(Pool pool, int64_t size, int64_t before) {
  return std::make_shared<TimeWindowOp>(pool, size, before);
}

OpPtr TimePooling(TimePool pool) { return std::make_shared<TimePoolingOp>(pool); }

}  // namespace normkit::ops
