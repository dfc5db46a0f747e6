#include "src/onnx/time/scan.h"

#include "src/core/fail.h"
#include "src/nn/layers/recurrent.h"
#include "src/onnx/time/rows.h"
#include "src/onnx/time/values.h"

namespace normkit {
namespace {

// One direction of a layer.
class LstmScan {
 public:
  LstmScan(LayerWriter& writer, const LstmOptions& options, int64_t direction)
      : writer_(writer),
        o_(options),
        direction_(direction),
        prefix_(direction > 0 ? "back_" : ""),
        reverse_(options.direction == SequenceDirection::kReverse || direction > 0),
        outputs_(options.output_projection > 0 ? options.output_projection
                                               : options.num_hidden_units) {}

  int64_t outputs() const { return outputs_; }

  // h of each step, [N,T,outputs], or behind the last, [N,outputs].
  std::string Write() {
    TimeValues& time = writer_.time();
    const int64_t all = 4 * o_.num_hidden_units;
    const std::string products =
        Node("MatMul", "products",
             {writer_.inputs()[0], Columns("input_weights", writer_.layouts()[0].channels(), all)});
    const std::string bias = Row("bias", all);
    const std::string gates = normalizes_
                                  ? Normalized("gates", {products, Row("input_scale", all), bias})
                                  : Node("Add", "gates", {products, bias});
    const std::string h = BeginOf("h", "hidden_state", outputs_),
                      c = BeginOf("c", "cell_state", o_.num_hidden_units);
    const std::string& mask = time.mask();
    recurrent_ = Columns("recurrent_weights", outputs_, all);
    if (o_.output_projection > 0)
      projection_ = Columns("projection", o_.num_hidden_units, outputs_);
    if (normalizes_) {
      recurrent_scale_ = Row("recurrent_scale", all);
      cell_scale_ = Row("cell_scale", o_.num_hidden_units);
      cell_offset_ = Row("cell_offset", o_.num_hidden_units);
    }
    onnx::GraphProto body;
    WriteBody(&body);
    const std::string end = Node("Scan", "", {h, c, gates, mask});
    onnx::NodeProto& scan = writer_.node();
    const std::string steps = writer_.graph().UniqueName(scan.name() + ".steps"),
                      end_c = writer_.graph().UniqueName(scan.name() + ".c");
    scan.add_output(end_c);
    scan.add_output(steps);
    onnx::AttributeProto* attribute = scan.add_attribute();
    attribute->set_name("body");
    attribute->set_type(onnx::AttributeProto::GRAPH);
    *attribute->mutable_g() = std::move(body);
    writer_.Int("num_scan_inputs", 2);
    writer_.Ints("scan_input_axes", {1, 1});
    writer_.Ints("scan_output_axes", {1});
    writer_.Ints("scan_input_directions", {reverse_, reverse_});
    writer_.Ints("scan_output_directions", {reverse_});
    if (time.streams()) {
      time.GiveState(h, outputs_, end, false);
      time.GiveState(c, o_.num_hidden_units, end_c, false);
    }
    return o_.output_mode == OutputMode::kLast ? end : steps;
  }

 private:
  std::string Node(std::string_view op, const std::string& part, std::vector<std::string> inputs) {
    const bool own = part.empty() && direction_ == 0;
    return writer_.Node(op, own ? "" : prefix_ + (part.empty() ? "scan" : part), std::move(inputs));
  }

  // Over the last axis: of x, a scale and perhaps an offset.
  std::string Normalized(const std::string& part, std::vector<std::string> inputs) {
    std::string y = Node("LayerNormalization", part, std::move(inputs));
    writer_.Int("axis", -1);
    writer_.Float("epsilon", recurrent::kNormEpsilon);
    return y;
  }

  std::vector<int64_t> GateSizes() const { return std::vector<int64_t>(4, o_.num_hidden_units); }

  // The direction's part [rows, columns] of a parameter, as [columns, rows].
  std::string Columns(std::string_view name, int64_t columns, int64_t rows) {
    const int64_t begin = writer_.ParameterBegin(name) + direction_ * rows * columns;
    return writer_.GatheredConstant(prefix_ + std::string(name), {columns, rows}, [=](int64_t i) {
      return begin + i % rows * columns + i / rows;
    });
  }
  std::string Row(std::string_view name, int64_t size) {
    const int64_t begin = writer_.ParameterBegin(name) + direction_ * size;
    return writer_.GatheredConstant(prefix_ + std::string(name), {size},
                                    [=](int64_t i) { return begin + i; });
  }

  // [N,size]
  std::string BeginOf(const std::string& state, std::string_view parameter, int64_t size) {
    TimeValues& time = writer_.time();
    if (time.streams())
      return time.AddState(fmt::format("{}.{}", writer_.layer().name(), state), size);
    const std::string observations = Node("Shape", state + "_observations", {time.lengths()});
    const std::string shape = Node("Concat", state + "_shape", {observations, time.Whole({size})});
    writer_.Int("axis", 0);
    const std::string values = HasInitialStates(o_) ? Row(parameter, size) : time.zero();
    return Node("Expand", state + "_begin", {values, shape});
  }

  std::string BodyValue(const std::string& name, onnx::ValueInfoProto* info, int type,
                        int64_t size) {
    const std::string unique = writer_.graph().UniqueName(
        fmt::format("{}/{}step_{}", writer_.layer().name(), prefix_, name));
    Describe(unique, type, size, info);
    return unique;
  }
  static void Describe(const std::string& name, int type, int64_t size,
                       onnx::ValueInfoProto* info) {
    info->set_name(name);
    onnx::TypeProto::Tensor* tensor = info->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    tensor->mutable_shape()->add_dim()->set_dim_param("N");
    tensor->mutable_shape()->add_dim()->set_dim_value(size);
  }

  // A step of all sequences: what they have behind it, where it is one of theirs.
  void WriteBody(onnx::GraphProto* body) {
    const int64_t hidden = o_.num_hidden_units;
    body->set_name(writer_.layer().name() + "/" + prefix_ + "step");
    const auto input = [&](const std::string& name, int type, int64_t size) {
      return BodyValue(name, body->add_input(), type, size);
    };
    const std::string h = input("h", onnx::TensorProto::FLOAT, outputs_),
                      c = input("c", onnx::TensorProto::FLOAT, hidden),
                      gates = input("gates", onnx::TensorProto::FLOAT, 4 * hidden),
                      mask = input("mask", onnx::TensorProto::BOOL, 1);
    writer_.graph().set_nodes(body);
    const std::string now = Step(h, c, gates);
    const std::string kept_h = Node("Where", "step_kept_h", {mask, now, h});
    const std::string kept_c = Node("Where", "step_kept_c", {mask, c_now_, c});
    const std::string given = Node("Identity", "step_given", {kept_h});
    writer_.graph().set_nodes(writer_.graph().graph());
    Describe(kept_h, onnx::TensorProto::FLOAT, outputs_, body->add_output());
    Describe(kept_c, onnx::TensorProto::FLOAT, hidden, body->add_output());
    Describe(given, onnx::TensorProto::FLOAT, outputs_, body->add_output());
  }

  // h behind the step; c is c_now_.
  std::string Step(const std::string& h, const std::string& c, const std::string& gates) {
    const std::string gate = GateOperator(o_.gate_activation_function),
                      state = StateOperator(o_.state_activation_function);
    std::string product = Node("MatMul", "step_product", {h, recurrent_});
    if (normalizes_) product = Normalized("step_normalized", {product, recurrent_scale_});
    const std::string sums = Node("Add", "step_sums", {gates, product});
    Node("Split", "step_split", {sums, writer_.time().Whole(GateSizes())});
    writer_.Int("axis", -1);
    onnx::NodeProto& split = writer_.node();
    std::vector<std::string> of{split.output(0)};
    for (const char* name : {".forget", ".candidate", ".output"})
      of.push_back(*split.add_output() = writer_.graph().UniqueName(split.name() + name));
    const std::string in = Node(gate, "step_input", {of[0]}),
                      forget = Node(gate, "step_forget", {of[1]}),
                      candidate = Node(state, "step_candidate", {of[2]}),
                      out = Node(gate, "step_output", {of[3]});
    const std::string old = Node("Mul", "step_old", {forget, c}),
                      more = Node("Mul", "step_new", {in, candidate});
    c_now_ = Node("Add", "step_c", {old, more});
    const std::string state_sums =
        normalizes_ ? Normalized("step_normalized_c", {c_now_, cell_scale_, cell_offset_}) : c_now_;
    const std::string y = Node("Mul", "step_h", {out, Node(state, "step_state", {state_sums})});
    return projection_.empty() ? y : Node("MatMul", "step_projected", {y, projection_});
  }

  LayerWriter& writer_;
  const LstmOptions& o_;
  const int64_t direction_;
  const std::string prefix_;  // of names
  const bool reverse_;
  const int64_t outputs_;
  const bool normalizes_ = o_.gate_normalization == GateNormalization::kLayer;
  std::string recurrent_, projection_, recurrent_scale_, cell_scale_, cell_offset_, c_now_;
};

}  // namespace

void WriteLstmScan(LayerWriter& writer, const LstmOptions& options) {
  std::vector<std::string> all;
  for (int64_t d = 0; d < DirectionsOf(options); ++d)
    all.push_back(LstmScan(writer, options, d).Write());
  if (all.size() == 1) return writer.set_output(all[0]);
  writer.set_output(writer.Node("Concat", "side_by_side", all));
  writer.Int("axis", -1);
}

}  // namespace normkit
