// A training step (forward, loss, backward) of resnet-tiny, and a prediction; `perf record` on the
// former says what it is made of.
#include <benchmark/benchmark.h>

#include <vector>

#include "normkit/core/threads.h"
#include "normkit/graph/executor.h"
#include "normkit/nn/loss.h"
#include "normkit/nn/networks.h"

namespace normkit {
namespace {

void BM_Step(benchmark::State& state, const char* norm) {
  const int64_t batch_size = state.range(0);
  const Graph graph = MakeNetwork(
      "resnet-tiny", {.input_size = {28, 28, 1}, .num_classes = 10, .norm = ParseNormChoice(norm)});
  Parameters parameters(graph), gradients(graph);
  parameters.Initialize(graph, 1);
  Executor executor(graph, batch_size, true);
  Random random(1);
  for (float& x : executor.input()) x = static_cast<float>(random.Normal());
  const std::vector<int64_t> labels(static_cast<size_t>(batch_size), 3);
  std::vector<float> dlogits(static_cast<size_t>(batch_size) * 10);
  const Value logits = graph.layers().back().inputs[0];
  const RunContext mode{.training = true};
  for (auto _ : state) {
    executor.Forward(parameters, mode);
    CrossEntropyLoss(executor.value(logits), labels, 10, dlogits);
    executor.Backward(parameters, dlogits, logits, mode, gradients);
  }
  state.counters["images/s"] = benchmark::Counter(
      static_cast<double>(state.iterations() * batch_size), benchmark::Counter::kIsRate);
  state.counters["arena MB"] = static_cast<double>(executor.arena_bytes()) / 1e6;
}

// What a prediction takes: a single image cannot be cut into observations.
void BM_Predict(benchmark::State& state) {
  const Graph graph = MakeNetwork("resnet-tiny", {.input_size = {32, 32, 3}, .num_classes = 10});
  Parameters parameters(graph);
  parameters.Initialize(graph, 1);
  Executor executor(graph, state.range(0), false);
  SetNumThreads(static_cast<int>(state.range(1)));
  for (auto _ : state) executor.Forward(parameters, {});
  SetNumThreads(0);
}
BENCHMARK(BM_Predict)
    ->ArgsProduct({{1, 2, 4, 8}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

BENCHMARK_CAPTURE(BM_Step, none, "none")->Arg(64)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Step, batch, "batch")->Arg(64)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Step, group8, "group:8")
    ->Arg(64)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace normkit
