// What the write function of an operator row is given: one layer, and a graph to put nodes into.
#pragma once

#include <onnx.pb.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "normkit/nn/network.h"
#include "normkit/nn/own_layer.h"
#include "src/nn/properties.h"

namespace normkit {

// A constant that holds parameters: its element i is element at(i) of Parameters::values(), or 0
// where that is below 0.
struct ParameterTensor {
  std::string name;
  std::vector<int64_t> shape;
  std::function<int64_t(int64_t)> at;
};

// Builds an ONNX graph. Names of values are unique in it, those of graphs within it too; the same
// calls give the same bytes.
class GraphWriter {
 public:
  // Constants beyond `most_bytes` are an Error.
  explicit GraphWriter(onnx::GraphProto* graph,
                       double most_bytes = std::numeric_limits<double>::infinity())
      : graph_(graph), nodes_(graph), bytes_left_(most_bytes) {}

  onnx::GraphProto* graph() { return graph_; }
  // Where nodes go: the graph, or one that is the body of a node of it.
  onnx::GraphProto* nodes() { return nodes_; }
  void set_nodes(onnx::GraphProto* nodes) { nodes_ = nodes; }
  // `wanted`, with as many primes behind it as make it unique.
  std::string UniqueName(std::string wanted);
  // A node with one output, whose name it returns; both are called `name`.
  std::string AddNode(std::string_view op_type, const std::string& name,
                      std::vector<std::string> inputs);
  // From here on nodes have primes in their names where another has it: runtimes refuse two of one
  // name. Who reads layers by the names of nodes wants them as they are.
  void MakeNodeNamesUnique() { node_names_unique_ = true; }
  // Before a constant of so many bytes is made.
  void CountBytes(double bytes);

  std::vector<ParameterTensor>& parameters() { return parameters_; }

  // The oldest version of the operator set that a layer has asked for; 0: none has.
  void NeedOpset(int opset) { opset_ = std::max(opset_, opset); }
  int opset() const { return opset_; }

 private:
  onnx::GraphProto* graph_;
  onnx::GraphProto* nodes_;
  std::set<std::string> names_, node_names_;
  bool node_names_unique_ = false;
  int opset_ = 0;
  std::vector<ParameterTensor> parameters_;
  double bytes_left_;
};

void SetInt(onnx::NodeProto& node, std::string_view name, int64_t value);

class TimeValues;

// One layer of the network on its way into the graph.
class LayerWriter : public OnnxLayerNodes {
 public:
  // `inputs` and `layouts` are what the layer reads: names of values in the ONNX graph, and shapes.
  // `time`: of networks of sequences.
  LayerWriter(GraphWriter* graph, const Network& network, const LayerRecord& record,
              std::vector<std::string> inputs, std::vector<Layout> layouts,
              TimeValues* time = nullptr)
      : LayerWriter(graph, network.graph, &network.parameters, record, std::move(inputs),
                    std::move(layouts), time) {}
  // Without parameters their constants have shapes alone.
  LayerWriter(GraphWriter* graph, const Graph& network, const Parameters* parameters,
              const LayerRecord& record, std::vector<std::string> inputs,
              std::vector<Layout> layouts, TimeValues* time = nullptr);

  const Layer& layer() const { return *record_.layer; }
  // The layer as a T, or null where it is another kind of layer.
  template <class T>
  const T* As() const {
    return dynamic_cast<const T*>(&layer());
  }
  const std::vector<std::string>& inputs() const override { return inputs_; }
  const std::vector<Layout>& layouts() const override { return layouts_; }
  bool over_time() const { return layouts_.at(0).packed(); }  // [N,T,C] in the file, TC here
  int64_t channel_axis() const { return over_time() ? 2 : 1; }
  TimeValues& time() const { return *time_; }
  GraphWriter& graph() const { return *graph_; }

  // Adds a node with one output, whose name it returns. The node is called as the layer, or
  // LAYER/part where a layer needs several. Attributes are added to node().
  std::string Node(std::string_view op_type, std::string_view part,
                   std::vector<std::string> inputs) override;
  onnx::NodeProto& node();
  void Int(std::string_view name, int64_t value) override;
  void Float(std::string_view name, double value) override;
  void Ints(std::string_view name, std::vector<int64_t> values) override;
  void Text(std::string_view name, std::string value) override;
  void Texts(std::string_view name, const std::vector<std::string>& values);

  // Adds a constant called LAYER.name.
  std::string Constant(std::string_view name, std::vector<int64_t> shape,
                       std::span<const float> values) override;
  std::string Constant(std::string_view name, std::vector<int64_t> shape,
                       std::span<const int64_t> values) override;
  std::string Constant(std::string_view name, std::vector<int64_t> shape,
                       std::span<const double> values);
  std::string Number(std::string_view name, float value);                 // of no axes
  std::string Whole(std::string_view name, std::vector<int64_t> values);  // [values]

  // Where the layer's parameter `name` begins in Parameters::values(); and it as a constant in the
  // graph, with another shape if wanted.
  int64_t ParameterBegin(std::string_view name) const;
  std::string ParameterConstant(std::string_view name, std::vector<int64_t> shape) override;
  // A constant LAYER.name of elements at(i) of Parameters::values(), 0 where that is below 0.
  std::string GatheredConstant(std::string_view name, std::vector<int64_t> shape,
                               std::function<int64_t(int64_t)> at);
  // Those that were added: parameter and constant.
  const std::vector<std::pair<std::string, std::string>>& parameter_constants() const {
    return parameter_constants_;
  }
  bool IsParameterConstant(const std::string& constant) const;
  void NeedOpset(int opset) override;  // where operators or attributes are newer than the oldest

  // What the nodes of the layer cannot say: where `options` differs from `plain`, what the nodes
  // alone would be read as.
  template <class Options>
  void SetProperties(const Options& options, const Options& plain) {
    properties_ = WriteDifferences(TableFor(options), &options, &plain);
  }
  void set_properties(nlohmann::json properties) { properties_ = std::move(properties); }
  const nlohmann::json& properties() const { return properties_; }

  // What the layer gives: a name of a value in the ONNX graph.
  void set_output(std::string name) override { output_ = std::move(name); }
  const std::string& output() const { return output_; }

 private:
  const normkit::Parameter& Find(std::string_view name) const;
  void CheckShape(std::string_view name, const std::vector<int64_t>& shape, size_t count) const;

  GraphWriter* graph_;
  const Graph& network_;
  const Parameters* parameters_;
  const LayerRecord& record_;
  std::vector<std::string> inputs_;
  std::vector<Layout> layouts_;
  TimeValues* time_;
  bool has_node_ = false;
  std::string output_;
  nlohmann::json properties_;
  std::vector<std::pair<std::string, std::string>> parameter_constants_;
};

}  // namespace normkit
