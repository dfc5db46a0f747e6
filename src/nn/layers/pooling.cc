#include "src/nn/layers/pooling.h"

#include "src/nn/layers/window.h"
#include "src/nn/properties.h"

namespace normkit {
namespace {

constexpr std::array<int64_t, 2> kNoDilation{1, 1};

class PoolingOp : public LayerOp {
 public:
  PoolingOp(PoolingKind kind, const PoolingShape& shape, bool training)
      : pooling_(kind, shape, training) {}
  size_t saved_bytes() const override { return pooling_.saved_bytes(); }
  size_t forward_scratch_bytes() const override { return pooling_.forward_scratch_bytes(); }
  size_t backward_scratch_bytes() const override { return pooling_.backward_scratch_bytes(); }
  bool needs_input(size_t) const override { return false; }

  void Forward(const ForwardContext& context) override {
    pooling_.Forward(context.inputs[0], context.output, context.saved, context.scratch);
  }

  void Backward(const BackwardContext& context) override {
    if (context.dinputs[0])
      pooling_.Backward(context.doutput, context.saved, context.add_to_dinput[0],
                        context.dinputs[0], context.scratch);
  }

 private:
  Pooling pooling_;
};

}  // namespace

Pooling2dLayer::Pooling2dLayer(PoolingKind kind, const Pooling2dOptions& options)
    : Layer(options.name), kind_(kind), options_(options) {
  CheckProperties(*this, options);
  const Padding& p = options.padding;
  if (p.same) return;
  for (const auto& [padding, size] :
       {std::pair{p.top, options.pool_size[0]}, std::pair{p.bottom, options.pool_size[0]},
        std::pair{p.left, options.pool_size[1]}, std::pair{p.right, options.pool_size[1]}})
    if (padding >= size)
      FailLayer(*this, "padding is {}, expected less than pool_size {}: a window would see nothing",
                padding, size);
}

std::string_view Pooling2dLayer::type() const {
  return kind_ == PoolingKind::kMax ? "max pooling 2-D" : "average pooling 2-D";
}

std::string_view Pooling2dLayer::short_name() const {
  return kind_ == PoolingKind::kMax ? "maxpool" : "avgpool";
}

PoolingShape Pooling2dLayer::Shape(const Layout& x) const {
  const ImageShape image(x);
  const WindowPadding padding =
      ResolvePadding(options_.padding, image, options_.pool_size, options_.stride, kNoDilation);
  return {image.batch,     image.height, image.width,    image.channels, options_.pool_size,
          options_.stride, padding.top,  padding.bottom, padding.left,   padding.right};
}

Layout Pooling2dLayer::OutputLayout(std::span<const Layout> inputs) const {
  const Layout& x = OnlyImage(*this, inputs);
  const PoolingShape shape = Shape(x);
  CheckWindowFits(*this, x, options_.pool_size, kNoDilation,
                  {shape.top, shape.bottom, shape.left, shape.right});
  return Layout({{kB, shape.batch},
                 {kS, shape.output_height()},
                 {kS, shape.output_width()},
                 {kC, shape.channels}});
}

std::unique_ptr<LayerOp> Pooling2dLayer::Prepare(std::span<const Layout> inputs,
                                                 bool training) const {
  return std::make_unique<PoolingOp>(kind_, Shape(inputs[0]), training);
}

std::string Pooling2dLayer::Description() const {
  return DescribeWindow(options_.pool_size, options_.stride, options_.padding);
}

LayerPtr MaxPooling2d(const Pooling2dOptions& options) {
  return std::make_shared<Pooling2dLayer>(PoolingKind::kMax, options);
}

LayerPtr AveragePooling2d(const Pooling2dOptions& options) {
  return std::make_shared<Pooling2dLayer>(PoolingKind::kAverage, options);
}

}  // namespace normkit
