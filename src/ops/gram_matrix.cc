// Products of each observation's channels with each other.
#include <algorithm>

#include "src/core/fail.h"
#include "src/onednn/inner_product.h"
#include "src/ops/ops.h"

namespace normkit::ops {
namespace {

class GramMatrixKernel : public Kernel {
 public:
  explicit GramMatrixKernel(const Layout& x)
      : observations_(x.axes()[0].size),
        channels_(x.axes().back().size),
        rows_(x.size() / std::max<int64_t>(1, observations_ * channels_)) {}
  size_t backward_scratch_bytes() const override {
    return static_cast<size_t>(channels_ * channels_) * sizeof(float);
  }

  // The gradient of weights of a layer whose inputs and whose outputs' gradients are x.
  void Forward(const ForwardContext& context) override {
    const InnerProduct product({rows_, channels_, channels_});
    const int64_t n = channels_ * channels_;
    for (int64_t b = 0; b < observations_; ++b) {
      const float* x = context.x() + b * x_size();
      product.BackwardWeights(x, x, nullptr, context.y() + b * n, nullptr);
    }
    for (int64_t i = 0; i < observations_ * n; ++i) context.y()[i] = Mean(context.y()[i]);
  }

  // dx = x (dG + dG^T) / rows.
  void Backward(const BackwardContext& context) override {
    if (!context.dx()) return;
    const InnerProduct product({rows_, channels_, channels_});
    auto* weights = reinterpret_cast<float*>(context.scratch);
    for (int64_t b = 0; b < observations_; ++b) {
      const float* dy = context.dy() + b * channels_ * channels_;
      for (int64_t i = 0; i < channels_; ++i)
        for (int64_t k = 0; k < channels_; ++k)
          weights[i * channels_ + k] = Mean(dy[i * channels_ + k] + dy[k * channels_ + i]);
      // Symmetric, so the gradient of a layer's inputs is what the layer gives.
      product.BackwardData(context.x() + b * x_size(), weights, context.add[0],
                           context.dx() + b * x_size());
    }
  }

 private:
  int64_t x_size() const { return rows_ * channels_; }
  float Mean(float sum) const { return sum / static_cast<float>(rows_); }

  int64_t observations_, channels_, rows_;
};

class GramMatrixOp : public Op {
 public:
  std::string_view name() const override { return "Gram matrix"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    if (inputs[0].type.dtype != DType::kF32 || x.rank() < 3 || x.size() < 1)
      Fail("input is {}, expected f32 of observations, rows and channels",
           inputs[0].type.ToString());
    const int64_t channels = x.axes().back().size;
    return {{DType::kF32, Layout::Unlabelled(std::vector{x.axes()[0].size, channels, channels})}};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<GramMatrixKernel>(inputs[0].type.shape);
  }
};

}  // namespace

OpPtr GramMatrix() { return std::make_shared<GramMatrixOp>(); }

}  // namespace normkit::ops
