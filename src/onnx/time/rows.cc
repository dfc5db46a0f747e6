// Products, pooling, convolution, tables: layers that need no more than some nodes.
#include "src/onnx/time/rows.h"

#include <cmath>
#include <numbers>

#include "src/nn/layers/attention.h"
#include "src/nn/layers/fully_connected.h"
#include "src/nn/layers/plain.h"
#include "src/nn/layers/time_windows.h"
#include "src/onnx/time/values.h"

namespace normkit {

std::string WriteProduct(LayerWriter& writer, std::string_view part, const std::string& x,
                         std::string_view weights, int64_t outputs, int64_t inputs,
                         std::string_view bias) {
  const int64_t begin = writer.ParameterBegin(weights);
  const std::string columns = writer.GatheredConstant(weights, {inputs, outputs}, [=](int64_t i) {
    return begin + i % outputs * inputs + i / outputs;
  });
  if (bias.empty()) return writer.Node("MatMul", part, {x, columns});
  const std::string product = writer.Node(
      "MatMul", fmt::format("{}{}product", part, part.empty() ? "" : "_"), {x, columns});
  return writer.Node("Add", part, {product, writer.ParameterConstant(bias, {outputs})});
}

std::string WriteMasked(LayerWriter& writer, std::string_view part, const std::string& x,
                        const std::string& otherwise) {
  return writer.Node("Where", part, {writer.time().mask(), x, otherwise});
}

std::string WriteTransposed(LayerWriter& writer, std::string_view part, const std::string& x,
                            std::vector<int64_t> perm) {
  std::string value = writer.Node("Transpose", part, {x});
  writer.Ints("perm", std::move(perm));
  return value;
}

bool WriteStepProduct(LayerWriter& writer) {
  const auto* layer = writer.As<FullyConnectedLayer>();
  if (!layer) return false;
  writer.set_output(WriteProduct(writer, "", writer.inputs()[0], "weights",
                                 layer->options().output_size, writer.layouts()[0].channels(),
                                 layer->options().bias ? "bias" : ""));
  return true;
}

bool WriteTimeConvolution(LayerWriter& writer) {
  const auto* layer = writer.As<Convolution1dLayer>();
  if (!layer) return false;
  const Convolution1dOptions& o = layer->options();
  const int64_t all = (o.filter_size - 1) * o.dilation, before = ZerosInFront(o.padding, all);
  const int64_t channels = writer.layouts()[0].channels() / o.num_groups;
  const std::string x =
      WriteTransposed(writer, "channels_first",
                      WriteMasked(writer, "steps", writer.inputs()[0], writer.time().zero()));
  std::vector<std::string> inputs{
      x, writer.ParameterConstant("weights", {o.num_filters, channels, o.filter_size})};
  if (o.bias) inputs.push_back(writer.ParameterConstant("bias", {o.num_filters}));
  const std::string y = writer.Node("Conv", "", std::move(inputs));
  writer.Ints("kernel_shape", {o.filter_size});
  writer.Ints("dilations", {o.dilation});
  writer.Ints("pads", {before, all - before});
  writer.Int("group", o.num_groups);
  writer.set_output(WriteTransposed(writer, "channels_last", y));
  return true;
}

bool WriteTimeWindowPooling(LayerWriter& writer) {
  const auto* layer = writer.As<Pooling1dLayer>();
  if (!layer) return false;
  const bool largest = layer->pool() == ops::Pool::kMax;
  const int64_t size = layer->options().pool_size,
                before = ZerosInFront(layer->options().padding, size - 1);
  TimeValues& time = writer.time();
  const std::string x = WriteTransposed(
      writer, "channels_first",
      WriteMasked(writer, "steps", writer.inputs()[0], largest ? time.smallest() : time.zero()));
  const std::string y = writer.Node(largest ? "MaxPool" : "AveragePool", "", {x});
  writer.Ints("kernel_shape", {size});
  writer.Ints("pads", {before, size - 1 - before});
  if (!largest) writer.Int("count_include_pad", 1);
  writer.set_output(WriteTransposed(writer, "channels_last", y));
  return true;
}

namespace {

std::string WriteLastStep(LayerWriter& writer) {
  TimeValues& time = writer.time();
  const std::string last = writer.Node("Sub", "last", {time.lengths(), time.Whole({1})});
  const std::string places = writer.Node("Unsqueeze", "places", {last, time.Whole({1})});
  std::string y = writer.Node("GatherND", "", {writer.inputs()[0], places});
  writer.Int("batch_dims", 1);
  return y;
}

std::string WriteMean(LayerWriter& writer) {
  TimeValues& time = writer.time();
  const std::string steps = WriteMasked(writer, "steps", writer.inputs()[0], time.zero());
  const std::string sum = writer.Node("ReduceSum", "sum", {steps, time.Whole({1})});
  writer.Int("keepdims", 0);
  return writer.Node("Div", "", {sum, time.lengths_f32()});
}

std::string WriteMaximum(LayerWriter& writer) {
  TimeValues& time = writer.time();
  const std::string steps = WriteMasked(writer, "steps", writer.inputs()[0], time.smallest());
  const std::string x = WriteTransposed(writer, "channels_first", steps);
  const std::string largest = writer.Node("GlobalMaxPool", "largest", {x});
  return writer.Node("Squeeze", "", {largest, time.Whole({2})});
}

}  // namespace

bool WriteTimePooling(LayerWriter& writer) {
  const auto* layer = writer.As<NamedLayer>();
  if (!layer) return false;
  const std::string_view kind = layer->short_name();
  if (kind != "last" && kind != "gap1d" && kind != "gmp1d") return false;
  writer.set_output(kind == "last"    ? WriteLastStep(writer)
                    : kind == "gap1d" ? WriteMean(writer)
                                      : WriteMaximum(writer));
  return true;
}

// Tokens in padding may be anything, the first row of the table stands for them.
bool WriteEmbedding(LayerWriter& writer) {
  const auto* layer = writer.As<EmbeddingLayer>();
  if (!layer) return false;
  const EmbeddingOptions& o = layer->options();
  TimeValues& time = writer.time();
  const std::string steps = WriteMasked(writer, "steps", writer.inputs()[0], time.zero());
  const std::string whole = writer.Node("Cast", "whole", {steps});
  writer.Int("to", onnx::TensorProto::INT64);
  const std::string tokens = writer.Node("Squeeze", "tokens", {whole, time.Whole({2})});
  const std::string table = writer.ParameterConstant("weights", {o.num_words, o.dimension});
  writer.set_output(writer.Node("Gather", "", {table, tokens}));
  return true;
}

namespace {

// Rows of the table; a step beyond it is an error of Gather, which padding must not be.
std::string WriteTable(LayerWriter& writer, const PositionEmbeddingLayer& layer) {
  TimeValues& time = writer.time();
  const std::string longest = writer.Node("ReduceMax", "longest", {time.lengths()});
  writer.Int("keepdims", 0);
  const std::string used = writer.Node("Less", "used", {time.places(), longest});
  const std::string places = writer.Node("Where", "places", {used, time.places(), time.Whole({0})});
  const std::string table = writer.ParameterConstant(
      "weights", {layer.options().max_position, writer.layouts()[0].channels()});
  return writer.Node("Gather", "rows", {table, places});
}

// sin(t rate + phase) in f64, as positions.cc has it; cosines have the phase pi / 2.
std::string WriteWaves(LayerWriter& writer) {
  const int64_t channels = writer.layouts()[0].channels();
  writer.graph().CountBytes(static_cast<double>(channels) * 2 * sizeof(double));
  std::vector<double> rates, phases;
  for (int64_t c = 0; c < channels; ++c) {
    rates.push_back(
        std::pow(10000.0, -static_cast<double>(c / 2 * 2) / static_cast<double>(channels)));
    phases.push_back(c % 2 == 0 ? 0 : std::numbers::pi / 2);
  }
  const auto constant = [&](std::string_view name, const std::vector<double>& values) {
    return writer.Constant(name, {channels}, std::span<const double>(values));
  };
  TimeValues& time = writer.time();
  const std::string whole = writer.Node("Unsqueeze", "column", {time.places(), time.Whole({1})});
  const std::string places = writer.Node("Cast", "places", {whole});
  writer.Int("to", onnx::TensorProto::DOUBLE);
  const std::string product = writer.Node("Mul", "turns", {places, constant("rates", rates)});
  const std::string angles = writer.Node("Add", "angles", {product, constant("phases", phases)});
  const std::string waves = writer.Node("Sin", "waves", {angles});
  std::string rows = writer.Node("Cast", "rows", {waves});
  writer.Int("to", onnx::TensorProto::FLOAT);
  return rows;
}

}  // namespace

bool WritePositions(LayerWriter& writer) {
  const auto* table = writer.As<PositionEmbeddingLayer>();
  if (!table && !writer.As<SinusoidalLayer>()) return false;
  const std::string rows = table ? WriteTable(writer, *table) : WriteWaves(writer);
  writer.set_output(writer.Node("Add", "", {writer.inputs()[0], rows}));
  return true;
}

}  // namespace normkit
