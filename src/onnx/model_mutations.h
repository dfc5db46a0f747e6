// Models changed part by part at random, for tests and the fuzzer: what bytes changed at random
// hardly reach, for messages inside messages say their lengths.
#pragma once

#include <onnx.pb.h>

#include <cstdint>
#include <iterator>
#include <string>

#include "normkit/core/random.h"

namespace normkit {

class ModelMutator {
 public:
  ModelMutator(Random& random, onnx::ModelProto& model)
      : random_(random), model_(model), graph_(*model.mutable_graph()) {}

  // One change of the kinds that readers of networks stumble over.
  void Mutate() {
    if (graph_.node_size() == 0) return;
    onnx::NodeProto& node = Any(*graph_.mutable_node());
    switch (random_.Below(12)) {
      case 0:
        node.set_op_type(Any(*graph_.mutable_node()).op_type());
        break;
      case 1:
        if (node.input_size() > 0) Any(*node.mutable_input()) = AnyName();
        break;
      case 2:
        node.add_input(AnyName());
        break;
      case 3:
        if (node.input_size() > 0) node.mutable_input()->RemoveLast();
        break;
      case 4:
        if (node.output_size() > 0) Any(*node.mutable_output()) = AnyName();
        break;
      case 5:
        Remove(*graph_.mutable_node());
        break;
      case 6:
        Swap(*graph_.mutable_node());
        break;
      case 7:
        *node.add_attribute() = AnyAttribute();
        break;
      case 8:
        Remove(*node.mutable_attribute());
        break;
      case 9:
        MutateInput();
        break;
      case 10:
        if (graph_.initializer_size() > 0) MutateTensor(Any(*graph_.mutable_initializer()));
        break;
      default:
        if (node.attribute_size() > 0) MutateAttribute(Any(*node.mutable_attribute()));
    }
    if (random_.Below(50) == 0 && model_.opset_import_size() > 0)
      model_.mutable_opset_import(0)->set_version(random_.Below(30));
  }

 private:
  template <class List>
  typename List::value_type& Any(List& list) {
    return *(list.begin() + random_.Below(list.size()));
  }
  template <class List>
  void Remove(List& list) {
    if (list.size() > 0) list.DeleteSubrange(static_cast<int>(random_.Below(list.size())), 1);
  }
  template <class List>
  void Swap(List& list) {
    list.SwapElements(static_cast<int>(random_.Below(list.size())),
                      static_cast<int>(random_.Below(list.size())));
  }

  int64_t AnyNumber() {
    constexpr int64_t kNumbers[] = {0,  1,         2,         3,         4,        7,
                                    -1, -2,        -3,        64,        1 << 16,  1 << 28,
                                    -5, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    return kNumbers[random_.Below(std::size(kNumbers))];
  }

  std::string AnyName() {
    if (random_.Below(8) == 0) return "";
    if (random_.Below(3) == 0 && graph_.initializer_size() > 0)
      return Any(*graph_.mutable_initializer()).name();
    onnx::NodeProto& node = Any(*graph_.mutable_node());
    return node.output_size() > 0 ? Any(*node.mutable_output()) : "nothing";
  }

  onnx::AttributeProto AnyAttribute() {
    onnx::NodeProto& node = Any(*graph_.mutable_node());
    if (node.attribute_size() > 0) return Any(*node.mutable_attribute());
    onnx::AttributeProto attribute;
    attribute.set_name("axis");
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(AnyNumber());
    return attribute;
  }

  void MutateAttribute(onnx::AttributeProto& attribute) {
    if (random_.Below(16) == 0) attribute.set_type(onnx::AttributeProto::STRINGS);
    if (attribute.has_t()) return MutateTensor(*attribute.mutable_t());
    if (attribute.ints_size() == 0) return attribute.set_i(AnyNumber());
    if (random_.Below(4) == 0)
      attribute.mutable_ints()->RemoveLast();
    else if (random_.Below(4) == 0)
      attribute.add_ints(AnyNumber());
    else
      Any(*attribute.mutable_ints()) = AnyNumber();
  }

  void MutateTensor(onnx::TensorProto& tensor) {
    const int64_t kind = random_.Below(5);
    if (kind == 0) tensor.set_data_type(static_cast<int>(random_.Below(18)));
    if (kind == 1) tensor.add_dims(random_.Below(2) == 0 ? 1 : AnyNumber());
    if (kind == 2 && tensor.dims_size() > 0) Any(*tensor.mutable_dims()) = AnyNumber();
    if (kind == 3 && tensor.dims_size() > 0) tensor.mutable_dims()->RemoveLast();
    std::string& raw = *tensor.mutable_raw_data();
    if (kind != 4 || raw.empty()) return;
    raw[static_cast<size_t>(random_.Below(static_cast<int64_t>(raw.size())))] =
        static_cast<char>(random_.Below(256));
  }

  void MutateInput() {
    if (graph_.input_size() == 0) return;
    auto& type = *Any(*graph_.mutable_input()).mutable_type()->mutable_tensor_type();
    auto& dims = *type.mutable_shape()->mutable_dim();
    if (dims.size() == 0 || random_.Below(4) == 0)
      dims.Add()->set_dim_value(AnyNumber());
    else if (random_.Below(4) == 0)
      dims.RemoveLast();
    else if (random_.Below(8) == 0)
      type.set_elem_type(static_cast<int>(random_.Below(18)));
    else
      Any(dims).set_dim_value(AnyNumber());
  }

  Random& random_;
  onnx::ModelProto& model_;
  onnx::GraphProto& graph_;
};

// `bytes` with up to so many changes; themselves where they are no model.
inline std::string MutatedModel(Random& random, const std::string& bytes, int64_t most) {
  onnx::ModelProto model;
  if (!model.ParseFromString(bytes)) return bytes;
  ModelMutator mutator(random, model);
  for (int64_t changes = 1 + random.Below(most); changes > 0; --changes) mutator.Mutate();
  return model.SerializeAsString();
}

}  // namespace normkit
