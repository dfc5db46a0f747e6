#include "src/nn/layers/common.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace normkit {
namespace {

// Normal vectors made orthonormal one after the other (Gram-Schmidt, twice, which is as good as
// reflections): columns of [rows, columns], or its rows where they are fewer.
void FillOrthogonal(std::span<float> values, int64_t columns, Random& random) {
  const auto width = static_cast<size_t>(columns), height = values.size() / width;
  const size_t count = std::min(width, height), length = std::max(width, height);
  std::vector<double> vectors(count * length);
  for (double& value : vectors) value = random.Normal();
  const auto dot = [&](const double* a, const double* b) {
    double sum = 0;
    for (size_t i = 0; i < length; ++i) sum += a[i] * b[i];
    return sum;
  };
  for (size_t k = 0; k < count; ++k) {
    double* own = vectors.data() + k * length;
    for (int pass = 0; pass < 2; ++pass)
      for (size_t j = 0; j < k; ++j) {
        const double* other = vectors.data() + j * length;
        const double part = dot(own, other);
        for (size_t i = 0; i < length; ++i) own[i] -= part * other[i];
      }
    const double norm = std::sqrt(dot(own, own));
    for (size_t i = 0; i < length; ++i) {
      own[i] /= norm;
      values[height < width ? k * width + i : i * width + k] = static_cast<float>(own[i]);
    }
  }
}

}  // namespace

std::vector<Layout> LayoutsOf(const Graph& graph, std::span<const Value> inputs) {
  std::vector<Layout> layouts;
  for (const Value input : inputs) layouts.push_back(graph.layout(input));
  return layouts;
}

const Layout& OnlyInput(const Layer& layer, const Graph& graph, std::span<const Value> inputs) {
  if (inputs.size() != 1) FailLayer(layer, "{} inputs given, expected 1", inputs.size());
  return graph.layout(inputs[0]);
}

const Layout& OnlyImage(const Layer& layer, const Graph& graph, std::span<const Value> inputs) {
  const Layout& x = OnlyInput(layer, graph, inputs);
  if (x.format() != "BSSC")
    FailLayer(layer, "input is {}, expected images, BSSC [batch,height,width,channels]",
              x.ToString());
  return x;
}

const Layout& OnlyTime(const Layer& layer, const Graph& graph, std::span<const Value> inputs) {
  const Layout& x = OnlyInput(layer, graph, inputs);
  if (!x.packed())
    FailLayer(layer, "input is {}, expected rows of sequences, TC [rows,channels]", x.ToString());
  return x;
}

const Layout& OnlySteps(const Layer& layer, const Graph& graph, std::span<const Value> inputs) {
  const Layout& x = OnlyTime(layer, graph, inputs);
  if (x.format() != "TC")
    FailLayer(layer, "input is {}, expected steps of features, TC [rows,channels]", x.ToString());
  return x;
}

void CheckInputCount(const Layer& layer, std::span<const Value> inputs, int count) {
  if (inputs.size() != static_cast<size_t>(count))
    FailLayer(layer, "{} inputs given, expected {} (num_inputs)", inputs.size(), count);
}

std::function<void(std::span<float>, Random&)> MakeInitializer(const Initializer& initializer,
                                                               int64_t fan_in, int64_t fan_out) {
  const auto normal = [](double deviation) {
    return [deviation](std::span<float> values, Random& random) {
      for (float& value : values) value = static_cast<float>(deviation * random.Normal());
    };
  };
  const auto uniform = [](double bound) {
    return [bound](std::span<float> values, Random& random) {
      for (float& value : values) value = static_cast<float>(random.Uniform(-bound, bound));
    };
  };
  switch (initializer.kind) {
    case Initializer::kZeros:
      return [](std::span<float> values, Random&) { std::fill(values.begin(), values.end(), 0.f); };
    case Initializer::kOnes:
      return [](std::span<float> values, Random&) { std::fill(values.begin(), values.end(), 1.f); };
    case Initializer::kNarrowNormal:
      return normal(0.01);
    case Initializer::kHe:
      return normal(std::sqrt(2.0 / static_cast<double>(fan_in)));
    case Initializer::kGlorot:
      return uniform(std::sqrt(6.0 / static_cast<double>(fan_in + fan_out)));
    case Initializer::kFanInUniform:
      return uniform(1 / std::sqrt(static_cast<double>(fan_in)));
    case Initializer::kOrthogonal:
      return [fan_in](std::span<float> values, Random& random) {
        FillOrthogonal(values, fan_in, random);
      };
    case Initializer::kUnitForgetGate:
      return [](std::span<float> values, Random&) {
        const size_t quarter = values.size() / 4;
        std::fill(values.begin(), values.end(), 0.f);
        std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(quarter), quarter, 1.f);
      };
    case Initializer::kFunction:
      break;
  }
  return initializer.function;
}

}  // namespace normkit
