#include "src/onednn/pooling.h"

#include "src/core/fail.h"
#include "src/ops/pieces.h"
#include "src/ops/window.h"

namespace normkit::ops {
namespace {

class PoolingKernel : public Kernel {
 public:
  PoolingKernel(PoolingKind kind, const PoolingShape& shape, const BatchPart& part, bool training)
      : pooling_(kind, shape, training, part) {}
  size_t saved_bytes() const override { return pooling_.saved_bytes(); }
  size_t forward_scratch_bytes() const override { return pooling_.forward_scratch_bytes(); }
  size_t backward_scratch_bytes() const override { return pooling_.backward_scratch_bytes(); }
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    pooling_.Forward(context.x(), context.y(), context.saved, context.scratch);
  }

  void Backward(const BackwardContext& context) override {
    if (context.dx())
      pooling_.Backward(context.dy(), context.saved, context.add[0], context.dx(), context.scratch);
  }

 private:
  normkit::Pooling pooling_;
};

class PoolingOp : public Op {
 public:
  PoolingOp(Pool pool, const Window& window) : pool_(pool), window_(window) {}
  std::string_view name() const override {
    return pool_ == Pool::kMax ? "max pooling" : "average pooling";
  }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    const PoolingShape shape = Shape(x);
    return {{DType::kF32, WithSpace(x, shape.output_size(), shape.channels)}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    return std::make_unique<PoolingKernel>(pool_ == Pool::kMax      ? PoolingKind::kMax
                                           : window_.counts_padding ? PoolingKind::kAverage
                                                                    : PoolingKind::kAverageInside,
                                           Shape(inputs[0].type.shape), PartOf(inputs, how),
                                           how.training);
  }

 private:
  // Nothing is added up over rows: those of sequences are cut as they come.
  static BatchPart PartOf(std::span<const OpInput> inputs, const Preparation& how) {
    return inputs[0].type.shape.packed() ? BatchPart{} : how.part;
  }

  PoolingShape Shape(const Layout& x) const {
    PlacedWindow w = Place(window_, x);
    if (window_.ceil) RoundUp(w);
    return {x.axes()[0].size,    std::move(w.x),      x.axes().back().size, std::move(w.size),
            std::move(w.stride), std::move(w.before), std::move(w.after),   std::move(w.dilation)};
  }

  // A last window that begins before the padding behind x ends: more padding, which never counts.
  void RoundUp(PlacedWindow& w) const {
    for (size_t i = 0; i < w.x.size(); ++i) {
      const int64_t padded = w.x[i] + w.before[i] + w.after[i];
      const int64_t covers = (w.size[i] - 1) * w.dilation[i] + 1;
      int64_t count = (padded - covers + w.stride[i] - 1) / w.stride[i] + 1;
      if ((count - 1) * w.stride[i] >= w.x[i] + w.before[i]) --count;
      const int64_t more = (count - 1) * w.stride[i] + covers - padded;
      if (more <= 0) continue;
      if (pool_ == Pool::kAverage && window_.counts_padding)
        Fail(
            "the last window ends {} elements behind the padding, which an average that counts "
            "zeros cannot have",
            more);
      w.after[i] += more;
    }
  }

  Pool pool_;
  Window window_;
};

constexpr int64_t kLanes = 64;  // channels summed at once

// [B, pixels, C] -> [B, C].
class GlobalAverageKernel : public Kernel {
 public:
  explicit GlobalAverageKernel(const Layout& x) : x_(x) {}
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    ForRowPieces(x_.batch, x_.observation(), [&](int64_t b) {
      const float* x = context.x() + b * x_.observation();
      for (int64_t first = 0; first < x_.channels; first += kLanes) {
        const int64_t lanes = std::min(kLanes, x_.channels - first);
        double sums[kLanes] = {};
        for (int64_t s = 0; s < x_.pixels; ++s)
          for (int64_t c = 0; c < lanes; ++c) sums[c] += x[s * x_.channels + first + c];
        for (int64_t c = 0; c < lanes; ++c)
          context.y()[b * x_.channels + first + c] =
              static_cast<float>(sums[c] / static_cast<double>(x_.pixels));
      }
    });
  }

  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    const float scale = 1 / static_cast<float>(x_.pixels);
    ForRowPieces(x_.batch, x_.observation(), [&](int64_t b) {
      const float* dy = context.dy() + b * x_.channels;
      float* dx = context.dx() + b * x_.observation();
      for (int64_t s = 0; s < x_.pixels; ++s)
        Store(dx + s * x_.channels, 0, x_.channels, context.add[0],
              [&](int64_t c) { return dy[c] * scale; });
    });
  }

 private:
  Pixels x_;
};

class GlobalAverageOp : public Op {
 public:
  std::string_view name() const override { return "global average"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    return {{DType::kF32, WithSpace(x, Space(x.axes().size() - 2, 1), x.axes().back().size)}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<GlobalAverageKernel>(inputs[0].type.shape);
  }
};

}  // namespace

OpPtr Pooling(Pool pool, const Window& window) { return std::make_shared<PoolingOp>(pool, window); }

OpPtr GlobalAverage() { return std::make_shared<GlobalAverageOp>(); }

}  // namespace normkit::ops
