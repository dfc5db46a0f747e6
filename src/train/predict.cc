#include "normkit/train/predict.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "normkit/data/batch.h"
#include "normkit/graph/executor.h"
#include "src/core/fail.h"
#include "src/core/finite.h"
#include "src/core/memory_needs.h"
#include "src/data/place.h"
#include "src/train/batches.h"

namespace normkit {
namespace {

void CheckMemory(const Graph& graph, int64_t batch_size) {
  MemoryNeeds needs;
  needs.Add("activations", Executor::PlannedBytes(graph, batch_size, false));
  needs.Check("predicting", "a model of smaller pictures takes less");
}

void CheckInput(std::span<const float> x, const Layout& layout, const std::string& name) {
  if (const size_t bad = FirstNonFinite(x); bad < x.size())
    Fail("{}: value {} is {}, expected finite numbers", name, PlaceOf(layout, bad), x[bad]);
}

void CheckOutput(std::span<const float> y, const std::string& name) {
  if (const size_t bad = FirstNonFinite(y); bad < y.size())
    Fail("{}: value {} that the model gives is {}: numbers overflow inside it", name, bad, y[bad]);
}

// Rows of sequences one behind the other, where each begins; none: each is a row.
using Offsets = std::span<const int64_t>;

// The rows of observations [begin, begin + count).
struct Rows {
  int64_t begin, end;
  Rows(Offsets offsets, int64_t from, int64_t count) : begin(from), end(from + count) {
    if (offsets.empty()) return;
    begin = offsets[static_cast<size_t>(from)];
    end = offsets[static_cast<size_t>(from + count)];
  }
  int64_t count() const { return end - begin; }
};

// Predicts `count` observations; `read` makes the executor ready for those from `begin` on and puts
// them into its input.
Tensor PredictAll(const Network& network, int64_t count, Offsets offsets, int64_t mini_batch_size,
                  const std::function<void(int64_t begin, int64_t size, Executor&)>& read,
                  const std::function<std::string(int64_t)>& name) {
  if (mini_batch_size < 1)
    Fail("predicting: mini_batch_size is {}, expected 1 or more", mini_batch_size);
  if (count == 0) return {};
  int64_t most_rows = 0;
  for (int64_t begin = 0; begin < count; begin += mini_batch_size)
    most_rows =
        std::max(most_rows, Rows(offsets, begin, std::min(mini_batch_size, count - begin)).count());
  CheckMemory(network.graph, most_rows);
  Executor executor(network.graph);
  const Layout& output = network.graph.layout(network.graph.output());
  const Offsets of_output = output.packed() ? offsets : Offsets();
  const int64_t width = output.size();
  Tensor all(output.WithBatch(count, Rows(of_output, 0, count).end));
  for (int64_t begin = 0; begin < count; begin += mini_batch_size) {
    const int64_t size = std::min(mini_batch_size, count - begin);
    read(begin, size, executor);
    const std::span<const float> y = executor.Forward(network.parameters, {});
    const int64_t first = Rows(of_output, begin, 0).begin;
    for (int64_t i = begin; i < begin + size; ++i) {
      const Rows rows(of_output, i, 1);
      CheckOutput(y.subspan(static_cast<size_t>((rows.begin - first) * width),
                            static_cast<size_t>(rows.count() * width)),
                  name(i));
    }
    std::ranges::copy(y, all.values<float>().begin() + first * width);
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
  const int64_t width = impl_->input.size();
  if (impl_->input.packed()) {
    if (x.empty() || std::ssize(x) % width != 0)
      Fail("{}: has {} values, expected a multiple of {} (rows of {})", name, x.size(), width,
           impl_->input.ToString());
    const int64_t offsets[] = {0, std::ssize(x) / width};
    impl_->executor.SetBatch({.whole = 1}, offsets);
  } else if (std::ssize(x) != width) {
    Fail("{}: has {} values, expected {} ({})", name, x.size(), width, impl_->input.ToString());
  }
  CheckInput(x, impl_->input, name);
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
  if (input.packed())
    Fail(
        "predicting: values of rows ({}) given without those that belong together, expected a "
        "data source, or one observation at a time",
        input.ToString());
  const auto name = [](int64_t i) { return fmt::format("observation {}", i); };
  const auto read = [&](int64_t begin, int64_t size, Executor& executor) {
    executor.SetBatchSize(size);
    const std::span<float> into = executor.input();
    for (int64_t i = begin; i < begin + size; ++i) {
      const auto one = x.subspan(static_cast<size_t>(i * width), static_cast<size_t>(width));
      CheckInput(one, input, name(i));
      std::ranges::copy(one, into.begin() + (i - begin) * width);
    }
  };
  return PredictAll(network, std::ssize(x) / width, {}, mini_batch_size, read, name);
}

Tensor Predict(const Network& network, const DataSource& data, int64_t mini_batch_size,
               std::vector<int64_t>* offsets) {
  if (data.layout() != network.graph.input_layout())
    Fail("predicting '{}': observations are {}, expected {}", data.Description(),
         data.layout().ToString(), network.graph.input_layout().ToString());
  const auto name = [&](int64_t i) { return data.ObservationName(i); };
  std::vector<int64_t> indices(static_cast<size_t>(data.size())), own;
  std::iota(indices.begin(), indices.end(), 0);
  std::vector<int64_t>& of_all = offsets ? *offsets : own;
  ReadOffsets(data, indices, of_all);
  BatchReader reader;
  const auto read = [&](int64_t begin, int64_t size, Executor& executor) {
    reader.ReadInputs(
        data, std::span(indices).subspan(static_cast<size_t>(begin), static_cast<size_t>(size)),
        executor);
  };
  return PredictAll(network, data.size(), of_all, mini_batch_size, read, name);
}

std::vector<size_t> LargestOf(std::span<const float> values, size_t count) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return values[a] > values[b]; });
  order.resize(std::min(order.size(), count));
  return order;
}

}  // namespace normkit
