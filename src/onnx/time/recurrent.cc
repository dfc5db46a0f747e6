// LSTM and GRU, with sequence_lens. LSTMs that are projected or normalize their gates, which ONNX
// has no operator for, are a Scan over the steps (scan.cc).
#include "src/nn/layers/recurrent.h"

#include <array>

#include "src/onnx/time/rows.h"
#include "src/onnx/time/scan.h"
#include "src/onnx/time/values.h"

namespace normkit {
namespace {

// Which of our gates (input, forget, candidate, output; reset, update, candidate) is ONNX's k-th
// (input, output, forget, cell; update, reset, hidden).
constexpr std::array<int64_t, 4> kLstmGates{0, 3, 1, 2};
constexpr std::array<int64_t, 3> kGruGates{1, 0, 2};

struct RecurrentSizes {
  std::span<const int64_t> gates;  // ours of each of ONNX's
  int64_t directions, hidden;
  int64_t all() const { return static_cast<int64_t>(gates.size()) * hidden; }
};

// W [D, gates hidden, inputs] or R: rows of the parameter in ONNX's order.
std::string WriteGateWeights(LayerWriter& writer, std::string_view parameter,
                             const RecurrentSizes& sizes, int64_t inputs) {
  const int64_t begin = writer.ParameterBegin(parameter);
  return writer.GatheredConstant(
      parameter, {sizes.directions, sizes.all(), inputs}, [=](int64_t i) {
        const int64_t row = i / inputs, in_direction = row % sizes.all();
        const int64_t gate = sizes.gates[static_cast<size_t>(in_direction / sizes.hidden)];
        const int64_t from = row - in_direction + gate * sizes.hidden + in_direction % sizes.hidden;
        return begin + from * inputs + i % inputs;
      });
}

// B [D, 2 gates hidden]: that of the input's product, and that of the recurrent one or zeros.
std::string WriteGateBiases(LayerWriter& writer, const RecurrentSizes& sizes, bool recurrent) {
  const int64_t of_input = writer.ParameterBegin("bias"),
                of_recurrent = recurrent ? writer.ParameterBegin("recurrent_bias") : -1;
  return writer.GatheredConstant("bias", {sizes.directions, 2 * sizes.all()}, [=](int64_t i) {
    const int64_t direction = i / (2 * sizes.all()), row = i % (2 * sizes.all());
    const int64_t begin = row < sizes.all() ? of_input : of_recurrent;
    const int64_t in_direction = row % sizes.all();
    const int64_t gate = sizes.gates[static_cast<size_t>(in_direction / sizes.hidden)];
    return begin < 0 ? -1
                     : begin + direction * sizes.all() + gate * sizes.hidden +
                           in_direction % sizes.hidden;
  });
}

// [D,N,hidden] of a parameter of all observations.
std::string WriteInitialState(LayerWriter& writer, const std::string& parameter,
                              const RecurrentSizes& sizes) {
  TimeValues& time = writer.time();
  const std::string values =
      writer.ParameterConstant(parameter, {sizes.directions, 1, sizes.hidden});
  const std::string observations =
      writer.Node("Shape", parameter + "_observations", {time.lengths()});
  const std::string shape =
      writer.Node("Concat", parameter + "_shape", {time.Whole({1}), observations, time.Whole({1})});
  writer.Int("axis", 0);
  return writer.Node("Expand", parameter + "_of_all", {values, shape});
}

template <class Options>
void SetAttributes(LayerWriter& writer, const Options& o, bool lstm, int64_t directions) {
  const std::string gate = GateOperator(o.gate_activation_function),
                    state = StateOperator(o.state_activation_function);
  std::vector<std::string> functions;
  for (int64_t d = 0; d < directions; ++d) {
    functions.insert(functions.end(), {gate, state});
    if (lstm) functions.push_back(state);
  }
  writer.Int("hidden_size", o.num_hidden_units);
  writer.Text("direction", std::string(NameOf(o.direction)));
  writer.Texts("activations", functions);
}

// The operator between what makes [T,N,C] of x and [N,T,D hidden] of Y, or [N, D hidden] of Y_h.
template <class Options>
void WriteRecurrentNode(LayerWriter& writer, const Options& o, std::span<const int64_t> gates,
                        bool recurrent_bias, bool resets_before = false) {
  const bool lstm = gates.size() == 4, last = o.output_mode == OutputMode::kLast;
  const RecurrentSizes sizes{gates, DirectionsOf(o), o.num_hidden_units};
  const std::string x = WriteTransposed(writer, "steps_first", writer.inputs()[0], {1, 0, 2});
  std::vector<std::string> inputs{
      x, WriteGateWeights(writer, "input_weights", sizes, writer.layouts()[0].channels()),
      WriteGateWeights(writer, "recurrent_weights", sizes, o.num_hidden_units),
      WriteGateBiases(writer, sizes, recurrent_bias), writer.time().lengths_i32()};
  std::vector<std::string> states;
  if (writer.time().streams()) {
    for (const std::string_view state : {"h", "c"}) {
      if (state == "c" && !lstm) continue;
      states.push_back(writer.time().AddState(fmt::format("{}.{}", writer.layer().name(), state),
                                              o.num_hidden_units));
      inputs.push_back(writer.Node("Unsqueeze", fmt::format("{}_begin", state),
                                   {states.back(), writer.time().Whole({0})}));
    }
  } else if (HasInitialStates(o)) {
    inputs.push_back(WriteInitialState(writer, "hidden_state", sizes));
    if (lstm) inputs.push_back(WriteInitialState(writer, "cell_state", sizes));
  }
  const std::string y = writer.Node(lstm ? "LSTM" : "GRU", "", std::move(inputs));
  SetAttributes(writer, o, lstm, sizes.directions);
  if (!lstm) writer.Int("linear_before_reset", resets_before ? 0 : 1);
  const int64_t width = sizes.directions * o.num_hidden_units;
  onnx::NodeProto& node = writer.node();
  const std::string end = last ? y : writer.graph().UniqueName(node.name() + ".h");  // [D,N,hidden]
  if (last || !states.empty()) node.add_output(end);
  if (last) node.set_output(0, "");
  if (states.size() == 2) node.add_output(writer.graph().UniqueName(node.name() + ".c"));
  const std::vector<std::string> ends(node.output().begin() + (states.empty() ? 0 : 1),
                                      node.output().end());
  for (size_t i = 0; i < states.size(); ++i)
    writer.time().GiveState(states[i], o.num_hidden_units, ends[i], /*squeezed=*/true);
  if (last) {
    writer.set_output(writer.Node("Reshape", "side_by_side",
                                  {WriteTransposed(writer, "observations_first", y, {1, 0, 2}),
                                   writer.time().Whole({0, width})}));
  } else {  // Y [T,D,N,hidden]
    writer.set_output(writer.Node("Reshape", "side_by_side",
                                  {WriteTransposed(writer, "observations_first", y, {2, 0, 1, 3}),
                                   writer.time().Whole({0, 0, width})}));
  }
}

template <class Options>
void CheckStateless(const LayerWriter& writer, const Options& o) {
  if (o.has_state_inputs)
    Fail("{} '{}': reads states (has_state_inputs), expected none in a model file",
         writer.layer().type(), writer.layer().name());
}

}  // namespace

bool WriteRecurrent(LayerWriter& writer) {
  if (const auto* lstm = writer.As<LstmLayer>()) {
    CheckStateless(writer, lstm->options());
    if (lstm->options().output_projection > 0 ||
        lstm->options().gate_normalization != GateNormalization::kNone)
      WriteLstmScan(writer, lstm->options());
    else
      WriteRecurrentNode(writer, lstm->options(), kLstmGates, false);
    return true;
  }
  const auto* gru = writer.As<GruLayer>();
  if (!gru) return false;
  CheckStateless(writer, gru->options());
  const ResetGateMode mode = gru->options().reset_gate_mode;
  WriteRecurrentNode(writer, gru->options(), kGruGates,
                     mode == ResetGateMode::kRecurrentBiasAfterMultiplication,
                     mode == ResetGateMode::kBeforeMultiplication);
  return true;
}

}  // namespace normkit
