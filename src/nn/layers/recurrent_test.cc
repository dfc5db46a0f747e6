// Recurrent layers beside their formulas, and sequences of a mini-batch beside each alone.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/graph/executor.h"
#include "normkit/nn/layers.h"
#include "src/core/testing.h"
#include "src/graph/plan.h"

namespace normkit {
namespace {

using Numbers = std::vector<float>;
using Offsets = std::vector<int64_t>;

constexpr int64_t kChannels = 5;

Numbers NormalNumbersOf(int64_t size, uint64_t stream) {
  Random random(3, stream);
  Numbers values(static_cast<size_t>(size));
  for (float& value : values) value = static_cast<float>(0.7 * random.Normal());
  return values;
}

// What a layer gives for packed rows and, for dy, what comes back. Parameters are normal numbers.
struct RecurrentPass {
  std::vector<Numbers> outputs, gradients;  // of x (and states), then parameters
};

RecurrentPass RunRecurrent(const std::function<LayerPtr()>& make, const Offsets& offsets,
                           const Numbers& x, const Numbers& dy,
                           const std::vector<Numbers>& states = {}, bool training = true) {
  Graph graph;
  const int64_t B = std::ssize(offsets) - 1;
  std::vector<Value> values{
      graph.AddInput({DType::kF32, Layout({{kT, offsets.back()}, {kC, kChannels}})})};
  for (const Numbers& state : states)
    values.push_back(graph.AddInput({DType::kF32, Layout({{kB, B}, {kC, std::ssize(state) / B}})}));
  graph.Add(make(), values);
  std::vector<Layout> layouts;
  for (const Value input : graph.inputs()) layouts.push_back(graph.layout(input));
  const Graph::Types types = graph.Infer(layouts, B);
  const Node& node = graph.nodes().back();
  const BatchPart part{.whole = B};
  const TimeCut time(part, offsets);
  std::vector<OpInput> inputs;
  for (const Value value : node.inputs) inputs.push_back(types[value]);
  const auto kernel = node.op->Prepare(inputs, {training, part, &time.time()});

  std::vector<Numbers> arrays{x};
  arrays.insert(arrays.end(), states.begin(), states.end());
  for (size_t i = arrays.size(); i < inputs.size(); ++i)
    arrays.push_back(NormalNumbersOf(inputs[i].type.shape.size(), i - states.size()));
  RecurrentPass pass;
  for (const Value value : node.outputs)
    pass.outputs.emplace_back(static_cast<size_t>(types[value].type.shape.size()), NAN);
  for (const Numbers& array : arrays) pass.gradients.emplace_back(array.size(), NAN);
  const auto memory = [](size_t bytes) {
    return Tensor(Layout({{kC, static_cast<int64_t>(bytes / 4 + 1)}}));
  };
  Tensor saved = memory(training ? kernel->saved_bytes() : 0),
         scratch =
             memory(std::max(kernel->forward_scratch_bytes(), kernel->backward_scratch_bytes()));
  const auto bytes = [](Tensor& tensor) { return static_cast<std::byte*>(tensor.data()); };
  std::vector<const void*> reads, gives;
  std::vector<void*> writes;
  for (Numbers& array : arrays) reads.push_back(array.data());
  for (Numbers& output : pass.outputs)
    writes.push_back(output.data()), gives.push_back(output.data());
  const RunContext run{.training = training};
  ForwardContext forward{run, 0, reads, writes, training ? bytes(saved) : nullptr, bytes(scratch)};
  kernel->Forward(forward);
  if (!training) return pass;
  std::vector<const float*> dys(pass.outputs.size());
  dys[0] = dy.data();
  std::vector<float*> dxs;
  for (Numbers& gradient : pass.gradients) dxs.push_back(gradient.data());
  const auto add = std::make_unique<bool[]>(arrays.size());
  kernel->Backward(
      {run, reads, gives, dys, dxs, {add.get(), arrays.size()}, bytes(saved), bytes(scratch)});
  return pass;
}

// ---- The formula, number by number, in f64 ------------------------------------------------------

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// One sequence in the order in which its rows are read; w as RunRecurrent has them.
std::vector<double> NaiveLstm(const std::vector<Numbers>& w, int64_t hidden, const Numbers& x,
                              const std::vector<int64_t>& rows) {
  const auto h_size = static_cast<size_t>(hidden);
  std::vector<double> h(h_size), c(h_size), all;
  for (const int64_t row : rows) {
    std::vector<double> gates(4 * h_size);
    for (size_t g = 0; g < gates.size(); ++g) {
      gates[g] = w[2][g];
      for (size_t k = 0; k < kChannels; ++k)
        gates[g] += static_cast<double>(w[0][g * kChannels + k]) *
                    x[static_cast<size_t>(row) * kChannels + k];
      for (size_t k = 0; k < h_size; ++k) gates[g] += w[1][g * h_size + k] * h[k];
    }
    for (size_t k = 0; k < h_size; ++k) {
      c[k] =
          Sigmoid(gates[h_size + k]) * c[k] + Sigmoid(gates[k]) * std::tanh(gates[2 * h_size + k]);
      h[k] = Sigmoid(gates[3 * h_size + k]) * std::tanh(c[k]);
    }
    all.insert(all.end(), h.begin(), h.end());
  }
  return all;
}

const Offsets kUneven{0, 4, 5, 25, 32, 33, 40, 41, 42, 43, 50, 60, 63, 64, 65, 70, 90, 91, 93};

TEST(Recurrent, LstmIsItsFormula) {
  const int64_t hidden = 19, rows = kUneven.back();
  const Numbers x = NormalNumbersOf(rows * kChannels, 9);
  const auto y =
      RunRecurrent([&] { return Lstm({.num_hidden_units = hidden}); }, kUneven, x, {}, {}, false)
          .outputs[0];
  const std::vector<Numbers> w{NormalNumbersOf(4 * hidden * kChannels, 1),
                               NormalNumbersOf(4 * hidden * hidden, 2),
                               NormalNumbersOf(4 * hidden, 3)};
  for (size_t b = 0; b + 1 < kUneven.size(); ++b) {
    std::vector<int64_t> of(static_cast<size_t>(kUneven[b + 1] - kUneven[b]));
    std::iota(of.begin(), of.end(), kUneven[b]);
    const std::vector<double> expected = NaiveLstm(w, hidden, x, of);
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(y[static_cast<size_t>(kUneven[b] * hidden) + i], expected[i], 4e-6)
          << b << " " << i;
  }
}

// The second bias, w[3], is zeros where a GRU has none.
std::vector<double> NaiveGru(const std::vector<Numbers>& w, int64_t hidden, bool before,
                             const Numbers& x, const std::vector<int64_t>& rows) {
  const auto n = static_cast<size_t>(hidden);
  std::vector<double> h(n), all;
  for (const int64_t row : rows) {
    const auto product = [&](size_t g, const Numbers& weights, size_t size, const auto& at) {
      double sum = 0;
      for (size_t k = 0; k < size; ++k)
        sum += static_cast<double>(weights[g * size + k]) * static_cast<double>(at(k));
      return sum;
    };
    const auto of_x = [&](size_t g) {
      return w[2][g] + product(g, w[0], kChannels, [&](size_t k) {
               return x[static_cast<size_t>(row) * kChannels + k];
             });
    };
    const auto of_h = [&](size_t g, const auto& at) { return w[3][g] + product(g, w[1], n, at); };
    const auto plain = [&](size_t k) { return h[k]; };
    std::vector<double> r(n), z(n), next(n);
    for (size_t k = 0; k < n; ++k) r[k] = Sigmoid(of_x(k) + of_h(k, plain));
    for (size_t k = 0; k < n; ++k) z[k] = Sigmoid(of_x(n + k) + of_h(n + k, plain));
    for (size_t k = 0; k < n; ++k) {
      const double of_state = before ? of_h(2 * n + k, [&](size_t i) { return r[i] * h[i]; })
                                     : r[k] * of_h(2 * n + k, plain);
      next[k] = (1 - z[k]) * std::tanh(of_x(2 * n + k) + of_state) + z[k] * h[k];
    }
    h = next;
    all.insert(all.end(), h.begin(), h.end());
  }
  return all;
}

TEST(Recurrent, GruIsItsFormula) {
  const int64_t hidden = 19, rows = kUneven.back();
  const Numbers x = NormalNumbersOf(rows * kChannels, 9);
  for (const auto mode : {ResetGateMode::kAfterMultiplication, ResetGateMode::kBeforeMultiplication,
                          ResetGateMode::kRecurrentBiasAfterMultiplication}) {
    const auto make = [=] { return Gru({.num_hidden_units = hidden, .reset_gate_mode = mode}); };
    const auto y = RunRecurrent(make, kUneven, x, {}, {}, false).outputs[0];
    std::vector<Numbers> w{NormalNumbersOf(3 * hidden * kChannels, 1),
                           NormalNumbersOf(3 * hidden * hidden, 2), NormalNumbersOf(3 * hidden, 3),
                           NormalNumbersOf(3 * hidden, 4)};
    if (mode != ResetGateMode::kRecurrentBiasAfterMultiplication)
      w[3].assign(static_cast<size_t>(3 * hidden), 0);
    for (size_t b = 0; b + 1 < kUneven.size(); ++b) {
      std::vector<int64_t> of(static_cast<size_t>(kUneven[b + 1] - kUneven[b]));
      std::iota(of.begin(), of.end(), kUneven[b]);
      const std::vector<double> expected =
          NaiveGru(w, hidden, mode == ResetGateMode::kBeforeMultiplication, x, of);
      for (size_t i = 0; i < expected.size(); ++i)
        ASSERT_NEAR(y[static_cast<size_t>(kUneven[b] * hidden) + i], expected[i], 4e-6)
            << b << " " << i;
    }
  }
}

// ---- Alone, in parts, on threads ----------------------------------------------------------------

struct NamedLayerMaker {
  const char* name;
  std::function<LayerPtr()> make;
};

const NamedLayerMaker kMakers[] = {
    {"lstm", [] { return Lstm({.num_hidden_units = 19}); }},
    {"last", [] { return Lstm({.num_hidden_units = 50, .output_mode = OutputMode::kLast}); }},
    {"both",
     [] { return Lstm({.num_hidden_units = 33, .direction = SequenceDirection::kBidirectional}); }},
    {"gru", [] { return Gru({.num_hidden_units = 19}); }},
    {"gru_before",
     [] {
       return Gru({.num_hidden_units = 50,
                   .output_mode = OutputMode::kLast,
                   .direction = SequenceDirection::kBidirectional,
                   .reset_gate_mode = ResetGateMode::kBeforeMultiplication});
     }},
    {"gru_bias",
     [] {
       return Gru({.num_hidden_units = 7,
                   .direction = SequenceDirection::kReverse,
                   .reset_gate_mode = ResetGateMode::kRecurrentBiasAfterMultiplication});
     }},
    {"learned",
     [] {
       return Lstm({.num_hidden_units = 19,
                    .direction = SequenceDirection::kBidirectional,
                    .learn_initial_states = true});
     }},
    {"gru_learned",
     [] {
       return Gru({.num_hidden_units = 19,
                   .output_mode = OutputMode::kLast,
                   .direction = SequenceDirection::kReverse,
                   .learn_initial_states = true});
     }},
    {"projected", [] {
       return Lstm({.num_hidden_units = 19,
                    .output_mode = OutputMode::kLast,
                    .direction = SequenceDirection::kReverse,
                    .output_projection = 7});
     }}};

Numbers Part(const Numbers& of, int64_t begin, int64_t end, int64_t parts) {
  const int64_t width = std::ssize(of) / parts;
  return {of.begin() + begin * width, of.begin() + end * width};
}

class RecurrentLayers : public testing::TestWithParam<NamedLayerMaker> {};

// Forward and the gradient of x: the bits that a sequence gets alone; training or not.
TEST_P(RecurrentLayers, ASequenceGetsWhatItGetsAlone) {
  const int64_t rows = kUneven.back(), B = std::ssize(kUneven) - 1;
  const Numbers x = NormalNumbersOf(rows * kChannels, 9),
                plain = RunRecurrent(GetParam().make, kUneven, x, {}, {}, false).outputs[0];
  const Numbers dy = NormalNumbersOf(std::ssize(plain), 10);
  const RecurrentPass all = RunRecurrent(GetParam().make, kUneven, x, dy);
  EXPECT_TRUE(all.outputs[0] == plain);
  const bool last = std::ssize(plain) % rows != 0 || std::ssize(plain) / rows < 2;
  for (int64_t b = 0; b < B; ++b) {
    const int64_t begin = kUneven[static_cast<size_t>(b)],
                  end = kUneven[static_cast<size_t>(b) + 1];
    const auto of_y = [&](const Numbers& y) {
      return last ? Part(y, b, b + 1, B) : Part(y, begin, end, rows);
    };
    const RecurrentPass alone =
        RunRecurrent(GetParam().make, {0, end - begin}, Part(x, begin, end, rows), of_y(dy));
    EXPECT_TRUE(alone.outputs[0] == of_y(plain)) << b;
    EXPECT_TRUE(alone.gradients[0] == Part(all.gradients[0], begin, end, rows)) << b;
  }
}

// A layer of several operations, through an executor.
TEST(Recurrent, ASequenceOfALayerNormalizedLstmGetsWhatItGetsAlone) {
  for (const OutputMode mode : {OutputMode::kSequence, OutputMode::kLast}) {
    Graph graph;
    graph.Add(SequenceInput({.num_features = kChannels}));
    graph.Add(Lstm({.num_hidden_units = 19,
                    .output_mode = mode,
                    .direction = SequenceDirection::kBidirectional,
                    .gate_normalization = GateNormalization::kLayer}));
    Parameters parameters(graph);
    parameters.Initialize(graph, 1);
    const Numbers x = NormalNumbersOf(kUneven.back() * kChannels, 9);
    Executor executor(graph);
    const auto run = [&](const Offsets& offsets, const Numbers& rows) {
      executor.SetBatch({.whole = std::ssize(offsets) - 1}, offsets);
      std::ranges::copy(rows, executor.input().begin());
      const std::span<const float> y = executor.Forward(parameters, {});
      return Numbers(y.begin(), y.end());
    };
    const Numbers all = run(kUneven, x);
    const int64_t B = std::ssize(kUneven) - 1, rows = kUneven.back();
    for (int64_t b = 0; b < B; ++b) {
      const int64_t begin = kUneven[static_cast<size_t>(b)],
                    end = kUneven[static_cast<size_t>(b) + 1];
      const Numbers own =
          mode == OutputMode::kLast ? Part(all, b, b + 1, B) : Part(all, begin, end, rows);
      EXPECT_TRUE(run({0, end - begin}, Part(x, begin, end, rows)) == own) << b;
    }
  }
}

TEST_P(RecurrentLayers, SameBytesForAnyNumberOfThreads) {
  const int64_t rows = kUneven.back();
  const Numbers x = NormalNumbersOf(rows * kChannels, 9);
  const auto run = [&](int threads) {
    SetNumThreads(threads);
    const Numbers dy = NormalNumbersOf(rows * 200, 10);
    return RunRecurrent(GetParam().make, kUneven, x, dy);
  };
  const RecurrentPass one = run(1);
  for (const int threads : {2, 3, 8}) {
    const RecurrentPass other = run(threads);
    EXPECT_TRUE(other.outputs == one.outputs) << threads;
    EXPECT_TRUE(other.gradients == one.gradients) << threads;
  }
  SetNumThreads(0);
}

INSTANTIATE_TEST_SUITE_P(All, RecurrentLayers, testing::ValuesIn(kMakers),
                         [](const auto& test) { return test.param.name; });

// One step after the other, each from the states behind the one before: the bits of the whole.
TEST(Recurrent, LstmStepByStepIsTheWhole) {
  const int64_t hidden = 19, steps = 30;
  for (const int64_t projection : {0, 6}) {
    const auto make = [=](bool states) {
      return [=] {
        return Lstm({.num_hidden_units = hidden,
                     .has_state_inputs = states,
                     .has_state_outputs = true,
                     .output_projection = projection});
      };
    };
    const int64_t width = projection ? projection : hidden;
    const Numbers x = NormalNumbersOf(steps * kChannels, 9);
    const RecurrentPass whole = RunRecurrent(make(false), {0, steps}, x, {}, {}, false);
    std::vector<Numbers> states{Numbers(static_cast<size_t>(width)),
                                Numbers(static_cast<size_t>(hidden))};
    for (int64_t t = 0; t < steps; ++t) {
      const RecurrentPass step =
          RunRecurrent(make(true), {0, 1}, Part(x, t, t + 1, steps), {}, states, false);
      EXPECT_TRUE(step.outputs[0] == Part(whole.outputs[0], t, t + 1, steps)) << t;
      states = {step.outputs[1], step.outputs[2]};
    }
    EXPECT_TRUE(states[0] == whole.outputs[1] && states[1] == whole.outputs[2]);
  }
}

TEST(Recurrent, GruStepByStepIsTheWhole) {
  const int64_t hidden = 19, steps = 30;
  for (const auto mode :
       {ResetGateMode::kAfterMultiplication, ResetGateMode::kBeforeMultiplication}) {
    const auto make = [=](bool states) {
      return [=] {
        return Gru({.num_hidden_units = hidden,
                    .reset_gate_mode = mode,
                    .has_state_inputs = states,
                    .has_state_outputs = true});
      };
    };
    const Numbers x = NormalNumbersOf(steps * kChannels, 9);
    const RecurrentPass whole = RunRecurrent(make(false), {0, steps}, x, {}, {}, false);
    Numbers state(static_cast<size_t>(hidden));
    for (int64_t t = 0; t < steps; ++t) {
      const RecurrentPass step =
          RunRecurrent(make(true), {0, 1}, Part(x, t, t + 1, steps), {}, {state}, false);
      EXPECT_TRUE(step.outputs[0] == Part(whole.outputs[0], t, t + 1, steps)) << t;
      state = step.outputs[1];
    }
    EXPECT_TRUE(state == whole.outputs[1]);
  }
}

// The first step of a layer with hidden_state and cell_state is one from states that are read.
template <class Options>
void ExpectBeginsFrom(LayerPtr (*make)(const Options&), Options options,
                      const std::vector<Numbers>& states) {
  const auto run = [&](const Graph& graph, const Parameters& parameters, bool reads) {
    Executor executor(graph);
    executor.SetBatch({.whole = 2}, Offsets{0, 3, 4});
    const Numbers x = NormalNumbersOf(4 * kChannels, 9);
    std::ranges::copy(x, executor.input().begin());
    for (size_t i = 0; i < states.size() && reads; ++i) {
      auto* of = static_cast<float*>(executor.input(i + 1).data);
      for (int b = 0; b < 2; ++b) of = std::ranges::copy(states[i], of).out;
    }
    const std::span<const float> y = executor.Forward(parameters, {});
    return Numbers(y.begin(), y.end());
  };
  Graph begun, reading;
  begun.Add(SequenceInput({.num_features = kChannels}));
  begun.Add(make(options));
  Parameters own(begun);
  own.Initialize(begun, 1);
  if constexpr (requires { options.cell_state; }) options.cell_state = {};
  options.hidden_state = {};
  options.has_state_inputs = true;
  std::vector<Value> reads{reading.AddInput({DType::kF32, Layout({{kT, 1}, {kC, kChannels}})})};
  for (const Numbers& state : states)
    reads.push_back(reading.AddInput({DType::kF32, Layout({{kB, 1}, {kC, std::ssize(state)}})}));
  reading.Add(make(options), reads);
  Parameters same(reading);
  std::ranges::copy(own.values().last(same.values().size()), same.values().begin());
  EXPECT_EQ(run(begun, own, false), run(reading, same, true));
}

TEST(Recurrent, StatesThatAreGivenAreThoseInFrontOfTheFirstStep) {
  const Numbers h{1, -2, 0.5f}, c{3, 0, -1};
  ExpectBeginsFrom<LstmOptions>(Lstm, {.num_hidden_units = 3, .hidden_state = h, .cell_state = c},
                                {h, c});
  ExpectBeginsFrom<GruOptions>(Gru, {.num_hidden_units = 3, .hidden_state = h}, {h});
}

TEST(Recurrent, ErrorsOfStatesThatAreGiven) {
  const auto error = [](const LayerPtr& layer) {
    Graph graph;
    graph.Add(SequenceInput({.num_features = kChannels}));
    return ErrorOf([&] { graph.Add(layer); });
  };
  EXPECT_EQ(error(Lstm({.name = "l", .num_hidden_units = 3, .hidden_state = {1, 2}})),
            "LSTM 'l': hidden_state has 2 values, expected 3 (numbers of all directions)");
  EXPECT_EQ(error(Lstm({.name = "l", .num_hidden_units = 3, .cell_state = {1, 2, 3, 4}})),
            "LSTM 'l': cell_state has 4 values, expected 3 (numbers of all directions)");
  EXPECT_EQ(error(Gru({.name = "g",
                       .num_hidden_units = 3,
                       .direction = SequenceDirection::kBidirectional,
                       .hidden_state = {1, 2, 3}})),
            "GRU 'g': hidden_state has 3 values, expected 6 (numbers of all directions)");
  Graph graph;
  const Value x = graph.Add(SequenceInput({.num_features = kChannels})),
              h = graph.AddInput({DType::kF32, Layout({{kB, 1}, {kC, 3}})});
  EXPECT_ERROR(graph.Add(Gru({.name = "g",
                              .num_hidden_units = 3,
                              .has_state_inputs = true,
                              .learn_initial_states = true}),
                         {x, h}),
               "GRU 'g': learn_initial_states is given, expected none: has_state_inputs is true");
  EXPECT_ERROR(graph.Add(Gru({.name = "g",
                              .num_hidden_units = 3,
                              .has_state_inputs = true,
                              .hidden_state = {1, 2, 3}}),
                         {x, h}),
               "GRU 'g': hidden_state is given, expected none: has_state_inputs is true");
}

// The parameter of this name, as it begins.
Numbers BegunAs(const Graph& graph, const std::string& name) {
  Parameters parameters(graph);
  parameters.Initialize(graph, 7);
  const std::span<const float> values = parameters.Get(*parameters.Find(name));
  return {values.begin(), values.end()};
}

TEST(Recurrent, BeginsOrthogonalAndRemembering) {
  constexpr size_t kHidden = 6;
  Graph graph;
  graph.Add(SequenceInput({.num_features = kChannels}));
  graph.Add(Lstm(
      {.name = "l", .num_hidden_units = kHidden, .direction = SequenceDirection::kBidirectional}));
  // [4 hidden, hidden] of each direction: columns of length 1, each at right angles to the others.
  const Numbers recurrent = BegunAs(graph, "l.recurrent_weights");
  ASSERT_EQ(recurrent.size(), 2 * 4 * kHidden * kHidden);
  for (size_t d = 0; d < 2; ++d)
    for (size_t i = 0; i < kHidden; ++i)
      for (size_t k = 0; k < kHidden; ++k) {
        double sum = 0;
        for (size_t row = 0; row < 4 * kHidden; ++row) {
          const float* at = &recurrent[(d * 4 * kHidden + row) * kHidden];
          sum += static_cast<double>(at[i]) * at[k];
        }
        EXPECT_NEAR(sum, i == k ? 1 : 0, 1e-6) << d << " " << i << " " << k;
      }
  // Input gate, forget gate, candidate, output gate.
  const Numbers bias = BegunAs(graph, "l.bias");
  for (size_t i = 0; i < bias.size(); ++i) EXPECT_EQ(bias[i], i / kHidden % 4 == 1 ? 1 : 0) << i;
  // Glorot of [4 hidden, channels]: within sqrt(6 / (channels + 4 hidden)).
  const double most = std::sqrt(6.0 / (kChannels + 4.0 * kHidden));
  for (const float value : BegunAs(graph, "l.input_weights")) EXPECT_LE(std::abs(value), most);
}

TEST(Recurrent, FactorsAreThoseOfItsParameters) {
  Graph graph;
  graph.Add(SequenceInput({.num_features = kChannels}));
  graph.Add(Lstm({.name = "l",
                  .num_hidden_units = 3,
                  .learn_initial_states = true,
                  .output_projection = 2,
                  .input_weights_learn_rate_factor = 2,
                  .recurrent_weights_learn_rate_factor = 3,
                  .bias_learn_rate_factor = 4,
                  .input_weights_l2_factor = 5,
                  .recurrent_weights_l2_factor = 6,
                  .bias_l2_factor = 7}));
  const std::pair<const char*, std::pair<double, double>> expected[] = {
      {"l.hidden_state", {4, 7}},      {"l.cell_state", {4, 7}}, {"l.input_weights", {2, 5}},
      {"l.recurrent_weights", {3, 6}}, {"l.bias", {4, 7}},       {"l.projection", {3, 6}}};
  ASSERT_EQ(graph.parameters().size(), std::size(expected));
  for (size_t i = 0; i < std::size(expected); ++i) {
    const ParameterSpec& spec = graph.parameters()[i].spec;
    EXPECT_EQ(spec.name, expected[i].first);
    EXPECT_EQ(std::pair(spec.learn_rate_factor, spec.l2_factor), expected[i].second) << spec.name;
  }
}

}  // namespace
}  // namespace normkit
