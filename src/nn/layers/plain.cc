#include "src/nn/layers/plain.h"

#include "src/core/suggest.h"
#include "src/nn/layers/window.h"
#include "src/nn/properties.h"
#include "src/ops/binary.h"
#include "src/ops/ops.h"

namespace normkit {

ElementwiseLayer::ElementwiseLayer(std::string name, const ElementwiseOptions& options)
    : Layer(std::move(name)), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> ElementwiseLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  OnlyInput(*this, graph, inputs);
  const auto number = static_cast<float>(options_.number);
  return graph.AddNode(ops::MakeElementwise(*options_.row, number), {inputs[0]});
}

std::string ElementwiseLayer::Description() const {
  const std::string_view name = options_.row->number.name;
  return name.empty() ? "" : fmt::format("{} {}", name, options_.number);
}

LayerPtr Elementwise(std::string_view operation, const std::string& name,
                     std::optional<double> number) {
  std::vector<std::string> known;
  for (const ops::Elementwise& row : ops::ElementwiseTable()) {
    known.emplace_back(row.json);
    if (operation != row.json && operation != row.type && operation != row.short_name) continue;
    if (number && row.number.name.empty())
      Fail("{} '{}': the number {} is given, expected none", row.type, name, *number);
    return std::make_shared<ElementwiseLayer>(
        name, ElementwiseOptions{&row, number.value_or(row.number.otherwise)});
  }
  Fail("elementwise operation '{}' is unknown, expected {}{}", operation, fmt::join(known, ", "),
       DidYouMean(operation, known));
}

namespace {

std::vector<Value> BuildSoftmax(const Layer& layer, Graph& graph, std::span<const Value> inputs) {
  const Layout& x = OnlyInput(layer, graph, inputs);
  if (!x.channels_last()) FailLayer(layer, "input is {}, expected channels last", x.ToString());
  if (x.channels() < 2)
    FailLayer(layer,
              "input is {}, expected at least 2 channels (classes): of one value it is 1, whatever "
              "the input",
              x.ToString());
  return graph.AddNode(ops::Softmax(), {inputs[0]});
}

std::vector<Value> BuildFlatten(const Layer& layer, Graph& graph, std::span<const Value> inputs) {
  const Layout& x = OnlyInput(layer, graph, inputs);
  if (x.format() != "BSSSC" && !(x.packed() && x.Has(kS))) OnlyImage(layer, graph, inputs);
  return graph.AddNode(ops::Flatten(), {inputs[0]});
}

std::vector<Value> BuildGlobalAverage(const Layer& layer, Graph& graph,
                                      std::span<const Value> inputs) {
  OnlySpace(layer, graph, inputs, 2, true);
  return graph.AddNode(ops::GlobalAverage(), {inputs[0]});
}

std::vector<Value> BuildGlobalAverage3d(const Layer& layer, Graph& graph,
                                        std::span<const Value> inputs) {
  OnlySpace(layer, graph, inputs, 3, true);
  return graph.AddNode(ops::GlobalAverage(), {inputs[0]});
}

template <ops::TimePool kPool>
std::vector<Value> BuildTimePooling(const Layer& layer, Graph& graph,
                                    std::span<const Value> inputs) {
  OnlyTime(layer, graph, inputs);
  return graph.AddNode(ops::TimePooling(kPool), {inputs[0]});
}

constexpr NamedLayer::Kind kSoftmax{"softmax", "softmax", "Softmax", BuildSoftmax};
constexpr NamedLayer::Kind kFlatten{"flatten", "flatten", "Flatten", BuildFlatten};
constexpr NamedLayer::Kind kGlobalAverage{"global average pooling 2-D", "gap", "GlobalAveragePool",
                                          BuildGlobalAverage};
constexpr NamedLayer::Kind kGlobalAverage3d{"global average pooling 3-D", "gap3d",
                                            "GlobalAveragePool", BuildGlobalAverage3d};
constexpr NamedLayer::Kind kTimeAverage{"global average pooling 1-D", "gap1d", "",
                                        BuildTimePooling<ops::TimePool::kMean>};
constexpr NamedLayer::Kind kTimeMaximum{"global max pooling 1-D", "gmp1d", "",
                                        BuildTimePooling<ops::TimePool::kMax>};
constexpr NamedLayer::Kind kLastStep{"last step", "last", "",
                                     BuildTimePooling<ops::TimePool::kLast>};

}  // namespace

DropoutLayer::DropoutLayer(const DropoutOptions& options) : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> DropoutLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  OnlyInput(*this, graph, inputs);
  return graph.AddNode(ops::Dropout(options_.probability), {inputs[0]});
}

std::string DropoutLayer::Description() const {
  return fmt::format("probability {}", options_.probability);
}

AdditionLayer::AdditionLayer(const AdditionOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> AdditionLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  CheckInputCount(*this, inputs, options_.num_inputs);
  return graph.AddNode(ops::Addition(), {inputs.begin(), inputs.end()});
}

std::string AdditionLayer::Description() const {
  return fmt::format("{} inputs", options_.num_inputs);
}

MultiplicationLayer::MultiplicationLayer(const MultiplicationOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> MultiplicationLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  CheckInputCount(*this, inputs, options_.num_inputs);
  const std::vector<Layout> layouts = LayoutsOf(graph, inputs);
  for (const Layout& x : layouts) CheckFits(layouts[0], x);
  Value product = inputs[0];
  for (size_t i = 1; i < inputs.size(); ++i)
    product =
        graph.AddNode(ops::MakeBinary(ops::FindBinary("multiply")), {product, inputs[i]}).front();
  return {product};
}

void MultiplicationLayer::CheckFits(const Layout& first, const Layout& x) const {
  bool fits = x.format() == first.format();
  for (size_t i = 0; fits && i < x.axes().size(); ++i)
    fits = x.axes()[i].size == first.axes()[i].size || x.axes()[i].size == 1;
  if (!fits)
    FailLayer(*this, "inputs are {} and {}, expected equal sizes, or 1 behind the first",
              first.ToString(), x.ToString());
}

std::string MultiplicationLayer::Description() const {
  return fmt::format("{} inputs", options_.num_inputs);
}

ConcatenationLayer::ConcatenationLayer(const ConcatenationOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> ConcatenationLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  CheckInputCount(*this, inputs, options_.num_inputs);
  for (const Layout& x : LayoutsOf(graph, inputs))
    if (!x.Has(kC) || x.axes().back().label != kC)
      FailLayer(*this, "input is {}, expected channels last", x.ToString());
  return graph.AddNode(ops::Concatenation(), {inputs.begin(), inputs.end()});
}

std::string ConcatenationLayer::Description() const {
  return fmt::format("{} inputs along channels", options_.num_inputs);
}

LayerPtr Relu(const std::string& name) { return Elementwise("relu", name); }
LayerPtr LeakyRelu(const LeakyReluOptions& options) {
  return Elementwise("leaky_relu", options.name, options.scale);
}
LayerPtr Tanh(const std::string& name) { return Elementwise("tanh", name); }
LayerPtr Sigmoid(const std::string& name) { return Elementwise("sigmoid", name); }
LayerPtr Gelu(const std::string& name) { return Elementwise("gelu", name); }
LayerPtr Softplus(const std::string& name) { return Elementwise("softplus", name); }
LayerPtr Swish(const std::string& name) { return Elementwise("swish", name); }
LayerPtr Elu(const std::string& name, double alpha) { return Elementwise("elu", name, alpha); }
LayerPtr ClippedRelu(const std::string& name, double ceiling) {
  return Elementwise("clipped_relu", name, ceiling);
}
LayerPtr Softmax(const std::string& name) { return std::make_shared<NamedLayer>(kSoftmax, name); }
LayerPtr Flatten(const std::string& name) { return std::make_shared<NamedLayer>(kFlatten, name); }
LayerPtr GlobalAveragePooling2d(const std::string& name) {
  return std::make_shared<NamedLayer>(kGlobalAverage, name);
}
LayerPtr GlobalAveragePooling3d(const std::string& name) {
  return std::make_shared<NamedLayer>(kGlobalAverage3d, name);
}
LayerPtr GlobalAveragePooling1d(const std::string& name) {
  return std::make_shared<NamedLayer>(kTimeAverage, name);
}
LayerPtr GlobalMaxPooling1d(const std::string& name) {
  return std::make_shared<NamedLayer>(kTimeMaximum, name);
}
LayerPtr LastStep(const std::string& name) { return std::make_shared<NamedLayer>(kLastStep, name); }
LayerPtr Dropout(const DropoutOptions& options) { return std::make_shared<DropoutLayer>(options); }
LayerPtr Addition(const AdditionOptions& options) {
  return std::make_shared<AdditionLayer>(options);
}
LayerPtr Multiplication(const MultiplicationOptions& options) {
  return std::make_shared<MultiplicationLayer>(options);
}
LayerPtr Concatenation(const ConcatenationOptions& options) {
  return std::make_shared<ConcatenationLayer>(options);
}

}  // namespace normkit
