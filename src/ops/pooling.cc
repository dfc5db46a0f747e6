#include "src/onednn/pooling.h"

#include "src/ops/pieces.h"
#include "src/ops/window.h"

namespace normkit::ops {
namespace {

class PoolingKernel : public Kernel {
 public:
  PoolingKernel(PoolingKind kind, const PoolingShape& shape, bool training)
      : pooling_(kind, shape, training) {}
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
  PoolingOp(Pool pool, const Window& window) : pool_(pool), window_(window) {
    window_.dilation = {};
  }
  std::string_view name() const override {
    return pool_ == Pool::kMax ? "max pooling" : "average pooling";
  }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    const PoolingShape shape = Shape(x);
    return {{DType::kF32, WithSpace(x, shape.output_size(), shape.channels)}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs, bool training) const override {
    return std::make_unique<PoolingKernel>(
        pool_ == Pool::kMax ? PoolingKind::kMax : PoolingKind::kAverage,
        Shape(inputs[0].type.shape), training);
  }

 private:
  PoolingShape Shape(const Layout& x) const {
    PlacedWindow w = Place(window_, x);
    return {x.axes()[0].size,    std::move(w.x),      x.axes().back().size, std::move(w.size),
            std::move(w.stride), std::move(w.before), std::move(w.after)};
  }

  Pool pool_;
  Window window_;
};

constexpr int64_t kLanes = 64;  // channels summed at once

// [B, pixels, C] -> [B, C].
class GlobalAverageKernel : public Kernel {
 public:
  explicit GlobalAverageKernel(const Layout& x)
      : batch_(x.axes()[0].size),
        pixels_(x.size() / x.axes()[0].size / x.axes().back().size),
        channels_(x.axes().back().size) {}
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    ForRowPieces(batch_, pixels_ * channels_, [&](int64_t b) {
      const float* x = context.x() + b * pixels_ * channels_;
      for (int64_t first = 0; first < channels_; first += kLanes) {
        const int64_t lanes = std::min(kLanes, channels_ - first);
        double sums[kLanes] = {};
        for (int64_t s = 0; s < pixels_; ++s)
          for (int64_t c = 0; c < lanes; ++c) sums[c] += x[s * channels_ + first + c];
        for (int64_t c = 0; c < lanes; ++c)
          context.y()[b * channels_ + first + c] =
              static_cast<float>(sums[c] / static_cast<double>(pixels_));
      }
    });
  }

  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    const float scale = 1 / static_cast<float>(pixels_);
    ForRowPieces(batch_, pixels_ * channels_, [&](int64_t b) {
      const float* dy = context.dy() + b * channels_;
      float* dx = context.dx() + b * pixels_ * channels_;
      for (int64_t s = 0; s < pixels_; ++s)
        Store(dx + s * channels_, 0, channels_, context.add[0],
              [&](int64_t c) { return dy[c] * scale; });
    });
  }

 private:
  int64_t batch_, pixels_, channels_;
};

class GlobalAverageOp : public Op {
 public:
  std::string_view name() const override { return "global average"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    return {{DType::kF32, WithSpace(x, Space(x.axes().size() - 2, 1), x.axes().back().size)}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs, bool) const override {
    return std::make_unique<GlobalAverageKernel>(inputs[0].type.shape);
  }
};

}  // namespace

OpPtr Pooling(Pool pool, const Window& window) { return std::make_shared<PoolingOp>(pool, window); }

OpPtr GlobalAverage() { return std::make_shared<GlobalAverageOp>(); }

}  // namespace normkit::ops
