// An ONNX graph read node by node, and the network that grows from it.
#pragma once

#include <onnx.pb.h>

#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "normkit/nn/layers.h"
#include "normkit/nn/network.h"
#include "src/nn/properties.h"
#include "src/onnx/node_reader.h"

namespace normkit {

// What the read function of an operator row works on: the next node, and perhaps those behind it.
class GraphReader {
 public:
  // `properties` says per layer what its nodes cannot (metadata.h). Both are kept by reference.
  GraphReader(const std::string& file, const onnx::GraphProto& graph,
              const nlohmann::json& properties);

  const std::string& file() const { return file_; }
  const onnx::GraphProto& proto() const { return graph_; }

  // The next node, and those behind it. A layer of several nodes is recognized by PeekChain: the
  // node `ahead` of the next, where it has this operator and is alone in reading the output of the
  // node before it, as its first input; else null.
  bool AtEnd() const { return next_ >= graph_.node_size(); }
  NodeReader Node(int ahead = 0) const { return {file_, graph_.node(next_ + ahead)}; }
  const onnx::NodeProto* PeekChain(int ahead, std::string_view op_type) const;
  int Readers(const std::string& value) const;  // nodes and graph outputs that read it
  void Consume(int nodes) { next_ += nodes; }

  // Puts what the nodes of the layer `node` cannot say into `options`.
  template <class Options>
  void ReadProperties(const NodeReader& node, Options* options, unsigned of = ~0u) const {
    JsonProperties properties(Properties(node.name()), node.where());
    properties.ReadDifferences(TableFor(*options), of, options);
    properties.CheckAllKnown();
  }

  int left() const { return graph_.node_size() - next_; }
  const onnx::NodeProto& proto(int ahead) const { return graph_.node(next_ + ahead); }

  // What the metadata say a layer is, where they do (forms.h).
  bool HasForm(const std::string& layer_name) const {
    return Properties(layer_name).contains("type");
  }
  // The layer of such a name that a node is a part of, being called so, or LAYER/part; "": none.
  std::string FormOfNode(const std::string& node_name) const;
  const nlohmann::json& Form(const std::string& layer_name) const { return Properties(layer_name); }
  const Graph& network() const { return network_; }
  std::string NameOf(Value value) const;                                 // in the file
  const onnx::TensorProto* FindConstant(const std::string& name) const;  // null: is none

  // The values of the network that a node reads; refuses names that no layer before it gave.
  Value Input(const NodeReader& node, int index) const;
  const Layout& InputLayout(const NodeReader& node, int index) const;
  const Layout& LayoutOf(Value value) const { return network_.layout(value); }

  // Constants that a node reads: f32 or i64, refused where their shape is not this one.
  bool IsConstant(const std::string& name) const { return constants_.contains(name); }
  std::vector<int64_t> ConstantShape(const NodeReader& node, int index) const;
  std::vector<float> Floats(const NodeReader& node, int index,
                            const std::vector<int64_t>& shape) const;
  std::vector<int64_t> Ints(const NodeReader& node, int index,
                            const std::vector<int64_t>& shape) const;

  // Adds a layer that reads `inputs`, whose parameters have these values (by name, in normkit's
  // order of elements), as what the ONNX value `output` names.
  using Values = std::vector<std::pair<std::string, std::vector<float>>>;
  void Add(const NodeReader& node, const LayerPtr& layer, const std::vector<Value>& inputs,
           const std::string& output, Values values = {});

  // The input layer, which reads nothing; errors name `where`.
  void AddInput(const std::string& where, const LayerPtr& layer, const std::string& output,
                Values values);

  // The network read so far. Throws Error where the graph's output is not its last value.
  Network Finish();

 private:
  const nlohmann::json& Properties(const std::string& layer_name) const;  // {} where none
  const onnx::TensorProto& Constant(const NodeReader& node, int index) const;
  void AddLayer(const std::string& where, const LayerPtr& layer, const std::vector<Value>& inputs,
                const std::string& output, Values values);

  const std::string& file_;
  const onnx::GraphProto& graph_;
  const nlohmann::json& properties_;
  int next_ = 0;
  std::map<std::string, const onnx::TensorProto*> constants_;
  std::map<std::string, int> readers_;  // how many nodes (and outputs) read a value
  std::map<std::string, Value> values_;
  Graph network_;
  std::vector<Values> parameters_;  // of every layer of network_
};

}  // namespace normkit
