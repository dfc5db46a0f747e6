#include "src/onnx/time/values.h"

#include <limits>

#include "src/core/fail.h"
#include "src/onnx/tensors.h"

namespace normkit {

const std::string& TimeValues::Once(const std::string& name,
                                    const std::function<std::string()>& make) {
  const auto found = made_.find(name);
  return found != made_.end() ? found->second : made_.emplace(name, make()).first->second;
}

std::string TimeValues::Node(std::string_view op_type, const std::string& name,
                             std::vector<std::string> inputs) {
  return graph_->AddNode(op_type, "sequence/" + name, std::move(inputs));
}

namespace {

template <class T>
std::string AddShared(GraphWriter& graph, const std::string& name, std::vector<int64_t> shape,
                      const std::vector<T>& values) {
  std::string unique = graph.UniqueName("sequence." + name);
  *graph.graph()->add_initializer() = MakeTensor(unique, shape, std::span<const T>(values));
  return unique;
}

}  // namespace

std::string TimeValues::Scalar(const std::string& name, int64_t value) {
  return Once(name, [&] { return AddShared<int64_t>(*graph_, name, {}, {value}); });
}

std::string TimeValues::Whole(std::vector<int64_t> values) {
  const std::string name = fmt::format("whole_{}", fmt::join(values, "_"));
  const auto count = static_cast<int64_t>(values.size());
  return Once(name, [&] { return AddShared<int64_t>(*graph_, name, {count}, values); });
}

const std::string& TimeValues::zero() {
  return Once("zero", [&] { return AddShared<float>(*graph_, "zero", {}, {0}); });
}

const std::string& TimeValues::smallest() {
  return Once("smallest", [&] {
    return AddShared<float>(*graph_, "smallest", {}, {-std::numeric_limits<float>::infinity()});
  });
}

const std::string& TimeValues::shape() {
  return Once("shape", [&] { return Node("Shape", "shape", {x_}); });
}

namespace {

void DescribeState(const std::string& name, int64_t size, onnx::ValueInfoProto* info) {
  info->set_name(name);
  onnx::TypeProto::Tensor* tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(onnx::TensorProto::FLOAT);
  tensor->mutable_shape()->add_dim()->set_dim_param("N");
  tensor->mutable_shape()->add_dim()->set_dim_value(size);
}

}  // namespace

std::string TimeValues::AddState(const std::string& name, int64_t size) {
  std::string unique = graph_->UniqueName(name);
  DescribeState(unique, size, graph_->graph()->add_input());
  return unique;
}

void TimeValues::GiveState(const std::string& state, int64_t size, const std::string& next,
                           bool squeezed) {
  const std::string name = state + "_next";
  next_states_.emplace_back(squeezed ? graph_->AddNode("Squeeze", name, {next, Whole({0})})
                                     : graph_->AddNode("Identity", name, {next}),
                            size);
}

void TimeValues::AddStateOutputs() {
  for (const auto& [name, size] : next_states_)
    DescribeState(name, size, graph_->graph()->add_output());
}

const std::string& TimeValues::lengths_i32() {
  return Once("lengths_i32", [&] {
    std::string value = Node("Cast", "lengths_i32", {lengths_});
    SetInt(*graph_->nodes()->mutable_node()->rbegin(), "to", onnx::TensorProto::INT32);
    return value;
  });
}

const std::string& TimeValues::lengths_f32() {
  return Once("lengths_f32", [&] {
    const std::string rows = Node("Unsqueeze", "lengths_rows", {lengths_, Whole({1})});
    std::string value = Node("Cast", "lengths_f32", {rows});
    SetInt(*graph_->nodes()->mutable_node()->rbegin(), "to", onnx::TensorProto::FLOAT);
    return value;
  });
}

const std::string& TimeValues::places() {
  return Once("places", [&] {
    const std::string first = Scalar("first", 0), next = Scalar("next", 1);
    const std::string steps = Node("Gather", "steps", {shape(), next});
    return Node("Range", "places", {first, steps, next});
  });
}

std::string TimeValues::steps_of(const std::vector<int64_t>& sizes) {
  return Once(fmt::format("steps_{}", fmt::join(sizes, "_")), [&] {
    const std::string& steps = Once("observations_steps", [&] {
      return Node("Slice", "observations_steps", {shape(), Whole({0}), Whole({2})});
    });
    std::string value =
        Node("Concat", fmt::format("steps_{}", fmt::join(sizes, "_")), {steps, Whole(sizes)});
    SetInt(*graph_->nodes()->mutable_node()->rbegin(), "axis", 0);
    return value;
  });
}

const std::string& TimeValues::rows() {
  return Once("rows", [&] {
    const std::string row = Node("Unsqueeze", "places_row", {places(), Whole({0})});
    const std::string column = Node("Unsqueeze", "lengths_column", {lengths_, Whole({1})});
    return Node("Less", "rows", {row, column});
  });
}

const std::string& TimeValues::mask() {
  return Once("mask", [&] { return Node("Unsqueeze", "mask", {rows(), Whole({2})}); });
}

const std::string& TimeValues::key_mask() {
  return Once("key_mask", [&] { return Node("Unsqueeze", "key_mask", {rows(), Whole({1, 2})}); });
}

const std::string& TimeValues::causal_mask() {
  return Once("causal_mask", [&] {
    const std::string keys = Node("Unsqueeze", "key_places", {places(), Whole({0})});
    const std::string queries = Node("Unsqueeze", "query_places", {places(), Whole({1})});
    const std::string before = Node("LessOrEqual", "not_behind", {keys, queries});
    return Node("And", "causal_mask", {key_mask(), before});
  });
}

}  // namespace normkit
