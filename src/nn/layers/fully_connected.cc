#include "src/nn/layers/fully_connected.h"

#include "src/nn/layers/weights.h"
#include "src/nn/properties.h"
#include "src/ops/ops.h"

namespace normkit {

FullyConnectedLayer::FullyConnectedLayer(const FullyConnectedOptions& options)
    : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> FullyConnectedLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  const Layout& x = OnlyInput(*this, graph, inputs);
  if (x.format() != "BC" && x.format() != "TC")
    FailLayer(*this,
              "input is {}, expected features, BC [batch,channels] or TC [rows,channels]: flatten "
              "images first",
              x.ToString());
  const int64_t in = x.channels(), out = options_.output_size;
  std::vector<Value> reads = WithWeights(graph, inputs[0], options_, {out, in}, out, in, out);
  return graph.AddNode(ops::MatrixProduct(), std::move(reads));
}

std::string FullyConnectedLayer::Description() const {
  return fmt::format("{} outputs{}", options_.output_size, options_.bias ? "" : ", no bias");
}

LayerPtr FullyConnected(const FullyConnectedOptions& options) {
  return std::make_shared<FullyConnectedLayer>(options);
}

}  // namespace normkit
