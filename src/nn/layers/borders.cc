#include "src/nn/layers/borders.h"

#include "src/nn/properties.h"
#include "src/ops/ops.h"
#include "src/ops/resize.h"

namespace normkit {
namespace {

template <class T>
Value AddVector(Graph& graph, DType dtype, const std::vector<T>& numbers) {
  Tensor constant(Layout::Unlabelled(std::vector{std::ssize(numbers)}), dtype);
  std::copy(numbers.begin(), numbers.end(), constant.values<T>().begin());
  return graph.AddConstant(std::move(constant));
}

}  // namespace

ReflectionPadding2dLayer::ReflectionPadding2dLayer(const ReflectionPadding2dOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
  if (options.padding.same) FailLayer(*this, "padding is same, expected numbers");
}

std::vector<Value> ReflectionPadding2dLayer::Build(Graph& graph,
                                                   std::span<const Value> inputs) const {
  OnlyImage(*this, graph, inputs);
  const Padding& p = options_.padding;
  const Value pads =
      AddVector<int64_t>(graph, DType::kI64, {0, p.top, p.left, 0, 0, p.bottom, p.right, 0});
  return graph.AddNode(ops::Pad(ops::Edge::kReflect), {inputs[0], pads});
}

std::string ReflectionPadding2dLayer::Description() const {
  const Padding& p = options_.padding;
  if (p.top == p.bottom && p.left == p.right && p.top == p.left)
    return fmt::format("{} on each side", p.top);
  return fmt::format("top {}, bottom {}, left {}, right {}", p.top, p.bottom, p.left, p.right);
}

Upsampling2dLayer::Upsampling2dLayer(const Upsampling2dOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> Upsampling2dLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  OnlyImage(*this, graph, inputs);
  const Value scales = AddVector<float>(
      graph, DType::kF32,
      {static_cast<float>(options_.scale[0]), static_cast<float>(options_.scale[1])});
  const ops::ResizeSettings nearest{.mode = ops::ResizeSettings::kNearest,
                                    .coordinates = ops::ResizeSettings::kAsymmetric,
                                    .rounding = ops::ResizeSettings::kFloor,
                                    .axes = {1, 2}};
  return graph.AddNode(ops::Resize(nearest), {inputs[0], scales});
}

std::string Upsampling2dLayer::Description() const {
  return fmt::format("{}x{}, nearest", options_.scale[0], options_.scale[1]);
}

LayerPtr ReflectionPadding2d(const ReflectionPadding2dOptions& options) {
  return std::make_shared<ReflectionPadding2dLayer>(options);
}

LayerPtr Upsampling2d(const Upsampling2dOptions& options) {
  return std::make_shared<Upsampling2dLayer>(options);
}

}  // namespace normkit
