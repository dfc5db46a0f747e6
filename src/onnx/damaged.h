// Models changed part by part, for tests: what reading says then.
#pragma once

#include <onnx.pb.h>

#include <stdexcept>
#include <string>

#include "normkit/core/error.h"
#include "src/onnx/model.h"

namespace normkit {

struct Damaged {
  // The message for a model in which `damage` changed something.
  template <class Damage>
  static std::string MessageAfter(const std::string& bytes, const Damage& damage) {
    onnx::ModelProto model;
    model.ParseFromString(bytes);
    damage(model);
    try {
      NetworkFromOnnx(model.SerializeAsString(), "m.onnx");
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  static onnx::NodeProto* Node(onnx::ModelProto& model, const std::string& name) {
    for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node())
      if (node.name() == name) return &node;
    throw std::out_of_range(name);
  }
  static onnx::TensorProto* Tensor(onnx::ModelProto& model, const std::string& name) {
    for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer())
      if (tensor.name() == name) return &tensor;
    throw std::out_of_range(name);
  }
  static onnx::AttributeProto* Attribute(onnx::ModelProto& model, const std::string& node,
                                         const std::string& name) {
    for (onnx::AttributeProto& attribute : *Node(model, node)->mutable_attribute())
      if (attribute.name() == name) return &attribute;
    throw std::out_of_range(name);
  }
  static std::string* Metadata(onnx::ModelProto& model, const std::string& key) {
    for (onnx::StringStringEntryProto& entry : *model.mutable_metadata_props())
      if (entry.key() == key) return entry.mutable_value();
    throw std::out_of_range(key);
  }
};

}  // namespace normkit
