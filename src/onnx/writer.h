// What the write function of an operator row is given: one layer, and a graph to put nodes into.
#pragma once

#include <onnx.pb.h>

#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "normkit/nn/network.h"
#include "src/nn/properties.h"

namespace normkit {

// Builds an ONNX graph. Names of values are unique in it; the same calls give the same bytes.
class GraphWriter {
 public:
  explicit GraphWriter(onnx::GraphProto* graph) : graph_(graph) {}

  onnx::GraphProto* graph() { return graph_; }
  // `wanted`, with as many primes behind it as make it unique.
  std::string UniqueName(std::string wanted);

 private:
  onnx::GraphProto* graph_;
  std::set<std::string> names_;
};

// One layer of the network on its way into the graph.
class LayerWriter {
 public:
  // `inputs` and `layouts` are what the layer reads: names of values in the ONNX graph, and shapes.
  LayerWriter(GraphWriter* graph, const Network& network, const LayerRecord& record,
              std::vector<std::string> inputs, std::vector<Layout> layouts);

  const Layer& layer() const { return *record_.layer; }
  // The layer as a T, or null where it is another kind of layer.
  template <class T>
  const T* As() const {
    return dynamic_cast<const T*>(&layer());
  }
  const std::vector<std::string>& inputs() const { return inputs_; }
  const std::vector<Layout>& layouts() const { return layouts_; }
  bool image_input() const;  // [N,C,H,W] in the file, BSSC here

  // Adds a node with one output, whose name it returns. The node is called as the layer, or
  // LAYER/part where a layer needs several. Attributes are added to node().
  std::string Node(std::string_view op_type, std::string_view part,
                   std::vector<std::string> inputs);
  onnx::NodeProto& node() { return *graph_->graph()->mutable_node()->rbegin(); }
  void Int(std::string_view name, int64_t value);
  void Float(std::string_view name, double value);
  void Ints(std::string_view name, std::vector<int64_t> values);
  void Text(std::string_view name, std::string value);

  // Adds a constant called LAYER.name.
  std::string Constant(std::string_view name, std::vector<int64_t> shape,
                       std::span<const float> values);
  std::string Constant(std::string_view name, std::vector<int64_t> shape,
                       std::span<const int64_t> values);

  // The layer's parameter `name`; and as a constant in the graph, with another shape if wanted.
  std::span<const float> Parameter(std::string_view name) const;
  std::string ParameterConstant(std::string_view name, std::vector<int64_t> shape);

  // What the nodes of the layer cannot say: where `options` differs from `plain`, what the nodes
  // alone would be read as.
  template <class Options>
  void SetProperties(const Options& options, const Options& plain) {
    properties_ = WriteDifferences(TableFor(options), &options, &plain);
  }
  const nlohmann::json& properties() const { return properties_; }

  // What the layer gives: a name of a value in the ONNX graph.
  void set_output(std::string name) { output_ = std::move(name); }
  const std::string& output() const { return output_; }

 private:
  GraphWriter* graph_;
  const Network& network_;
  const LayerRecord& record_;
  std::vector<std::string> inputs_;
  std::vector<Layout> layouts_;
  std::string output_;
  nlohmann::json properties_;
};

}  // namespace normkit
