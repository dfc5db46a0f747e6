#include "normkit/train/predict.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "normkit/graph/executor.h"
#include "src/core/fail.h"
#include "src/core/finite.h"
#include "src/core/memory_needs.h"

namespace normkit {
namespace {

void CheckMemory(const Graph& graph, int64_t batch_size) {
  MemoryNeeds needs;
  needs.Add("activations", Executor::PlannedBytes(graph, batch_size, false));
  needs.Check("predicting", "a model of smaller pictures takes less");
}

void CheckInput(std::span<const float> x, const std::string& name) {
  if (const size_t bad = FirstNonFinite(x); bad < x.size())
    Fail("{}: value {} of the observation is {}, expected finite numbers", name, bad, x[bad]);
}

void CheckOutput(std::span<const float> y, const std::string& name) {
  if (const size_t bad = FirstNonFinite(y); bad < y.size())
    Fail("{}: value {} that the model gives is {}: numbers overflow inside it", name, bad, y[bad]);
}

// `layout` of one observation, of so many.
Layout OfMany(const Layout& layout, int64_t count) {
  std::vector<Axis> axes = layout.axes();
  for (Axis& axis : axes)
    if (axis.label == kB) axis.size = count;
  return Layout(std::move(axes));
}

// Predicts `count` observations; `read` puts those from `begin` on into x.
Tensor PredictAll(const Network& network, int64_t count, int64_t mini_batch_size,
                  const std::function<void(int64_t begin, int64_t size, std::span<float> x)>& read,
                  const std::function<std::string(int64_t)>& name) {
  if (mini_batch_size < 1)
    Fail("predicting: mini_batch_size is {}, expected 1 or more", mini_batch_size);
  if (count == 0) return {};
  CheckMemory(network.graph, std::min(count, mini_batch_size));
  Executor executor(network.graph);
  const Layout& output = network.graph.layout(network.graph.output());
  Tensor all(OfMany(output, count));
  for (int64_t begin = 0; begin < count; begin += mini_batch_size) {
    const int64_t size = std::min(mini_batch_size, count - begin);
    executor.SetBatchSize(size);
    read(begin, size, executor.input());
    const std::span<const float> y = executor.Forward(network.parameters, {});
    const int64_t width = output.size();
    for (int64_t i = 0; i < size; ++i) {
      const auto row = y.subspan(static_cast<size_t>(i * width), static_cast<size_t>(width));
      CheckOutput(row, name(begin + i));
    }
    std::ranges::copy(y, all.values<float>().begin() + begin * width);
  }
  return all;
}

}  // namespace

struct Predictor::Impl {
  explicit Impl(Network given)
      : network(std::move(given)),
        input(network.graph.input_layout()),
        output(network.graph.layout(network.graph.output())),
        executor((CheckMemory(network.graph, 1), Executor(network.graph, 1, false))) {}

  Network network;
  Layout input, output;
  Executor executor;
};

Predictor::Predictor(Network network) : impl_(std::make_unique<Impl>(std::move(network))) {}
Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

const Network& Predictor::network() const { return impl_->network; }
const Layout& Predictor::input() const { return impl_->input; }
const Layout& Predictor::output() const { return impl_->output; }

std::span<const float> Predictor::Predict(std::span<const float> x, const std::string& name) {
  if (std::ssize(x) != impl_->input.size())
    Fail("{}: has {} values, expected {} ({})", name, x.size(), impl_->input.size(),
         impl_->input.ToString());
  CheckInput(x, name);
  std::ranges::copy(x, impl_->executor.input().begin());
  const std::span<const float> y = impl_->executor.Forward(impl_->network.parameters, {});
  CheckOutput(y, name);
  return y;
}

Tensor Predict(const Network& network, std::span<const float> x, int64_t mini_batch_size) {
  const Layout input = network.graph.input_layout();
  const int64_t width = input.size();
  if (std::ssize(x) % width != 0)
    Fail("predicting: {} values given, expected a multiple of {} ({})", x.size(), width,
         input.ToString());
  const auto name = [](int64_t i) { return fmt::format("observation {}", i); };
  const auto read = [&](int64_t begin, int64_t size, std::span<float> into) {
    for (int64_t i = begin; i < begin + size; ++i) {
      const auto one = x.subspan(static_cast<size_t>(i * width), static_cast<size_t>(width));
      CheckInput(one, name(i));
      std::ranges::copy(one, into.begin() + (i - begin) * width);
    }
  };
  return PredictAll(network, std::ssize(x) / width, mini_batch_size, read, name);
}

Tensor Predict(const Network& network, const DataSource& data, int64_t mini_batch_size) {
  if (data.layout() != network.graph.input_layout())
    Fail("predicting '{}': observations are {}, expected {}", data.Description(),
         data.layout().ToString(), network.graph.input_layout().ToString());
  const auto name = [&](int64_t i) { return data.ObservationName(i); };
  const auto read = [&](int64_t begin, int64_t size, std::span<float> into) {
    std::vector<int64_t> indices(static_cast<size_t>(size));
    std::iota(indices.begin(), indices.end(), begin);
    ReadBatch(data, indices, into);
  };
  return PredictAll(network, data.size(), mini_batch_size, read, name);
}

std::vector<size_t> LargestOf(std::span<const float> values, size_t count) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return values[a] > values[b]; });
  order.resize(std::min(order.size(), count));
  return order;
}

}  // namespace normkit
