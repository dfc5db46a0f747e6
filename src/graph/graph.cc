#include "normkit/graph/graph.h"

#include "src/core/fail.h"
#include "src/graph/fail_layer.h"
#include "src/graph/fold.h"

namespace normkit {

std::string Title(const Layer& layer) {
  if (layer.name().empty()) return std::string(layer.type());
  return fmt::format("{} '{}'", layer.type(), layer.name());
}

// Names are never given back, so that the search goes on where it ended before: all names of a
// graph together are found in as many steps as there are layers.
std::string Graph::FreeName(std::string_view short_name) {
  int& taken = taken_numbers_.try_emplace(std::string(short_name), 0).first->second;
  for (;; ++taken) {
    std::string name = fmt::format("{}_{}", short_name, taken + 1);
    if (Find(name) < 0) return name;
  }
}

Value Graph::AddValue(ValueInfo info) {
  if (building_) info.layer = num_layers();
  values_.push_back(std::move(info));
  return static_cast<Value>(values_.size()) - 1;
}

Value Graph::AddInput(ArrayType type) {
  inputs_.push_back(AddValue({.kind = ValueKind::kInput, .type = std::move(type)}));
  return inputs_.back();
}

Value Graph::AddParameter(ParameterSpec spec) {
  if (tied_) {
    const size_t index = building_->parameters.size();
    if (index >= tied_->parameters.size())
      Fail("has a parameter {}, expected those of '{}' only", spec.name, tied_->layer->name());
    const Value value = tied_->parameters[index];
    const std::vector<int64_t> shape = layout(value).shape();
    if (shape != spec.shape)
      Fail("{} is [{}], expected that of '{}', [{}]", spec.name, fmt::join(spec.shape, ","),
           tied_->layer->name(), fmt::join(shape, ","));
    building_->parameters.push_back(value);
    return value;
  }
  const Value value = AddValue({.kind = spec.trainable ? ValueKind::kParameter : ValueKind::kState,
                                .type = {DType::kF32, Layout::Unlabelled(spec.shape)},
                                .parameter = static_cast<int>(parameters_.size())});
  if (building_) {
    building_->parameters.push_back(value);
    spec.name = fmt::format("{}.{}", building_->layer->name(), spec.name);
  }
  parameters_.push_back({std::move(spec), value});
  return value;
}

void Graph::Freeze(size_t parameter) {
  GraphParameter& frozen = parameters_.at(parameter);
  frozen.spec.trainable = false;
  values_[static_cast<size_t>(frozen.value)].kind = ValueKind::kState;
}

Value Graph::AddConstant(Tensor elements) {
  return AddConstant(std::make_shared<const Tensor>(std::move(elements)));
}

Value Graph::AddConstant(std::shared_ptr<const Tensor> elements) {
  ArrayType type = elements->type();
  return AddValue({.kind = ValueKind::kConstant, .type = std::move(type), .known = elements});
}

std::vector<Value> Graph::AddNode(std::shared_ptr<const Op> op, std::vector<Value> inputs) {
  Node node{std::move(op), std::move(inputs), {}, building_ ? num_layers() : -1, title_, name_};
  std::vector<OpInput> types;
  for (const Value input : node.inputs) {
    if (input < 0 || static_cast<size_t>(input) >= values_.size())
      Fail("{}: reads value {}, expected 0 to {}", node.op->name(), input, values_.size() - 1);
    const ValueInfo& info = value(input);
    types.push_back({info.type, info.known ? info.known->data() : nullptr});
  }
  std::vector<ArrayType> outputs;
  std::vector<std::shared_ptr<const Tensor>> known;
  try {
    outputs = node.op->Infer(types);
    known = Fold(*node.op, types, outputs);
  } catch (const Error& error) {  // of a layer's the layer says whose
    if (building_) throw;
    Fail("{}: {}", title_.empty() ? node.op->name() : title_, error.what());
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    node.outputs.push_back(AddValue({.type = std::move(outputs[i]),
                                     .node = static_cast<int>(nodes_.size()),
                                     .output = static_cast<int>(i),
                                     .known = known.empty() ? nullptr : known[i]}));
  nodes_.push_back(std::move(node));
  return nodes_.back().outputs;
}

void Graph::CheckInputs(const Layer& layer, std::span<const Value> inputs) const {
  if (Find(layer.name()) >= 0) FailLayer(layer, "a layer of this name stands in the graph already");
  for (const Value input : inputs)
    if (input < 0 || static_cast<size_t>(input) >= values_.size())
      FailLayer(layer, "reads value {}, expected 0 to {}", input, values_.size() - 1);
  if (values_.empty() && !layer.is_input())
    FailLayer(layer, "stands first in the graph, expected an input layer");
  if (!layer.is_input() && inputs.empty())
    FailLayer(layer, "no inputs given, expected at least 1 (only input layers have none)");
}

struct Graph::Mark {
  explicit Mark(Graph& of)
      : graph(of),
        values(of.values_.size()),
        nodes(of.nodes_.size()),
        parameters(of.parameters_.size()),
        inputs(of.inputs_.size()) {}
  ~Mark() {
    graph.building_ = nullptr;
    graph.tied_ = nullptr;
    if (done) return;
    graph.values_.resize(values);
    graph.nodes_.resize(nodes);
    graph.parameters_.resize(parameters);
    graph.inputs_.resize(inputs);
  }
  Graph& graph;
  size_t values, nodes, parameters, inputs;
  bool done = false;
};

Value Graph::AddLayer(std::shared_ptr<Layer> layer, std::vector<Value> inputs,
                      const LayerRecord* tied) {
  if (!layer) Fail("graph: a null layer given");
  if (layer->name().empty()) layer->set_name(FreeName(layer->short_name()));
  CheckInputs(*layer, inputs);
  LayerRecord record{layer, std::move(inputs), {}, {}};
  Mark mark(*this);
  building_ = &record;
  tied_ = tied;
  try {
    record.outputs = layer->Build(*this, record.inputs);
  } catch (const Error& error) {
    const std::string title = Title(*layer), what = error.what();
    if (what.starts_with(title)) throw;
    Fail("{}: {}", title, what);
  }
  mark.done = true;
  names_.emplace(layer->name(), num_layers());
  layers_.push_back(std::move(record));
  return layers_.back().output();
}

Value Graph::Add(std::shared_ptr<Layer> layer, std::vector<Value> inputs) {
  return AddLayer(std::move(layer), std::move(inputs), nullptr);
}

Value Graph::AddTied(std::shared_ptr<Layer> layer, std::vector<Value> inputs,
                     std::string_view parameters_of) {
  const int of = Find(parameters_of);
  if (of < 0) Fail("graph: there is no layer '{}' to take parameters from", parameters_of);
  const LayerRecord tied = this->layer(of);  // layers_ grows
  return AddLayer(std::move(layer), std::move(inputs), &tied);
}

Value Graph::Add(std::shared_ptr<Layer> layer) {
  return Add(std::move(layer), empty() ? std::vector<Value>{} : std::vector{output()});
}

Value Graph::output() const {
  return layers_.empty() ? static_cast<Value>(values_.size()) - 1 : layers_.back().output();
}

int Graph::Find(std::string_view layer_name) const {
  const auto found = names_.find(layer_name);
  return found == names_.end() ? -1 : found->second;
}

std::string Graph::TitleOf(Value value) const {
  const ValueInfo& info = this->value(value);
  if (info.layer >= 0) return Title(*layer(info.layer).layer);
  if (info.node < 0) return fmt::format("value {}", value);
  const Node& made_by = node(info.node);
  return made_by.title.empty() ? std::string(made_by.op->name()) : made_by.title;
}

Layout Graph::input_layout() const {
  if (inputs_.empty()) Fail("graph: has no layers, expected an input layer");
  return layout(inputs_[0]);
}

}  // namespace normkit
