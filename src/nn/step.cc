#include "src/nn/step.h"

#include <map>

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

class Maker {
 public:
  Maker(const Graph& graph, std::span<const Layout> layouts, bool training, bool fuse)
      : graph_(graph),
        layouts_(layouts),
        training_(training),
        fuse_(fuse),
        consumers_(Consumers(graph)),
        done_(static_cast<size_t>(graph.size()), 0) {
    steps_.of_value.assign(static_cast<size_t>(graph.size()), kMissing);
    steps_.of_node = steps_.of_value;
  }

  Steps Make() {
    for (Value value = 0; value < graph_.size(); ++value) {
      if (done_[static_cast<size_t>(value)]) continue;
      if (const auto waiting = waiting_.find(value); waiting != waiting_.end()) {
        Emit(std::move(waiting->second));
        continue;
      }
      Step step = Begin(value);
      if (const Value addition = WithAdditionAndRelu(step); addition != kMissing) {
        waiting_.emplace(addition, std::move(step));  // for the other operand
        continue;
      }
      if (!step.op) WithRelu(step);
      if (!step.op) step.op = LayerOf(value).Prepare(InputLayouts(value), training_);
      Emit(std::move(step));
    }
    return std::move(steps_);
  }

 private:
  const Layer& LayerOf(Value value) const { return *graph_.node(value).layer; }

  template <class Kind>
  const Kind* LayerAs(Value value) const {
    return value == kMissing ? nullptr : dynamic_cast<const Kind*>(&LayerOf(value));
  }

  // kMissing: there are several, or none.
  Value OnlyReader(Value value) const {
    const auto& readers = consumers_[static_cast<size_t>(value)];
    return readers.size() == 1 ? readers[0] : kMissing;
  }

  // Of the node; an input layer gets its own.
  std::vector<Layout> InputLayouts(Value value) const {
    std::vector<Layout> inputs;
    for (const Value input : graph_.node(value).inputs)
      inputs.push_back(layouts_[static_cast<size_t>(input)]);
    if (inputs.empty()) inputs.push_back(layouts_[static_cast<size_t>(value)]);
    return inputs;
  }

  Step Begin(Value value) {
    Step step;
    step.node = step.output = value;
    step.inputs = graph_.node(value).inputs;
    SetParameters(LayerOf(value).Parameters(InputLayouts(value)), parameters_, step);
    parameters_ += step.sizes.size();
    return step;
  }

  void Emit(Step step) {
    for (const Value input : step.inputs) step.needs_gradient |= steps_.NeedsGradient(input);
    done_[static_cast<size_t>(step.output)] = 1;
    steps_.of_value[static_cast<size_t>(step.output)] = static_cast<int>(steps_.list.size());
    steps_.of_node[static_cast<size_t>(step.node)] = static_cast<int>(steps_.list.size());
    steps_.list.push_back(std::move(step));
  }

  // The layer and a ReLU that alone reads it as one operation.
  void WithRelu(Step& step) const {
    const Value relu = OnlyReader(step.node);
    if (!fuse_ || !LayerAs<ReluLayer>(relu)) return;
    const Layout& x = layouts_[static_cast<size_t>(step.node)];
    if (const auto* norm = LayerAs<NormalizationLayer>(step.node))
      step.op = norm->PrepareWith(Activation::kRelu, false, x);
    else if (const auto* addition = LayerAs<AdditionLayer>(step.node))
      step.op = addition->PrepareWithRelu(x);
    if (step.op) step.output = relu;
  }

  // A normalization, the addition that alone reads it and the ReLU that alone reads that as one
  // operation, which runs in the place of the addition; kMissing where it cannot be. Gradients are
  // added up in the order in which it would go otherwise: the normalization alone reads its input,
  // and nobody reads the other operand later, whose gradient is overwritten.
  Value WithAdditionAndRelu(Step& step) const {
    const auto* norm = LayerAs<NormalizationLayer>(step.node);
    const Value addition = OnlyReader(step.node);
    if (!fuse_ || !norm || !LayerAs<AdditionLayer>(addition) || waiting_.contains(addition))
      return kMissing;
    const Value relu = OnlyReader(addition);
    const auto& operands = graph_.node(addition).inputs;
    if (!LayerAs<ReluLayer>(relu) || operands.size() != 2) return kMissing;
    const Value other = operands[0] == step.node ? operands[1] : operands[0];
    if (OnlyReader(step.inputs[0]) != step.node ||
        consumers_[static_cast<size_t>(other)].back() != addition)
      return kMissing;
    step.op = norm->PrepareWith(Activation::kRelu, true, layouts_[static_cast<size_t>(step.node)]);
    step.inputs.push_back(other);
    step.output = relu;
    return addition;
  }

  const Graph& graph_;
  std::span<const Layout> layouts_;
  bool training_, fuse_;
  std::vector<std::vector<Value>> consumers_;
  std::vector<char> done_;
  std::map<Value, Step> waiting_;  // by the addition
  size_t parameters_ = 0;
  Steps steps_;
};

}  // namespace

Steps MakeSteps(const Graph& graph, std::span<const Layout> layouts, bool training, bool fuse) {
  return Maker(graph, layouts, training, fuse).Make();
}

}  // namespace normkit
