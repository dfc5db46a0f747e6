#include "src/train/partial_network.h"

#include <algorithm>

namespace normkit {
namespace {

constexpr int64_t kFloats = 16;  // memory is asked for in lines of 64 bytes

Layout Floats(int64_t count) { return Layout({{kC, (count / kFloats + 1) * kFloats}}); }

int64_t FloatsFor(size_t bytes) { return static_cast<int64_t>(bytes / sizeof(float) + 1); }

}  // namespace

PartialNetwork::PartialNetwork(const Graph& graph, bool training)
    : graph_(&graph), training_(training), layouts_(graph.Layouts(1)) {}

int64_t PartialNetwork::SizeOf(Value value, int64_t batch_size) const {
  return layouts_[static_cast<size_t>(std::max(value, 0))].size() * batch_size;
}

Tensor PartialNetwork::Take(int64_t size) {
  const Layout layout = Floats(size);
  const auto found = free_.find(layout.size());
  if (found == free_.end()) return Tensor(layout);
  Tensor tensor = std::move(found->second);
  free_.erase(found);
  return tensor;
}

void PartialNetwork::KeepOnly(const std::set<Value>& kept, Values& values) {
  for (auto at = values.begin(); at != values.end();)
    at = kept.contains(at->first) ? std::next(at) : Free(at, values);
}

Values::iterator PartialNetwork::Free(Values::iterator at, Values& values) {
  const int64_t size = at->second.size();
  free_.emplace(size, std::move(at->second));
  return values.erase(at);
}

std::vector<Value> PartialNetwork::InputsOf(Value value) const {
  if (value == 0) return {kObservations};
  return graph_->node(value).inputs;
}

std::vector<Value> PartialNetwork::Plan(const Values& values, const std::set<Value>& wanted) const {
  std::set<Value> nodes;  // in topological order
  std::vector<Value> todo(wanted.begin(), wanted.end());
  while (!todo.empty()) {
    const Value value = todo.back();
    todo.pop_back();
    if (values.contains(value) || !nodes.insert(value).second) continue;
    for (const Value input : InputsOf(value)) todo.push_back(input);
  }
  return {nodes.begin(), nodes.end()};
}

PartialNetwork::Op& PartialNetwork::OpOf(Value value, int64_t batch_size) {
  const auto [found, is_new] = ops_.try_emplace({value, batch_size});
  Op& op = found->second;
  if (!is_new) return op;
  std::vector<Layout> inputs;
  for (const Value input : InputsOf(value))
    inputs.push_back(layouts_[static_cast<size_t>(std::max(input, 0))].WithBatch(batch_size));
  op.op = graph_->node(value).layer->Prepare(inputs, training_);
  if (op.op && training_) op.saved = Take(FloatsFor(op.op->saved_bytes()));
  return op;
}

void PartialNetwork::RunNode(Value value, int64_t batch_size, Parameters& parameters,
                             bool frees_first, Values& values) {
  Op& op = OpOf(value, batch_size);
  const std::vector<Value> inputs = InputsOf(value);
  Tensor& first = values.at(inputs.front());
  const int64_t size = SizeOf(value, batch_size);
  const bool over_first =
      frees_first && (!op.op || op.op->forward_in_place()) && first.size() == Floats(size).size();
  std::vector<const float*> arrays;
  for (const Value input : inputs) arrays.push_back(values.at(input).values<float>().data());
  Tensor output = over_first ? std::move(first) : Take(size);
  if (over_first) values.erase(inputs.front());
  if (!op.op) {
    if (!over_first) std::copy_n(arrays[0], size, output.values<float>().data());
  } else {
    Tensor scratch = Take(FloatsFor(op.op->forward_scratch_bytes()));
    const std::vector<float*> of_node = parameters.OfNode(value);
    ForwardContext context;
    context.mode = {.training = training_, .dropout = false};
    context.node = value;
    context.inputs = arrays;
    context.output = output.values<float>().data();
    context.parameters = of_node;
    context.saved = static_cast<std::byte*>(op.saved.data());
    context.scratch = static_cast<std::byte*>(scratch.data());
    op.op->Forward(context);
    free_.emplace(scratch.size(), std::move(scratch));
  }
  values[value] = std::move(output);
}

void PartialNetwork::Run(int64_t batch_size, Parameters& parameters, const std::set<Value>& wanted,
                         Values& values) {
  const std::vector<Value> nodes = Plan(values, wanted);
  std::map<Value, size_t> last_use;
  for (size_t i = 0; i < nodes.size(); ++i)
    for (const Value input : InputsOf(nodes[i])) last_use[input] = i;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const std::vector<Value> inputs = InputsOf(nodes[i]);
    const auto frees = [&](Value input) {
      return last_use.at(input) == i && !wanted.contains(input);
    };
    const bool once = std::count(inputs.begin(), inputs.end(), inputs.front()) == 1;
    RunNode(nodes[i], batch_size, parameters, once && frees(inputs.front()), values);
    for (const Value input : inputs) {
      const auto found = values.find(input);
      if (found != values.end() && frees(input)) Free(found, values);
    }
  }
}

}  // namespace normkit
