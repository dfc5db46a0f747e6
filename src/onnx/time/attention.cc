// Self-attention: MatMul, Softmax, MatMul over [N, heads, T, T], with keys in padding at -infinity.
#include "src/nn/layers/attention.h"

#include <cmath>

#include "src/onnx/time/rows.h"
#include "src/onnx/time/values.h"

namespace normkit {
namespace {

// [N,T,heads K] to [N,heads,T,K], or [N,heads,K,T] for keys.
std::string WriteHeads(LayerWriter& writer, const std::string& part, const std::string& x,
                       int64_t heads, bool keys) {
  const std::string split =
      writer.Node("Reshape", part + "_split", {x, writer.time().Whole({0, 0, heads, -1})});
  return WriteTransposed(
      writer, part + "_heads", split,
      keys ? std::vector<int64_t>{0, 2, 3, 1} : std::vector<int64_t>{0, 2, 1, 3});
}

}  // namespace

bool WriteSelfAttention(LayerWriter& writer) {
  const auto* layer = writer.As<SelfAttentionLayer>();
  if (!layer) return false;
  const SelfAttentionOptions& o = layer->options();
  TimeValues& time = writer.time();
  const int64_t channels = writer.layouts()[0].channels(), keys = o.num_key_channels,
                values = o.num_value_channels > 0 ? o.num_value_channels : keys,
                outputs = o.output_size > 0 ? o.output_size : channels;
  const auto product = [&](const std::string& name, const std::string& x, int64_t to, int64_t from,
                           const std::string& part) {
    return WriteProduct(writer, part, x, name + "_weights", to, from, o.bias ? name + "_bias" : "");
  };
  const std::string& x = writer.inputs()[0];
  const std::string query =
      WriteHeads(writer, "query", product("query", x, keys, channels, "query"), o.num_heads, false);
  const std::string key =
      WriteHeads(writer, "key", product("key", x, keys, channels, "key"), o.num_heads, true);
  const std::string all_values = WriteMasked(
      writer, "value_steps", product("value", x, values, channels, "value"), time.zero());
  const std::string value = WriteHeads(writer, "value", all_values, o.num_heads, false);

  const std::string products = writer.Node("MatMul", "products", {query, key});
  const double width = static_cast<double>(keys / o.num_heads);
  const std::string scaled =
      writer.Node("Mul", "scaled",
                  {products, writer.Number("factor", static_cast<float>(1 / std::sqrt(width)))});
  const bool causal = o.attention_mask == AttentionMask::kCausal;
  const std::string& mask = causal ? time.causal_mask() : time.key_mask();
  const std::string scores = writer.Node("Where", "scores", {mask, scaled, time.smallest()});
  const std::string weights = writer.Node("Softmax", "weights", {scores});
  writer.Int("axis", -1);
  const std::string mixed = writer.Node("MatMul", "mixed", {weights, value});
  const std::string side_by_side = writer.Node(
      "Reshape", "joined",
      {WriteTransposed(writer, "steps", mixed, {0, 2, 1, 3}), time.Whole({0, 0, values})});
  writer.set_output(product("output", side_by_side, outputs, values, ""));
  return true;
}

}  // namespace normkit
