#include "src/nn/step.h"

#include "src/core/fail.h"
#include "src/nn/layers/addition.h"
#include "src/nn/layers/normalization.h"
#include "src/nn/layers/relu.h"

namespace normkit {
namespace {

std::vector<std::vector<Value>> Consumers(const Graph& graph) {
  std::vector<std::vector<Value>> consumers(static_cast<size_t>(graph.size()));
  for (Value value = 0; value < graph.size(); ++value)
    for (const Value input : graph.node(value).inputs)
      consumers[static_cast<size_t>(input)].push_back(value);
  for (Value value = 0; value < graph.output(); ++value)
    if (consumers[static_cast<size_t>(value)].empty())
      FailLayer(*graph.node(value).layer,
                "no layer reads its output, expected that of the last layer only");
  return consumers;
}

// The layer and a ReLU as one operation; null where there is none.
std::unique_ptr<LayerOp> WithRelu(const Layer& layer, std::span<const Layout> inputs) {
  if (const auto* norm = dynamic_cast<const NormalizationLayer*>(&layer))
    return norm->PrepareWith(Activation::kRelu, inputs[0]);
  if (const auto* addition = dynamic_cast<const AdditionLayer*>(&layer))
    return addition->PrepareWithRelu(inputs[0]);
  return nullptr;
}

void SetParameters(const std::vector<ParameterSpec>& specs, size_t first, Step& step) {
  step.first_parameter = first;
  for (const ParameterSpec& spec : specs) {
    step.trainable.push_back(spec.trainable);
    step.needs_gradient |= spec.trainable;
    int64_t size = 1;
    for (const int64_t n : spec.shape) size *= n;
    step.sizes.push_back(size);
  }
}

}  // namespace

Steps MakeSteps(const Graph& graph, std::span<const Layout> layouts, bool training, bool fuse) {
  const auto consumers = Consumers(graph);
  const auto count = static_cast<size_t>(graph.size());
  Steps steps{{}, std::vector<int>(count, kMissing)};
  std::vector<char> done(count, 0);
  size_t parameters = 0;
  for (Value value = 0; value < graph.size(); ++value) {
    if (done[static_cast<size_t>(value)]) continue;
    const Node& node = graph.node(value);
    Step step;
    step.node = step.output = value;
    step.inputs = node.inputs;
    std::vector<Layout> inputs;
    for (const Value input : node.inputs) {
      inputs.push_back(layouts[static_cast<size_t>(input)]);
      step.needs_gradient |= steps.NeedsGradient(input);
    }
    SetParameters(node.layer->Parameters(inputs), parameters, step);
    parameters += step.sizes.size();
    if (node.inputs.empty()) inputs.push_back(layouts[static_cast<size_t>(value)]);

    const auto& readers = consumers[static_cast<size_t>(value)];
    if (fuse && readers.size() == 1 &&
        dynamic_cast<const ReluLayer*>(graph.node(readers[0]).layer.get()))
      step.op = WithRelu(*node.layer, inputs);
    if (step.op) {
      step.output = readers[0];
      done[static_cast<size_t>(step.output)] = 1;
    } else {
      step.op = node.layer->Prepare(inputs, training);
    }
    steps.of_value[static_cast<size_t>(step.output)] = static_cast<int>(steps.list.size());
    steps.list.push_back(std::move(step));
  }
  return steps;
}

}  // namespace normkit
