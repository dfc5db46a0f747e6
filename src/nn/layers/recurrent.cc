#include "src/nn/layers/recurrent.h"

#include "src/nn/properties.h"
#include "src/ops/normalization.h"

namespace normkit {
namespace {

template <class Options>
ops::RecurrentSettings SettingsOf(const Options& options) {
  ops::RecurrentSettings settings;
  settings.direction = static_cast<ops::Direction>(options.direction);
  settings.last = options.output_mode == OutputMode::kLast;
  settings.states = options.has_state_inputs;
  settings.end_states = options.has_state_outputs;
  settings.functions = {static_cast<recurrent::GateFunction>(options.gate_activation_function),
                        static_cast<recurrent::StateFunction>(options.state_activation_function)};
  return settings;
}

// x and perhaps states of these widths.
const Layout& CheckRecurrentInputs(const Layer& layer, const Graph& graph,
                                   std::span<const Value> inputs, std::span<const int64_t> states) {
  if (inputs.size() != 1 + states.size())
    FailLayer(layer, "{} inputs given, expected {}", inputs.size(),
              states.empty() ? "1" : fmt::format("{} (x and its states)", 1 + states.size()));
  const Layout& x = graph.layout(inputs[0]);
  if (x.format() != "TC")
    FailLayer(layer, "input is {}, expected rows of sequences, TC [rows,channels]", x.ToString());
  for (size_t i = 0; i < states.size(); ++i) {
    const Layout& state = graph.layout(inputs[i + 1]);
    if (state.format() != "BC" || state.channels() != states[i])
      FailLayer(layer, "state is {}, expected BC [1,{}]", state.ToString(), states[i]);
  }
  return x;
}

// Adds the three arrays that all recurrent layers have, for `gates` numbers of a direction.
template <class Options>
void AddRecurrentParameters(const Options& o, Graph& graph, int64_t in, int64_t outputs,
                            int64_t gates, int64_t directions, std::vector<Value>& reads) {
  // A direction at a time: each begins as it would alone.
  const auto each = [directions](std::function<void(std::span<float>, Random&)> fill) {
    return [=](std::span<float> values, Random& random) {
      const size_t size = values.size() / static_cast<size_t>(directions);
      for (size_t d = 0; d < static_cast<size_t>(directions); ++d)
        fill(values.subspan(d * size, size), random);
    };
  };
  reads.push_back(graph.AddParameter({"input_weights",
                                      {directions * gates, in},
                                      each(MakeInitializer(o.input_weights_initializer, in, gates)),
                                      true,
                                      o.input_weights_learn_rate_factor,
                                      o.input_weights_l2_factor}));
  reads.push_back(
      graph.AddParameter({"recurrent_weights",
                          {directions * gates, outputs},
                          each(MakeInitializer(o.recurrent_weights_initializer, outputs, gates)),
                          true,
                          o.recurrent_weights_learn_rate_factor,
                          o.recurrent_weights_l2_factor}));
  reads.push_back(graph.AddParameter({"bias",
                                      {directions * gates},
                                      each(MakeInitializer(o.bias_initializer, in, gates)),
                                      true,
                                      o.bias_learn_rate_factor,
                                      o.bias_l2_factor}));
}

// What stands in front of the first step, where that is not zeros.
struct InitialState {
  const char* name;
  const std::vector<float>& given;
  int64_t size;
};
template <class Options>
void AddInitialStates(const Layer& layer, const Options& o, Graph& graph,
                      std::initializer_list<InitialState> states, ops::RecurrentSettings& settings,
                      std::vector<Value>& reads) {
  for (const InitialState& state : states)
    if (!state.given.empty() && std::ssize(state.given) != state.size)
      FailLayer(layer, "{} has {} values, expected {} (numbers of all directions)", state.name,
                state.given.size(), state.size);
  const char* what = WhatGivesInitialStates(o);
  if (!what) return;
  if (o.has_state_inputs)
    FailLayer(layer, "{} is given, expected none: has_state_inputs is true", what);
  settings.states = settings.shared_states = true;
  for (const InitialState& state : states)
    reads.push_back(graph.AddParameter({state.name,
                                        {state.size},
                                        [given = state.given](std::span<float> values, Random&) {
                                          std::ranges::fill(values, 0.f);
                                          std::ranges::copy(given, values.begin());
                                        },
                                        o.learn_initial_states,
                                        o.learn_initial_states ? o.bias_learn_rate_factor : 0,
                                        o.learn_initial_states ? o.bias_l2_factor : 0}));
}

template <class Options>
std::string DescribeRecurrent(const Options& o) {
  std::string text = fmt::format("{} hidden units", o.num_hidden_units);
  if (o.direction != SequenceDirection::kForward) text += fmt::format(", {}", NameOf(o.direction));
  if (o.output_mode == OutputMode::kLast) text += ", last step";
  if (HasInitialStates(o))
    text += fmt::format(", initial states {}", o.learn_initial_states ? "learned" : "given");
  if (o.gate_activation_function != GateActivation::kSigmoid)
    text += fmt::format(", {} gates", NameOf(o.gate_activation_function));
  if (o.state_activation_function != StateActivation::kTanh)
    text += fmt::format(", {} state", NameOf(o.state_activation_function));
  return text;
}

}  // namespace

LstmLayer::LstmLayer(const LstmOptions& options) : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> LstmLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  ops::RecurrentSettings settings = SettingsOf(options_);
  const int64_t hidden = options_.num_hidden_units, directions = settings.directions();
  const bool projects = settings.projects = options_.output_projection > 0;
  const int64_t outputs = projects ? options_.output_projection : hidden;
  const int64_t widths[] = {directions * outputs, directions * hidden};
  const Layout& x =
      CheckRecurrentInputs(*this, graph, inputs, std::span(widths, settings.states ? 2 : 0));
  const int64_t in = x.channels();  // the graph grows
  std::vector<Value> reads(inputs.begin(), inputs.end());
  AddInitialStates(*this, options_, graph,
                   {{"hidden_state", options_.hidden_state, widths[0]},
                    {"cell_state", options_.cell_state, widths[1]}},
                   settings, reads);
  AddRecurrentParameters(options_, graph, in, outputs, 4 * hidden, directions, reads);
  if (projects)
    reads.push_back(
        graph.AddParameter({"projection",
                            {directions * outputs, hidden},
                            MakeInitializer(options_.input_weights_initializer, hidden, outputs),
                            true,
                            options_.recurrent_weights_learn_rate_factor,
                            options_.recurrent_weights_l2_factor}));
  settings.normalizes = options_.gate_normalization == GateNormalization::kLayer;
  if (settings.normalizes) reads = Normalized(graph, std::move(reads), settings);
  return graph.AddNode(ops::Recurrent(settings), std::move(reads));
}

// From what an LSTM reads to what one that normalizes does: what x adds to the gates is computed of
// all rows at once, and normalized with the bias as its offset.
std::vector<Value> LstmLayer::Normalized(Graph& graph, std::vector<Value> reads,
                                         const ops::RecurrentSettings& settings) const {
  // Each direction's gates are a group.
  static constexpr NormSpec kOfGates{"gates", kC, kG | kC};
  const int64_t directions = settings.directions(), hidden = options_.num_hidden_units;
  const auto parameter = [&](const char* name, int64_t size, Initializer::Kind begin,
                             double l2_factor) {
    return graph.AddParameter({name,
                               {directions * size},
                               MakeInitializer(begin, size, size),
                               true,
                               options_.bias_learn_rate_factor,
                               l2_factor});
  };
  const auto scale = [&](const char* name, int64_t size) {
    return parameter(name, size, Initializer::kOnes, options_.input_weights_l2_factor);
  };
  const size_t input = settings.states ? 3 : 1, bias = input + 2;
  const Value product = graph.AddNode(ops::MatrixProduct(), {reads[0], reads[input]})[0];
  ops::NormalizationSettings norm{.spec = &kOfGates};
  norm.options.epsilon = recurrent::kNormEpsilon;
  norm.options.num_groups = directions;
  norm.options.name = Title(*this);
  reads[0] = graph.AddNode(ops::MakeNormalization(norm),
                           {product, scale("input_scale", 4 * hidden), reads[bias]})[0];
  reads.erase(reads.begin() + static_cast<std::ptrdiff_t>(bias));
  reads.erase(reads.begin() + static_cast<std::ptrdiff_t>(input));
  reads.push_back(scale("recurrent_scale", 4 * hidden));
  reads.push_back(scale("cell_scale", hidden));
  reads.push_back(parameter("cell_offset", hidden, Initializer::kZeros, options_.bias_l2_factor));
  return reads;
}

std::string LstmLayer::Description() const {
  std::string text = DescribeRecurrent(options_);
  if (options_.output_projection > 0)
    text += fmt::format(", projected to {}", options_.output_projection);
  if (options_.gate_normalization != GateNormalization::kNone)
    text += fmt::format(", {} normalization inside", NameOf(options_.gate_normalization));
  return text;
}

GruLayer::GruLayer(const GruOptions& options) : Layer(options.name), options_(options) {
  CheckProperties(*this, options);
}

std::vector<Value> GruLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  ops::RecurrentSettings settings = SettingsOf(options_);
  settings.cell = recurrent::CellKind::kGru;
  settings.resets_before = options_.reset_gate_mode == ResetGateMode::kBeforeMultiplication;
  settings.recurrent_bias =
      options_.reset_gate_mode == ResetGateMode::kRecurrentBiasAfterMultiplication;
  const int64_t hidden = options_.num_hidden_units, directions = settings.directions();
  const int64_t widths[] = {directions * hidden};
  const Layout& x =
      CheckRecurrentInputs(*this, graph, inputs, std::span(widths, settings.states ? 1 : 0));
  const int64_t in = x.channels();
  std::vector<Value> reads(inputs.begin(), inputs.end());
  AddInitialStates(*this, options_, graph, {{"hidden_state", options_.hidden_state, widths[0]}},
                   settings, reads);
  AddRecurrentParameters(options_, graph, in, hidden, 3 * hidden, directions, reads);
  if (settings.recurrent_bias)
    reads.push_back(graph.AddParameter({"recurrent_bias",
                                        {directions * 3 * hidden},
                                        MakeInitializer(options_.bias_initializer, in, 3 * hidden),
                                        true,
                                        options_.bias_learn_rate_factor,
                                        options_.bias_l2_factor}));
  return graph.AddNode(ops::Recurrent(settings), std::move(reads));
}

std::string GruLayer::Description() const {
  std::string text = DescribeRecurrent(options_);
  if (options_.reset_gate_mode != ResetGateMode::kAfterMultiplication)
    text += fmt::format(", reset {}", NameOf(options_.reset_gate_mode));
  return text;
}

LayerPtr Gru(const GruOptions& options) { return std::make_shared<GruLayer>(options); }
LayerPtr Lstm(const LstmOptions& options) { return std::make_shared<LstmLayer>(options); }

}  // namespace normkit
