#include "src/graph/fold.h"

#include <algorithm>

#include "normkit/graph/graph.h"
#include "src/core/fail.h"

namespace normkit {
namespace {

Tensor Bytes(size_t bytes) {
  return Tensor(Layout::Unlabelled(std::vector{static_cast<int64_t>(bytes)}), DType::kU8);
}

// Every operation can be run, so that it can be run once and for all.
void RunOnce(const Op& op, std::span<const OpInput> inputs, std::span<Tensor> outputs) {
  const std::unique_ptr<Kernel> kernel = op.Prepare(inputs, {});
  Tensor scratch = Bytes(kernel->forward_scratch_bytes());
  std::vector<const void*> x;
  std::vector<void*> y;
  for (const OpInput& input : inputs) x.push_back(input.known);
  for (Tensor& output : outputs) y.push_back(output.data());
  ForwardContext context;
  context.inputs = x;
  context.outputs = y;
  context.scratch = static_cast<std::byte*>(scratch.data());
  kernel->Forward(context);
}

std::vector<std::shared_ptr<const Tensor>> Shared(std::vector<Tensor> elements) {
  std::vector<std::shared_ptr<const Tensor>> shared;
  for (Tensor& tensor : elements) shared.push_back(std::make_shared<Tensor>(std::move(tensor)));
  return shared;
}

}  // namespace

std::vector<std::shared_ptr<const Tensor>> Fold(const Op& op, std::span<const OpInput> inputs,
                                                std::span<const ArrayType> outputs) {
  std::vector<Tensor> elements = op.Known(inputs);
  if (elements.empty() && op.folds() && !inputs.empty() &&
      std::ranges::all_of(inputs, [](const OpInput& x) { return x.known; }))
    return Compute(op, inputs, outputs);
  return Shared(std::move(elements));
}

std::vector<std::shared_ptr<const Tensor>> Compute(const Op& op, std::span<const OpInput> inputs,
                                                   std::span<const ArrayType> outputs) {
  std::vector<Tensor> elements;
  for (const ArrayType& type : outputs) elements.emplace_back(type.shape, type.dtype);
  RunOnce(op, inputs, elements);
  return Shared(std::move(elements));
}

OpInput Graph::Types::operator[](Value value) const {
  const auto v = static_cast<size_t>(value);
  return {types[v], known[v] ? known[v]->data() : nullptr, observations};
}

Graph::Types Graph::Infer(std::span<const Layout> inputs, int64_t observations) const {
  if (inputs.size() != inputs_.size())
    Fail("graph: {} inputs given, expected {}", inputs.size(), inputs_.size());
  Types result;
  result.observations = observations;
  for (const ValueInfo& info : values_) {
    result.types.push_back(info.type);
    result.known.push_back(info.kind == ValueKind::kConstant ? info.known : nullptr);
  }
  for (size_t i = 0; i < inputs.size(); ++i)
    result.types[static_cast<size_t>(inputs_[i])].shape = inputs[i];
  std::vector<OpInput> of_node;
  for (const Node& node : nodes_) {
    of_node.clear();
    for (const Value input : node.inputs) of_node.push_back(result[input]);
    try {
      std::vector<ArrayType> outputs = node.op->Infer(of_node);
      auto known = Fold(*node.op, of_node, outputs);
      for (size_t i = 0; i < outputs.size(); ++i) {
        const auto output = static_cast<size_t>(node.outputs[i]);
        result.types[output] = std::move(outputs[i]);
        if (!known.empty()) result.known[output] = std::move(known[i]);
      }
    } catch (const Error& error) {
      Fail("{}: {}", TitleOf(node.outputs[0]), error.what());
    }
  }
  return result;
}

Graph::Types Graph::Infer(int64_t batch_size) const {
  std::vector<Layout> shapes;
  for (const Value input : inputs_) shapes.push_back(layout(input).WithBatch(batch_size));
  return Infer(shapes, batch_size);
}

}  // namespace normkit
