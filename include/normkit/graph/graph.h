// A network's topology: values, and the operations that make them of one another.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "normkit/core/array.h"
#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/tensor.h"
#include "normkit/graph/layer.h"
#include "normkit/ops/op.h"

namespace normkit {

enum class ValueKind {
  kInput,      // observations come in
  kParameter,  // trained
  kState,      // moved or filled in by training (trained_mean), or carried from pass to pass
  kConstant,   // a part of the graph
  kComputed    // an output of a node
};

// One array of a graph.
struct ValueInfo {
  ValueKind kind = ValueKind::kComputed;
  ArrayType type = {};  // for one observation: B is 1
  int layer = -1;       // which it is a part of; -1: none
  int node = -1;        // computed: made by this node, as
  int output = 0;       // this one of its outputs
  int parameter = -1;   // parameter, state: its place in Graph::parameters()
  // The elements of a constant, and of what follows from constants and shapes, for one observation.
  std::shared_ptr<const Tensor> known = nullptr;
};

// An operation on values.
struct Node {
  std::shared_ptr<const Op> op;
  std::vector<Value> inputs, outputs;
  int layer = -1;     // which it is a part of; -1: none
  std::string title;  // whose errors it has, where it is no layer's; "": the operation's
  std::string name;   // what a file calls it, where it is no layer's
};

// What Graph::Add(layer) added, for those who think in layers.
struct LayerRecord {
  std::shared_ptr<const Layer> layer;
  std::vector<Value> inputs, outputs;
  std::vector<Value> parameters;  // in the layer's order
  Value output() const { return outputs.front(); }
};

// A parameter or state array of a graph.
struct GraphParameter {
  ParameterSpec spec;  // its name is "LAYER.PARAMETER": "bn1.scale"
  Value value = 0;
};

// Adding accepts only existing values, so that the order of insertion is a topological one (and
// ONNX's). The last layer's output is the graph's.
class NORMKIT_API Graph {
 public:
  // Adds a layer that reads `inputs`, and returns what it gives. An unnamed layer is named after
  // its type ("conv_1"). Throws Error on an unknown value, a name that stands already, or inputs
  // the layer refuses, and is then as before.
  Value Add(std::shared_ptr<Layer> layer, std::vector<Value> inputs);
  // The same, reading what the last layer gives: a chain.
  Value Add(std::shared_ptr<Layer> layer);
  // A layer that has no parameters of its own, but those of the layer called `parameters_of`.
  Value AddTied(std::shared_ptr<Layer> layer, std::vector<Value> inputs,
                std::string_view parameters_of);

  // What layers are built of, and whoever needs no layer. Throw Error where inputs do not fit.
  Value AddInput(ArrayType type);
  Value AddParameter(ParameterSpec spec);  // trainable or state; of the layer being added
  Value AddConstant(Tensor elements);
  Value AddConstant(std::shared_ptr<const Tensor> elements);  // shared with other graphs
  // Training leaves the parameter at this place of parameters() as it is.
  void Freeze(size_t parameter);
  std::vector<Value> AddNode(std::shared_ptr<const Op> op, std::vector<Value> inputs);
  // What the nodes that are added from now on are called in messages, and by the file they are of.
  void SetTitle(std::string title, std::string name = "") {
    title_ = std::move(title);
    name_ = std::move(name);
  }

  std::span<const ValueInfo> values() const { return values_; }
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const LayerRecord> layers() const { return layers_; }
  std::span<const GraphParameter> parameters() const { return parameters_; }
  std::span<const Value> inputs() const { return inputs_; }

  const ValueInfo& value(Value value) const { return values_[static_cast<size_t>(value)]; }
  const Node& node(int node) const { return nodes_[static_cast<size_t>(node)]; }
  const LayerRecord& layer(int layer) const { return layers_[static_cast<size_t>(layer)]; }
  int num_layers() const { return static_cast<int>(layers_.size()); }
  bool empty() const { return values_.empty(); }

  // What the graph gives. Of a graph without layers: the last value.
  Value output() const;
  // The layer that was added under this name; -1 where there is none.
  int Find(std::string_view layer_name) const;
  // "convolution 2-D 'conv1'", for messages: the layer that the value is a part of, else the
  // operation.
  std::string TitleOf(Value value) const;

  const Layout& layout(Value value) const { return this->value(value).type.shape; }
  Layout input_layout() const;  // of one observation (batch size 1)

  // The type of every value where the inputs have these shapes, and the elements that are known
  // then. Throws Error that names the node where they do not fit.
  struct Types {
    std::vector<ArrayType> types;
    std::vector<std::shared_ptr<const Tensor>> known;  // null: computed at each pass
    int64_t observations = 1;                          // whose rows packed time holds
    OpInput operator[](Value value) const;
  };
  Types Infer(std::span<const Layout> inputs, int64_t observations = 1) const;
  Types Infer(int64_t batch_size) const;  // every input with that many observations, or rows

 private:
  struct Mark;  // how far the lists went, to go back to

  std::string FreeName(std::string_view short_name);
  void CheckInputs(const Layer& layer, std::span<const Value> inputs) const;
  Value AddLayer(std::shared_ptr<Layer> layer, std::vector<Value> inputs, const LayerRecord* tied);
  Value AddValue(ValueInfo info);

  std::vector<ValueInfo> values_;
  std::vector<Node> nodes_;
  std::vector<LayerRecord> layers_;
  std::vector<GraphParameter> parameters_;
  std::vector<Value> inputs_;
  std::map<std::string, int, std::less<>> names_;          // layers by name
  std::map<std::string, int, std::less<>> taken_numbers_;  // by short name: 1 to this one
  std::string title_, name_;                               // of nodes to come
  LayerRecord* building_ = nullptr;                        // during AddLayer
  const LayerRecord* tied_ = nullptr;                      // whose parameters it takes
};

}  // namespace normkit
