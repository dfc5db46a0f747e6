// From the rows of sequences to one row for each.
#include <algorithm>

#include "src/core/fail.h"
#include "src/ops/ops.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

class TimePoolingKernel : public Kernel {
 public:
  TimePoolingKernel(TimePool pool, const Layout& x, int64_t observations, const PackedTime* time)
      : pool_(pool),
        rows_(x.axes()[0].size),
        width_(x.size() / rows_),
        observations_(observations),
        time_(time) {}
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    if (Idle()) return (void)std::fill_n(context.y(), width_, 0.f);
    ForRowPieces(observations_, RowsEach() * width_, [&](int64_t i) {
      const auto [begin, end] = RowsOf(i);
      const float* x = context.x() + begin * width_;
      float* y = context.y() + i * width_;
      if (pool_ == TimePool::kLast)
        std::copy_n(x + (end - begin - 1) * width_, width_, y);
      else
        Mean(x, end - begin, y);
    });
  }

  // dx = dy / rows of the observation, or dy in the last one
  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    const bool add = context.add[0];
    if (Idle()) return Store(context.dx(), 0, rows_ * width_, add, [](int64_t) { return 0.f; });
    ForRowPieces(observations_, RowsEach() * width_, [&](int64_t i) {
      const auto rows = RowsOf(i);  // lambdas of clang 14 cannot see parts of a pair
      const int64_t begin = rows.first, end = rows.second;
      const float* dy = context.dy() + i * width_;
      const auto count = static_cast<float>(end - begin);
      for (int64_t row = begin; row < end; ++row)
        Store(context.dx() + row * width_, 0, width_, add, [&](int64_t c) {
          if (pool_ == TimePool::kMean) return dy[c] / count;
          return row + 1 == end ? dy[c] : 0.f;
        });
    });
  }

 private:
  // A rank without observations has a row that counts for nothing.
  bool Idle() const { return time_ && time_->offsets.empty(); }
  int64_t RowsEach() const { return std::max<int64_t>(1, rows_ / observations_); }
  std::pair<int64_t, int64_t> RowsOf(int64_t observation) const {
    if (!time_) return {observation, observation + 1};
    const auto i = static_cast<size_t>(observation);
    return {time_->offsets[i], time_->offsets[i + 1]};
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

  TimePool pool_;
  int64_t rows_, width_, observations_;
  const PackedTime* time_;
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
    return std::make_unique<TimePoolingKernel>(pool_, inputs[0].type.shape, inputs[0].observations,
                                               how.time);
  }

 private:
  TimePool pool_;
};

}  // namespace

OpPtr TimePooling(TimePool pool) { return std::make_shared<TimePoolingOp>(pool); }

}  // namespace normkit::ops
