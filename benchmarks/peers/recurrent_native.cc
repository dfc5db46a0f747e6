// Recurrent layers, self-attention and blocks of transformers of normkit, in a process of its own:
// reads a number of seconds from each line of its input, measures for so long, and prints
// milliseconds as JSON, forward passes and training passes (forward and backward to the
// parameters).
//   recurrent_native LAYER LENGTHS CHANNELS HIDDEN THREADS     (lengths: "50,50,49")
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "normkit/core/threads.h"
#include "normkit/graph/executor.h"
#include "normkit/nn/layers.h"

using namespace normkit;

namespace {

// As transformer-tiny has them: norms in front of self-attention and of two fully connected layers
// with a GELU between them, and what came in added behind.
void AddTransformerBlock(Graph& graph, int64_t width) {
  const auto norm = [&](Value x) {
    return graph.Add(LayerNormalization({.operation_dimension = OperationDimension::kAuto}), {x});
  };
  const Value x = graph.output();
  Value y = graph.Add(SelfAttention({.num_heads = 4, .num_key_channels = width}), {norm(x)});
  const Value z = graph.Add(Addition(), {x, y});
  y = graph.Add(FullyConnected({.output_size = 2 * width}), {norm(z)});
  y = graph.Add(FullyConnected({.output_size = width}), {graph.Add(Gelu(), {y})});
  graph.Add(Addition(), {z, y});
}

using Clock = std::chrono::steady_clock;

template <class F>
std::string TimesOf(double seconds, const F& run) {
  std::string text = "[";
  const auto begin = Clock::now();
  for (int i = 0; i < 5 || Clock::now() - begin < std::chrono::duration<double>(seconds); ++i) {
    const auto start = Clock::now();
    run();
    const std::chrono::duration<double, std::milli> time = Clock::now() - start;
    text += (i ? ", " : "") + std::to_string(time.count());
  }
  return text + "]";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const std::string layer = argv[1];
  std::vector<int64_t> offsets{0};
  std::stringstream lengths(argv[2]);
  for (std::string length; std::getline(lengths, length, ',');)
    offsets.push_back(offsets.back() + std::atoll(length.c_str()));
  // As wide as their input.
  const bool attention = layer == "attention", transformer = layer == "transformer";
  const int64_t hidden = std::atoll(argv[4]),
                channels = attention || transformer ? hidden : std::atoll(argv[3]);
  SetNumThreads(std::atoi(argv[5]));

  Graph graph;
  graph.Add(SequenceInput({.num_features = channels}));
  if (layer == "gru")  // as PyTorch's, with a second bias
    graph.Add(Gru({.num_hidden_units = hidden,
                   .reset_gate_mode = ResetGateMode::kRecurrentBiasAfterMultiplication}));
  else if (attention)
    graph.Add(SelfAttention({.num_heads = 4, .num_key_channels = hidden}));
  else if (transformer)
    AddTransformerBlock(graph, hidden);
  else
    graph.Add(Lstm({.num_hidden_units = hidden,
                    .gate_normalization =
                        layer == "lstm" ? GateNormalization::kNone : GateNormalization::kLayer}));
  Parameters parameters(graph), gradients(graph);
  parameters.Initialize(graph, 1);
  const BatchPart batch{.whole = static_cast<int64_t>(offsets.size()) - 1};
  Executor predicting(graph), training(graph, {.training = true});
  Random random(1, 1);
  for (Executor* executor : {&predicting, &training}) {
    executor->SetBatch(batch, offsets);
    for (float& value : executor->input()) value = static_cast<float>(random.Normal());
  }
  std::vector<float> dy(static_cast<size_t>(offsets.back() * hidden));
  for (float& value : dy) value = static_cast<float>(random.Normal());
  const RunContext run{.training = true};
  const auto train = [&] {
    training.Forward(parameters, run);
    training.Backward(parameters, dy, graph.output(), run, gradients);
  };
  std::string line;
  while (std::getline(std::cin, line)) {
    const double seconds = std::atof(line.c_str()) / 2;
    const std::string forward = TimesOf(seconds, [&] { predicting.Forward(parameters, {}); });
    std::printf("{\"forward\": %s, \"training\": %s}\n", forward.c_str(),
                TimesOf(seconds, train).c_str());
    std::fflush(stdout);
  }
}
