#include "src/nn/layers/borders.h"

#include "src/nn/layers/window.h"
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

std::string_view Name(ResizeMethod method) { return NameOf(method); }

ResizeLayer::ResizeLayer(const ResizeOptions& options) : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<int64_t> ResizeLayer::SizesFor(const Layout& x) const {
  std::vector<int64_t> sizes = options_.output_size;
  if (std::ranges::count(sizes, 0) == std::ssize(sizes)) return {};
  SpreadSizes(*this, "output_size", static_cast<size_t>(x.rank()) - 2, sizes);
  for (const int64_t size : sizes)
    if (size == 0) FailLayer(*this, "output_size has 0 and others, expected 1 or more for all");
  return sizes;
}

std::vector<Value> ResizeLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  const Layout x = OnlyInput(*this, graph, inputs);
  if (x.format() != "BSSC" && x.format() != "BSSSC")
    FailLayer(*this, "input is {}, expected images or volumes, channels last", x.ToString());
  ops::ResizeSettings settings{.mode = options_.method == ResizeMethod::kLinear
                                           ? ops::ResizeSettings::kLinear
                                           : ops::ResizeSettings::kNearest};
  for (int axis = 1; axis < x.rank() - 1; ++axis) settings.axes.push_back(axis);
  const std::vector<int64_t> sizes = SizesFor(x);
  const Value to =
      sizes.empty()
          ? AddVector(graph, DType::kF32,
                      std::vector(settings.axes.size(), static_cast<float>(options_.scale)))
          : AddVector(graph, DType::kI64, sizes);
  return graph.AddNode(ops::Resize(settings), {inputs[0], to});
}

std::string ResizeLayer::Description() const {
  if (std::ranges::count(options_.output_size, 0) == std::ssize(options_.output_size))
    return fmt::format("times {}, {}", options_.scale, Name(options_.method));
  return fmt::format("to {}, {}", DescribeSizes(options_.output_size), Name(options_.method));
}

LayerPtr Resize(const ResizeOptions& options) { return std::make_shared<ResizeLayer>(options); }

LayerPtr ReflectionPadding2d(const ReflectionPadding2dOptions& options) {
  return std::make_shared<ReflectionPadding2dLayer>(options);
}

LayerPtr Upsampling2d(const Upsampling2dOptions& options) {
  return std::make_shared<Upsampling2dLayer>(options);
}

}  // namespace normkit
