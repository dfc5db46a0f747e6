// Convolution over packed time: no window reads over an end of its observation.
#include <vector>

#include "src/core/fail.h"
#include "src/ops/tap_convolution.h"
#include "src/ops/time_ops.h"
#include "src/ops/time_rows.h"

namespace normkit::ops {
namespace {

class TimeTaps {
 public:
  TimeTaps(const TimeRows& time, int64_t dilation, int64_t before)
      : time_(time), dilation_(dilation), before_(before) {}
  int64_t x_rows() const { return time_.rows(); }
  int64_t y_rows() const { return time_.rows(); }
  bool Idle() const { return time_.Idle(); }

  template <class F>
  void ForSources(bool back, int64_t tap, int64_t first, int64_t last, const F& f) const {
    const int64_t behind = tap * dilation_ - before_, reach = back ? -behind : behind;
    time_.ForRows(first, last, [&](int64_t row, int64_t begin, int64_t end) {
      const int64_t at = row + reach;
      f(row, at >= begin && at < end ? at : -1);
    });
  }

 private:
  TimeRows time_;
  int64_t dilation_, before_;
};

class TimeConvolutionOp : public Op {
 public:
  TimeConvolutionOp(int64_t dilation, int64_t before, int64_t groups)
      : dilation_(dilation), before_(before), groups_(groups) {}
  std::string_view name() const override { return "time convolution"; }

  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const TapShape shape = Shape(inputs);
    std::vector<Axis> axes = inputs[0].type.shape.axes();
    axes[1].size = shape.filters;
    return {{DType::kF32, Layout(std::move(axes))}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    const Layout& x = inputs[0].type.shape;
    const TimeRows time(x, inputs[0].observations, how.time);
    return std::make_unique<TapConvolutionKernel<TimeTaps>>(
        Shape(inputs), TimeTaps(time, dilation_, before_), how);
  }

 private:
  TapShape Shape(std::span<const OpInput> inputs) const {
    const Layout& x = inputs[0].type.shape;
    const std::vector<int64_t> weights = inputs[1].type.shape.shape();
    if (x.format() != "TC" || weights.size() != 3 || weights[1] * groups_ != x.channels() ||
        weights[0] % groups_ != 0)
      Fail("weights are {} for {} groups of x {}, expected [filters,channels / groups,taps] and TC",
           inputs[1].type.shape.ToString(), groups_, x.ToString());
    return {x.channels(), weights[0], weights[2], groups_};
  }

  int64_t dilation_, before_, groups_;
};

}  // namespace

OpPtr TimeConvolution(int64_t dilation, int64_t before, int64_t groups) {
  return std::make_shared<TimeConvolutionOp>(dilation, before, groups);
}

}  // namespace normkit::ops
