#include "normkit/nn/graph.h"

#include "src/core/fail.h"
#include "src/nn/layers/common.h"
#include "src/nn/layers/input.h"

namespace normkit {

// Names are never given back, so that the search goes on where it ended before: all names of a
// graph together are found in as many steps as there are layers.
std::string Graph::FreeName(std::string_view short_name) {
  int& taken = taken_numbers_.try_emplace(std::string(short_name), 0).first->second;
  for (;; ++taken) {
    std::string name = fmt::format("{}_{}", short_name, taken + 1);
    if (Find(name) < 0) return name;
  }
}

Value Graph::Add(std::shared_ptr<Layer> layer, std::vector<Value> inputs) {
  if (!layer) Fail("graph: a null layer given");
  if (layer->name().empty()) layer->set_name(FreeName(layer->short_name()));
  if (Find(layer->name()) >= 0)
    FailLayer(*layer, "a layer of this name stands in the graph already");
  for (const Value input : inputs)
    if (input < 0 || input >= size())
      FailLayer(*layer, "reads value {}, expected 0 to {}", input, size() - 1);
  if (nodes_.empty() && !dynamic_cast<const InputLayer*>(layer.get()))
    FailLayer(*layer, "stands first in the graph, expected an input layer");
  if (!nodes_.empty() && inputs.empty())
    FailLayer(*layer, "no inputs given, expected at least 1 (only the first layer has none)");

  std::vector<Layout> layouts;
  for (const Value input : inputs) layouts.push_back(layouts_[static_cast<size_t>(input)]);
  layouts_.push_back(layer->OutputLayout(layouts));
  values_.emplace(layer->name(), size());
  nodes_.push_back({std::move(layer), std::move(inputs)});
  return output();
}

Value Graph::Add(std::shared_ptr<Layer> layer) {
  return Add(std::move(layer), nodes_.empty() ? std::vector<Value>{} : std::vector{output()});
}

Value Graph::Find(std::string_view layer_name) const {
  const auto found = values_.find(layer_name);
  return found == values_.end() ? -1 : found->second;
}

std::vector<Layout> Graph::Layouts(int64_t batch_size) const {
  std::vector<Layout> layouts;
  for (const Node& node : nodes_) {
    std::vector<Layout> inputs;
    for (const Value input : node.inputs) inputs.push_back(layouts[static_cast<size_t>(input)]);
    Layout output = node.layer->OutputLayout(inputs);
    layouts.push_back(node.inputs.empty() ? output.WithBatch(batch_size) : std::move(output));
  }
  return layouts;
}

Layout Graph::input_layout() const {
  if (layouts_.empty()) Fail("graph: has no layers, expected an input layer");
  return layouts_[0];
}

}  // namespace normkit
