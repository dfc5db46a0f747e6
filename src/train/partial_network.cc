#include "src/train/partial_network.h"

#include <algorithm>

#include "src/core/at_work.h"

namespace normkit {
namespace {

constexpr int64_t kFloats = 16;  // memory is asked for in lines of 64 bytes

Layout Floats(int64_t count) { return Layout({{kC, (count / kFloats + 1) * kFloats}}); }

int64_t FloatsFor(size_t bytes) { return static_cast<int64_t>(bytes / sizeof(float) + 1); }

}  // namespace

PartialNetwork::PartialNetwork(const Graph& graph, bool training)
    : graph_(&graph), training_(training), read_(graph.values().size()) {
  for (const Node& node : graph.nodes())
    for (const Value input : node.inputs) read_[static_cast<size_t>(input)] = 1;
}

int64_t PartialNetwork::SizeOf(Value value, Offsets offsets) const {
  const Layout& layout = LayoutOf(value);
  return layout.size() * (layout.packed() ? offsets.back() : std::ssize(offsets) - 1);
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

bool PartialNetwork::IsMoving(Value value) const {
  const ValueInfo& info = graph_->value(value);
  if (info.kind == ValueKind::kInput) return true;
  return info.kind == ValueKind::kComputed && !types_.at(sizes_).known[static_cast<size_t>(value)];
}

std::vector<Value> PartialNetwork::InputsOf(int node) const {
  std::vector<Value> inputs = graph_->node(node).inputs;
  std::erase_if(inputs, [&](Value input) { return !IsMoving(input); });
  return inputs;
}

std::vector<int> PartialNetwork::Plan(const Values& values, const std::set<Value>& wanted) const {
  std::set<int> nodes;  // in topological order
  std::vector<Value> todo(wanted.begin(), wanted.end());
  while (!todo.empty()) {
    const Value value = todo.back();
    todo.pop_back();
    const int node = graph_->value(value).node;
    if (values.contains(value) || node < 0 || !IsMoving(value) || !nodes.insert(node).second)
      continue;
    for (const Value input : InputsOf(node)) todo.push_back(input);
  }
  return {nodes.begin(), nodes.end()};
}

void PartialNetwork::SetSizes(Offsets offsets) {
  part_ = {.whole = std::ssize(offsets) - 1};
  sizes_ = {part_.whole, offsets.back()};
  time_.Set(part_, offsets);
  if (types_.contains(sizes_)) return;
  if (types_.size() >= kMostSizes) {
    types_.clear();
    made_.clear();
    free_.clear();
  }
  std::vector<Layout> shapes;
  for (const Value input : graph_->inputs())
    shapes.push_back(LayoutOf(input).WithBatch(sizes_.first, sizes_.second));
  types_[sizes_] = graph_->Infer(shapes, sizes_.first);
}

PartialNetwork::Made& PartialNetwork::MadeOf(int node) {
  const auto [found, is_new] = made_.try_emplace({node, sizes_});
  Made& made = found->second;
  if (!is_new) return made;
  const Graph::Types& types = types_.at(sizes_);
  std::vector<OpInput> inputs;
  for (const Value input : graph_->node(node).inputs) inputs.push_back(types[input]);
  made.kernel = graph_->node(node).op->Prepare(inputs, {training_, part_, &time_.time()});
  if (training_) made.saved = Take(FloatsFor(made.kernel->saved_bytes()));
  for (size_t i = 1; i < graph_->node(node).outputs.size(); ++i) {
    const Value output = graph_->node(node).outputs[i];
    const ArrayType& type = types[output].type;
    made.further.emplace_back();
    if (!read_[static_cast<size_t>(output)]) made.further.back() = Tensor(type.shape, type.dtype);
  }
  return made;
}

const void* PartialNetwork::ArrayOf(Value value, const Parameters& parameters,
                                    Values& values) const {
  const ValueInfo& info = graph_->value(value);
  if (info.parameter >= 0)
    return parameters.Get(parameters.list()[static_cast<size_t>(info.parameter)]).data();
  return IsMoving(value) ? values.at(value).data()
                         : types_.at(sizes_).known[static_cast<size_t>(value)]->data();
}

void PartialNetwork::RunNode(int node, const Parameters& parameters, bool frees_first,
                             Values& values) {
  Made& made = MadeOf(node);
  const Node& what = graph_->node(node);
  const Value y = what.outputs[0];
  Tensor& first = values.at(what.inputs[0]);
  const auto floats_of = [&](Value value) {
    const ArrayType& type = types_.at(sizes_).types[static_cast<size_t>(value)];
    return FloatsFor(static_cast<size_t>(type.shape.size()) * normkit::SizeOf(type.dtype));
  };
  const int64_t size = floats_of(y);
  const bool over_first =
      frees_first && made.kernel->forward_in_place() && first.size() == Floats(size).size();
  std::vector<const void*> arrays;
  for (const Value input : what.inputs) arrays.push_back(ArrayOf(input, parameters, values));
  Tensor output = over_first ? std::move(first) : Take(size);
  if (over_first) values.erase(what.inputs[0]);
  std::vector<void*> outputs{output.data()};
  for (size_t i = 1; i < what.outputs.size(); ++i) {
    const Value further = what.outputs[i];
    const bool read = read_[static_cast<size_t>(further)] != 0;
    if (read) values[further] = Take(floats_of(further));
    outputs.push_back(read ? values[further].data() : made.further[i - 1].data());
  }
  Tensor scratch = Take(FloatsFor(made.kernel->forward_scratch_bytes()));
  ForwardContext context;
  context.run = {.training = training_, .dropout = false};
  context.inputs = arrays;
  context.outputs = outputs;
  context.saved = static_cast<std::byte*>(made.saved.data());
  context.scratch = static_cast<std::byte*>(scratch.data());
  const AtWork work;
  made.kernel->Forward(context);
  free_.emplace(scratch.size(), std::move(scratch));
  values[y] = std::move(output);
}

void PartialNetwork::Run(Offsets offsets, const Parameters& parameters,
                         const std::set<Value>& wanted, const std::set<Value>& seen,
                         const Visit& visit, Values& values) {
  SetSizes(offsets);
  std::set<Value> needed = wanted;
  needed.insert(seen.begin(), seen.end());
  const std::vector<int> nodes = Plan(values, needed);
  for (const auto& [value, array] : values)
    if (seen.contains(value)) visit(value, array);
  std::map<Value, size_t> last_use;
  for (size_t i = 0; i < nodes.size(); ++i)
    for (const Value input : InputsOf(nodes[i])) last_use[input] = i;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const std::vector<Value> inputs = InputsOf(nodes[i]);
    const auto frees = [&](Value input) {
      return last_use.at(input) == i && !wanted.contains(input);
    };
    const bool once = std::count(inputs.begin(), inputs.end(), inputs.front()) == 1;
    RunNode(nodes[i], parameters, once && frees(inputs.front()), values);
    const auto y = values.find(graph_->node(nodes[i]).outputs[0]);
    if (seen.contains(y->first)) visit(y->first, y->second);
    if (!last_use.contains(y->first) && !wanted.contains(y->first)) Free(y, values);
    for (const Value input : inputs) {
      const auto found = values.find(input);
      if (found != values.end() && frees(input)) Free(found, values);
    }
  }
}

}  // namespace normkit
