// Reductions over some axes, which stay as axes of one element.
#include <algorithm>
#include <cmath>
#include <limits>

#include "src/core/fail.h"
#include "src/core/strided_loops.h"
#include "src/ops/known.h"
#include "src/ops/ops.h"
#include "src/ops/pieces.h"

namespace normkit::ops {
namespace {

// Added up in f64, one after the other.
class ReduceKernel : public Kernel {
 public:
  ReduceKernel(Reduction reduction, const Layout& x, const Layout& y)
      : reduction_(reduction),
        size_(y.size()),
        each_(y.size() > 0 ? x.size() / y.size() : 0),
        nest_(x.shape(), {DenseStrides(x.shape()), BroadcastStrides(y.shape(), x.shape())}) {}
  bool needs_input(size_t) const override { return reduction_ == Reduction::kSumOfSquares; }
  size_t forward_scratch_bytes() const override {
    return static_cast<size_t>(size_) * sizeof(double);
  }

  void Forward(const ForwardContext& context) override {
    auto* sums = reinterpret_cast<double*>(context.scratch);
    std::fill_n(sums, size_, Begin());
    nest_.ForRuns(
        [&](const std::array<int64_t, 2>& at, int64_t n) {
          const float* x = context.x() + at[0];
          double* to = sums + at[1];
          const int64_t x_stride = nest_.stride(0), stride = nest_.stride(1);
          switch (reduction_) {
            case Reduction::kMean:
            case Reduction::kSum:
              for (int64_t i = 0; i < n; ++i) to[i * stride] += x[i * x_stride];
              break;
            case Reduction::kSumOfSquares:
              for (int64_t i = 0; i < n; ++i)
                to[i * stride] += static_cast<double>(x[i * x_stride]) * x[i * x_stride];
              break;
            case Reduction::kMaximum:
              for (int64_t i = 0; i < n; ++i)
                to[i * stride] = Larger(x[i * x_stride], to[i * stride]);
              break;
            case Reduction::kMinimum:
              for (int64_t i = 0; i < n; ++i)
                to[i * stride] = -Larger(-x[i * x_stride], -to[i * stride]);
              break;
            case Reduction::kProduct:
              for (int64_t i = 0; i < n; ++i) to[i * stride] *= x[i * x_stride];
              break;
          }
        },
        /*threads=*/false);
    const double scale = reduction_ == Reduction::kMean ? 1 / static_cast<double>(each_) : 1;
    for (int64_t i = 0; i < size_; ++i) context.y()[i] = static_cast<float>(sums[i] * scale);
  }

  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    if (reduction_ > Reduction::kSumOfSquares)
      Fail("reduction: maxima, minima and products have no gradient yet");
    const float scale = reduction_ == Reduction::kMean ? 1 / static_cast<float>(each_) : 1;
    const bool squares = reduction_ == Reduction::kSumOfSquares;
    nest_.ForRuns([&](const std::array<int64_t, 2>& at, int64_t n) {
      const float* dy = context.dy() + at[1];
      const float* x = squares ? context.x() + at[0] : nullptr;
      Store(context.dx() + at[0], 0, n, context.add[0], [&](int64_t i) {
        const float d = dy[i * nest_.stride(1)] * scale;
        return squares ? 2 * d * x[i] : d;
      });
    });
  }

 private:
  double Begin() const {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    switch (reduction_) {
      case Reduction::kMaximum:
        return -kInfinity;
      case Reduction::kMinimum:
        return kInfinity;
      case Reduction::kProduct:
        return 1;
      default:
        return 0;
    }
  }
  static double Larger(double a, double b) { return a > b || a != a ? a : b; }

  Reduction reduction_;
  int64_t size_, each_;
  StridedLoops<2> nest_;
};

class ReduceOp : public Op {
 public:
  ReduceOp(Reduction reduction, std::vector<int64_t> axes)
      : reduction_(reduction), axes_(std::move(axes)) {}
  std::string_view name() const override { return "reduction"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const ArrayType& x = inputs[0].type;
    if (x.dtype != DType::kF32) Fail("x is {}, expected f32", x.ToString());
    std::vector<Axis> axes = x.shape.axes();
    for (const int64_t axis : axes_)
      axes[static_cast<size_t>(AxisOf(axis, x.shape.rank()))].size = 1;
    return {{x.dtype, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<ReduceKernel>(reduction_, inputs[0].type.shape, Infer(inputs)[0].shape);
  }

 private:
  Reduction reduction_;
  std::vector<int64_t> axes_;
};

}  // namespace

OpPtr Reduce(Reduction reduction, std::vector<int64_t> axes) {
  return std::make_shared<ReduceOp>(reduction, std::move(axes));
}

}  // namespace normkit::ops
