// A normalization whose scale and offset are computed, one of each for each channel of each
// observation: adaptive and conditional instance normalization.
#include <algorithm>

#include "src/core/fail.h"
#include "src/ops/normalization.h"

namespace normkit::ops {
namespace {

// Each observation is by itself: parts of a mini-batch have nothing to join.
class AdaptiveKernel : public Kernel {
 public:
  AdaptiveKernel(const NormSpec& spec, const Layout& x, const NormOptions& options)
      : normalization_(spec, x, DType::kF32, options) {}

  size_t saved_bytes() const override { return 2 * Statistics() * sizeof(double); }
  bool needs_input(size_t i) const override { return i < 2; }
  bool forward_in_place() const override { return true; }
  bool backward_in_place(size_t i) const override { return i == 0; }
  bool adds(size_t i) const override { return i == 0; }

  void Forward(const ForwardContext& context) override {
    normalization_.ForwardTraining({.x = context.x(),
                                    .gamma = context.x(1),
                                    .beta = context.x(2),
                                    .y = context.y(),
                                    .saved = Saved(context.saved)});
  }

  void Backward(const BackwardContext& context) override {
    const SavedStatistics saved = Saved(const_cast<std::byte*>(context.saved));
    Normalization::BackwardArgs args{.x = context.x(),
                                     .dy = context.dy(),
                                     .gamma = context.x(1),
                                     .mean = saved.mean,
                                     .rstd = saved.rstd};
    args.dx = context.dx();
    args.dgamma = context.dx(1);
    args.dbeta = context.dx(2);
    args.accumulate = args.dx && context.add[0];
    if (args.accumulate)  // for all outputs of the call, but these begin at 0
      for (const size_t i : {1, 2})
        if (context.dx(i)) std::fill_n(context.dx(i), normalization_.num_parameters(), 0.f);
    if (args.dx || args.dgamma || args.dbeta) normalization_.Backward(args);
  }

 private:
  size_t Statistics() const { return static_cast<size_t>(normalization_.num_statistics()); }
  SavedStatistics Saved(std::byte* saved) const {
    auto* first = reinterpret_cast<double*>(saved);
    return {first, first ? first + Statistics() : nullptr};
  }

  Normalization normalization_;
};

class AdaptiveNormalizationOp : public Op {
 public:
  AdaptiveNormalizationOp(const NormSpec& spec, const NormOptions& options)
      : spec_(spec), options_(options) {
    options_.parameter_axes = kB | kC;
  }
  std::string_view name() const override { return kAdaptiveName; }
  NormalizationSettings Settings() const {
    return {.spec = &FindNormSpec(spec_.name), .options = options_};
  }

  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    const std::vector<int64_t> expected{x.SizeOf(kB), x.channels()};
    for (size_t i = 1; i < 3; ++i)
      if (inputs[i].type.shape.shape() != expected)
        Fail("{} is {}, expected [{}] (observations and channels of x, {})",
             i == 1 ? "scale" : "offset", inputs[i].type.ToString(), fmt::join(expected, ","),
             x.ToString());
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<AdaptiveKernel>(spec_, inputs[0].type.shape, options_);
  }

 private:
  NormSpec spec_;
  NormOptions options_;
};

}  // namespace

NormalizationSettings SettingsOfAdaptive(const Op& op) {
  return static_cast<const AdaptiveNormalizationOp&>(op).Settings();
}

OpPtr AdaptiveNormalization(const NormSpec& spec, const NormOptions& options) {
  return std::make_shared<AdaptiveNormalizationOp>(spec, options);
}

}  // namespace normkit::ops
