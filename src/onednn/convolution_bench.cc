// What the memory order of activations costs (oneDNN with its own threads), and what cutting the
// batch for the same bits with any number of threads costs against that. Shapes are
// batch x channels x height x width, filters 3x3, as many as channels. Run with
// --benchmark_repetitions=9 and read the min: other programs only ever add time.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "normkit/core/random.h"
#include "normkit/core/tensor.h"
#include "src/onednn/convolution.h"
#include "src/onednn/primitive.h"

namespace normkit {
namespace {

using dnnl::memory;

enum Direction { kForward, kData, kWeights };
enum Order { kChannelsLast, kChannelsFirst, kBlocked };

struct Size {
  int64_t batch, channels, pixels;  // height = width = pixels
};
constexpr Size kSizes[] = {{64, 32, 16}, {64, 64, 16}, {128, 16, 28}, {128, 32, 14}, {32, 64, 56}};

double Flops(const Size& s) {
  return 2.0 * static_cast<double>(s.batch * s.pixels * s.pixels * s.channels * s.channels * 9);
}

void Report(benchmark::State& state, const Size& size) {
  state.counters["GFLOP/s"] = benchmark::Counter(
      Flops(size) / 1e9 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

Tensor Filled(int64_t size) {
  Tensor tensor(Layout({{kC, size}}));
  Random random(1);
  for (float& value : tensor.values<float>()) value = static_cast<float>(random.Normal());
  return tensor;
}

// oneDNN as it is: its own threads, activations in one of three orders, weights in its own.
void BM_Order(benchmark::State& state) {
  const Size size = kSizes[state.range(0)];
  const auto direction = static_cast<Direction>(state.range(1));
  constexpr memory::format_tag kTags[] = {memory::format_tag::nhwc, memory::format_tag::nchw,
                                          memory::format_tag::any};
  const auto desc = [](memory::dims dims, memory::format_tag tag) {
    return memory::desc(dims, memory::data_type::f32, tag);
  };
  const memory::desc x =
      desc({size.batch, size.channels, size.pixels, size.pixels}, kTags[state.range(2)]);
  const memory::desc weights = desc({size.channels, size.channels, 3, 3}, memory::format_tag::any);
  const memory::desc none;
  const memory::dims one{1, 1}, zero{0, 0};
  constexpr auto kAlgorithm = dnnl::algorithm::convolution_direct;
  const auto forward = Describe<dnnl::convolution_forward>(
      dnnl::prop_kind::forward_training, kAlgorithm, x, weights, none, x, one, zero, one, one);
  std::vector<memory> memories;
  std::unordered_map<int, memory> arguments;
  const auto add = [&](int id, const memory::desc& d) {
    memories.emplace_back(d, CpuEngine());
    std::fill_n(static_cast<char*>(memories.back().get_data_handle()), d.get_size(), 0);
    arguments[id] = memories.back();
  };
  dnnl::primitive primitive;
  if (direction == kForward) {
    primitive = dnnl::convolution_forward(forward);
    add(DNNL_ARG_SRC, forward.src_desc());
    add(DNNL_ARG_WEIGHTS, forward.weights_desc());
    add(DNNL_ARG_DST, forward.dst_desc());
    add(DNNL_ARG_SCRATCHPAD, forward.scratchpad_desc());
  } else if (direction == kData) {
    const auto backward = DescribeBackward<dnnl::convolution_backward_data>(
        forward, kAlgorithm, x, weights, x, one, zero, one, one);
    primitive = dnnl::convolution_backward_data(backward);
    add(DNNL_ARG_DIFF_SRC, backward.diff_src_desc());
    add(DNNL_ARG_WEIGHTS, backward.weights_desc());
    add(DNNL_ARG_DIFF_DST, backward.diff_dst_desc());
    add(DNNL_ARG_SCRATCHPAD, backward.scratchpad_desc());
  } else {
    const auto backward = DescribeBackward<dnnl::convolution_backward_weights>(
        forward, kAlgorithm, x, weights, none, x, one, zero, one, one);
    primitive = dnnl::convolution_backward_weights(backward);
    add(DNNL_ARG_SRC, backward.src_desc());
    add(DNNL_ARG_DIFF_WEIGHTS, backward.diff_weights_desc());
    add(DNNL_ARG_DIFF_DST, backward.diff_dst_desc());
    add(DNNL_ARG_SCRATCHPAD, backward.scratchpad_desc());
  }
  dnnl::stream stream(CpuEngine());
  for (auto _ : state) primitive.execute(stream, arguments);
  Report(state, size);
}

// normkit's, reorder of the weights and merge of their gradients included.
void BM_Reproducible(benchmark::State& state) {
  const Size size = kSizes[state.range(0)];
  const auto direction = static_cast<Direction>(state.range(1));
  const Space pixels{size.pixels, size.pixels}, ones{1, 1};
  const ConvolutionShape shape{size.batch, pixels, size.channels, size.channels, 1,    {3, 3},
                               ones,       ones,   ones,          ones,          false};
  Convolution convolution(shape, true);
  Tensor x = Filled(size.batch * size.channels * size.pixels * size.pixels), y = x.Clone(),
         weights = Filled(size.channels * size.channels * 9);
  const size_t bytes =
      std::max(convolution.forward_scratch_bytes(), convolution.backward_scratch_bytes());
  Tensor scratch(Layout({{kC, static_cast<int64_t>(bytes / sizeof(float) + 1)}}));
  auto* memory = static_cast<std::byte*>(scratch.data());
  float *px = x.values<float>().data(), *py = y.values<float>().data(),
        *pw = weights.values<float>().data();
  for (auto _ : state) {
    if (direction == kForward) convolution.Forward(px, pw, nullptr, py, memory);
    if (direction == kData) convolution.BackwardData(py, pw, false, px, memory);
    if (direction == kWeights) convolution.BackwardWeights(px, py, nullptr, pw, nullptr, memory);
  }
  Report(state, size);
}

double Least(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

BENCHMARK(BM_Order)
    ->ArgsProduct({{0, 1, 2, 3, 4},
                   {kForward, kData, kWeights},
                   {kChannelsLast, kChannelsFirst, kBlocked}})
    ->ArgNames({"size", "direction", "order"})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond)
    ->ComputeStatistics("min", Least);
BENCHMARK(BM_Reproducible)
    ->ArgsProduct({{0, 1, 2, 3, 4}, {kForward, kData, kWeights}})
    ->ArgNames({"size", "direction"})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond)
    ->ComputeStatistics("min", Least);

}  // namespace
}  // namespace normkit
