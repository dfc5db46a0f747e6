// The gradient of weights [outputs, inputs], summed by the tree, beside oneDNN's one product of the
// whole mini-batch, and y in blocks of rows beside it. Run with --benchmark_repetitions=9 and read
// the min.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "normkit/core/random.h"
#include "src/onednn/engine.h"
#include "src/onednn/inner_product.h"

namespace normkit {
namespace {

constexpr InnerProductShape kSizes[] = {  // without the batch
    {0, 784, 100},
    {0, 100, 100},
    {0, 100, 10},
    {0, 3072, 100},
    {0, 1024, 1024}};

enum What { kWeights, kPlainWeights, kForward, kPlainForward };

std::vector<float> Normal(int64_t size, uint64_t stream) {
  Random random(1, stream);
  std::vector<float> values(static_cast<size_t>(size));
  for (float& value : values) value = static_cast<float>(random.Normal());
  return values;
}

void BM_InnerProduct(benchmark::State& state) {
  InnerProductShape s = kSizes[state.range(0)];
  s.batch = state.range(1);
  const auto what = static_cast<What>(state.range(2));
  const int64_t in = s.inputs, out = s.outputs;
  const auto x = Normal(s.batch * in, 1), weights = Normal(out * in, 2),
             dy = Normal(s.batch * out, 3);
  std::vector<float> y(dy.size()), dweights(weights.size());
  SetNumThreads(1);
  const InnerProduct product(s);
  OneDnnCall call;
  const OneThread one_thread;
  for (auto _ : state) {
    if (what == kWeights)
      product.BackwardWeights(x.data(), dy.data(), nullptr, dweights.data(), nullptr);
    if (what == kPlainWeights)
      call.Note(dnnl_sgemm('T', 'N', out, in, s.batch, 1, dy.data(), out, x.data(), in, 0,
                           dweights.data(), in));
    if (what == kForward) product.Forward(x.data(), weights.data(), nullptr, y.data());
    if (what == kPlainForward)
      call.Note(dnnl_sgemm('N', 'T', s.batch, out, in, 1, x.data(), in, weights.data(), in, 0,
                           y.data(), out));
  }
  SetNumThreads(0);
  call.Check("matrix product");
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(s.batch * in * out * state.iterations()),
                         benchmark::Counter::kIsRate);
}

double Least(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

BENCHMARK(BM_InnerProduct)
    ->ArgsProduct({{0, 1, 2, 3, 4},
                   {8, 16, 32, 64, 128, 256, 512, 1024},
                   {kWeights, kPlainWeights, kForward, kPlainForward}})
    ->ArgNames({"size", "batch", "what"})
    ->Unit(benchmark::kMicrosecond)
    ->ComputeStatistics("min", Least);

}  // namespace
}  // namespace normkit
