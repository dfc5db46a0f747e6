// Forms of layers among the positions of pictures and volumes, [N,C,H,W]: products at each position
// are convolutions, and the positions of a picture one axis behind its channels.
#include <cmath>

#include "src/nn/layers/attention.h"
#include "src/onnx/layer_forms.h"
#include "src/onnx/time/rows.h"

namespace normkit {
namespace {

// What the layer's weights `name` make of x at each position.
std::string ProductAt(LayerWriter& writer, const std::string& name, std::string_view part,
                      const std::string& x, int64_t outputs, int64_t inputs, bool bias) {
  std::vector<int64_t> shape(static_cast<size_t>(writer.layouts().at(0).rank()), 1);
  shape[0] = outputs;
  shape[1] = inputs;
  std::vector<std::string> reads{x, writer.ParameterConstant(name + "_weights", shape)};
  if (bias) reads.push_back(writer.ParameterConstant(name + "_bias", {outputs}));
  return writer.Node("Conv", part, reads);
}

}  // namespace

bool WriteAttentionForm(LayerWriter& writer) {
  const auto* layer = writer.As<SelfAttentionLayer>();
  if (!layer || writer.over_time()) return false;
  const SelfAttentionOptions& o = layer->options();
  const Layout& x = writer.layouts().at(0);
  const int64_t keys = o.num_key_channels,
                values = o.num_value_channels > 0 ? o.num_value_channels : keys,
                outputs = o.output_size > 0 ? o.output_size : x.channels();
  // [N,heads,channels of a head,positions]
  const auto heads = [&](const std::string& name, int64_t channels) {
    const std::string all =
        ProductAt(writer, name, name, writer.inputs().at(0), channels, x.channels(), o.bias);
    return WriteReshaped(writer, name + "_heads", all,
                         {0, o.num_heads, channels / o.num_heads, -1});
  };
  const std::vector<int64_t> turned{0, 1, 3, 2};
  const std::string query = WriteTransposed(writer, "query_rows", heads("query", keys), turned);
  const std::string key = heads("key", keys), value = heads("value", values);
  const std::string products = writer.Node("MatMul", "products", {query, key});
  const double width = static_cast<double>(keys / o.num_heads);
  const std::string factor = writer.Number("factor", static_cast<float>(1 / std::sqrt(width)));
  const std::string scores = writer.Node("Mul", "scores", {products, factor});
  const std::string weights = writer.Node("Softmax", "weights", {scores});
  writer.Int("axis", -1);
  const std::string mixed =
      writer.Node("MatMul", "mixed", {value, WriteTransposed(writer, "of_keys", weights, turned)});
  const std::string joined = WriteReshaped(writer, "joined", mixed, AxesInFile(x, values));
  writer.set_output(ProductAt(writer, "output", "", joined, outputs, values, o.bias));
  return true;
}

bool WritePositionsForm(LayerWriter& writer) {
  const auto* layer = writer.As<PositionEmbeddingLayer>();
  if (!layer || writer.over_time()) return false;
  const Layout& x = writer.layouts().at(0);
  const std::string table =
      writer.ParameterConstant("weights", {layer->options().max_position, x.channels()});
  const std::string turned = WriteTransposed(writer, "turned", table, {1, 0});
  std::vector<int64_t> shape = AxesInFile(x, x.channels());
  shape[0] = 1;
  const std::string places = WriteReshaped(writer, "places", turned, shape);
  writer.set_output(writer.Node("Add", "", {writer.inputs().at(0), places}));
  return true;
}

}  // namespace normkit
