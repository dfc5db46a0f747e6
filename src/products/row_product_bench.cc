// Products of rows with packed weights, and packing them: GFLOP/s. The last sizes are a step of
// LSTMs.
#include <benchmark/benchmark.h>

#include <vector>

#include "normkit/core/tensor.h"
#include "normkit/core/threads.h"
#include "src/products/row_product.h"

namespace normkit::products {
namespace {

void BM_RowProduct(benchmark::State& state) {
  const int64_t rows = state.range(0), in = state.range(1), out = state.range(2);
  const Layout layout({{kC, static_cast<int64_t>(PackedSize(out, in))}});
  Tensor packed(layout), x(Layout({{kC, rows * in}})), y(Layout({{kC, rows * out}}));
  const std::vector<float> w(static_cast<size_t>(in * out), 0.5f);
  SetNumThreads(1);
  float* to = packed.values<float>().data();
  PackWeights(w.data(), WeightOrder::Of(out, in), to);
  const RowProduct product{to, out, in};
  for (auto _ : state) {
    if (rows == 0)
      PackWeights(w.data(), WeightOrder::Of(out, in), to);
    else
      product.RunAll(x.values<float>().data(), in, y.values<float>().data(), out, rows);
    benchmark::ClobberMemory();
  }
  SetNumThreads(0);
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(rows * in * out * state.iterations()),
                         benchmark::Counter::kIsRate);
}
BENCHMARK(BM_RowProduct)
    ->Args({0, 128, 512})
    ->Args({3200, 64, 400})
    ->Args({32, 100, 400})
    ->Args({16, 256, 1024})
    ->Args({16, 1024, 256})
    ->Args({1, 128, 512})
    ->Args({1, 512, 128});

}  // namespace
}  // namespace normkit::products
