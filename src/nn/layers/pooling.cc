#include "src/nn/layers/pooling.h"

#include "src/nn/layers/window.h"
#include "src/nn/properties.h"

namespace normkit {

PoolingLayer::PoolingLayer(ops::Pool pool, const PoolingOptions& options)
    : Layer(options.name), pool_(pool), options_(options) {
  CheckProperties(*this, options);
  const size_t dims = options_.pool_size.size();
  if (dims < 3) options_.padding = FlatPadding(options.padding);
  SpreadSizes(*this, "stride", dims, options_.stride);
  const Padding& p = options.padding;
  if (p.same) return;
  const int64_t sides[3][2] = {{p.front, p.back}, {p.top, p.bottom}, {p.left, p.right}};
  for (size_t i = 0; i < dims; ++i)
    for (const int64_t padding : sides[3 - dims + i])
      if (padding >= options_.pool_size[i])
        FailLayer(*this,
                  "padding is {}, expected less than pool_size {}: a window would see nothing",
                  padding, options_.pool_size[i]);
}

std::string_view PoolingLayer::type() const {
  const bool max = pool_ == ops::Pool::kMax;
  if (options_.pool_size.size() == 3) return max ? "max pooling 3-D" : "average pooling 3-D";
  return max ? "max pooling 2-D" : "average pooling 2-D";
}

std::string_view PoolingLayer::short_name() const {
  return pool_ == ops::Pool::kMax ? "maxpool" : "avgpool";
}

ops::Window PoolingLayer::window() const {
  return {options_.pool_size, options_.stride, {}, options_.padding};
}

std::vector<Value> PoolingLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  OnlySpace(*this, graph, inputs, options_.pool_size.size(), true);
  return graph.AddNode(ops::Pooling(pool_, window()), {inputs[0]});
}

std::string PoolingLayer::Description() const {
  return DescribeWindow(options_.pool_size, options_.stride, options_.padding);
}

namespace {

template <size_t kDims>
LayerPtr MakePooling(ops::Pool pool, const PoolingOptions& options) {
  const auto layer =
      std::make_shared<PoolingLayer>(pool, WithDims<kDims>(options, &PoolingOptions::pool_size));
  CheckDims(*layer, "pool_size", layer->options().pool_size.size(), kDims);
  return layer;
}

}  // namespace

LayerPtr MaxPooling2d(const Pooling2dOptions& options) {
  return MakePooling<2>(ops::Pool::kMax, options);
}
LayerPtr AveragePooling2d(const Pooling2dOptions& options) {
  return MakePooling<2>(ops::Pool::kAverage, options);
}
LayerPtr MaxPooling3d(const Pooling3dOptions& options) {
  return MakePooling<3>(ops::Pool::kMax, options);
}
LayerPtr AveragePooling3d(const Pooling3dOptions& options) {
  return MakePooling<3>(ops::Pool::kAverage, options);
}

}  // namespace normkit
