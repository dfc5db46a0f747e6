#include "src/nn/layers/pooling.h"

#include "src/nn/layers/window.h"
#include "src/nn/properties.h"

namespace normkit {
Pooling2dLayer::Pooling2dLayer(ops::Pool pool, const Pooling2dOptions& options)
    : Layer(options.name), pool_(pool), options_(options) {
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
  return pool_ == ops::Pool::kMax ? "max pooling 2-D" : "average pooling 2-D";
}

std::string_view Pooling2dLayer::short_name() const {
  return pool_ == ops::Pool::kMax ? "maxpool" : "avgpool";
}

ops::Window Pooling2dLayer::window() const {
  const auto& [height, width] = options_.pool_size;
  return {{height, width}, {options_.stride[0], options_.stride[1]}, {}, options_.padding};
}

std::vector<Value> Pooling2dLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  OnlyImage(*this, graph, inputs);
  return graph.AddNode(ops::Pooling(pool_, window()), {inputs[0]});
}

std::string Pooling2dLayer::Description() const {
  return DescribeWindow(options_.pool_size, options_.stride, options_.padding);
}

LayerPtr MaxPooling2d(const Pooling2dOptions& options) {
  return std::make_shared<Pooling2dLayer>(ops::Pool::kMax, options);
}

LayerPtr AveragePooling2d(const Pooling2dOptions& options) {
  return std::make_shared<Pooling2dLayer>(ops::Pool::kAverage, options);
}

}  // namespace normkit
