#include "src/stylize/style_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "normkit/graph/executor.h"
#include "src/core/fail.h"
#include "src/stylize/graph_math.h"
#include "src/stylize/pixels.h"

namespace normkit {
namespace {

constexpr float kUsualVariation = 0.01f;

// The columns of a table [rows, styles] from a vector a style.
Value Table(const GraphMath& math, const std::vector<std::vector<float>>& styles) {
  const size_t rows = styles[0].size();
  std::vector<float> table;
  for (size_t i = 0; i < rows; ++i)
    for (const auto& style : styles) table.push_back(style[i]);
  return math.Floats({static_cast<int64_t>(rows), std::ssize(styles)}, table);
}

float Norm(const std::vector<float>& gram) {
  double sum = 0;
  for (const float x : gram) sum += static_cast<double>(x) * x;
  return static_cast<float>(std::max(std::sqrt(sum), 1e-12));
}

// Values of one style as they are, of several what the weights choose of them: [B, shape].
Value Chosen(const GraphMath& math, const std::vector<std::vector<float>>& styles,
             std::span<const Value> inputs, std::vector<int64_t> shape) {
  shape.insert(shape.begin(), styles.size() == 1 ? 1 : -1);
  if (styles.size() == 1) return math.Floats(shape, styles[0]);
  const Value chosen = math.Apply(ops::MatrixProduct(), {inputs[2], Table(math, styles)});
  return math.Apply(ops::Reshape(), {chosen, math.Numbers(shape)});
}

}  // namespace

StyleTargets TargetsOf(const StyleFeatures& features, const std::vector<Image>& styles) {
  StyleTargets targets;
  for (const Image& style : styles) {
    Graph graph;
    const Layout layout =
        Layout::Make("BSSC", std::vector{int64_t{1}, style.height, style.width, int64_t{3}});
    const Value picture = graph.AddInput({DType::kF32, layout});
    ExecutorOptions options;
    for (const Value place : features.AddTo(graph, picture, StyleFeatures::kResults).style)
      options.keep.push_back(GraphMath(graph).Apply(ops::GramMatrix(), {place}));
    Executor executor(graph, options);
    executor.SetShapes(std::span(&layout, 1));
    ToValues(style, {.largest = 1}, executor.input(0).values<float>());
    executor.Forward(Parameters(graph), {});
    auto& grams = targets.grams.emplace_back();
    for (const Value gram : options.keep) {
      const std::span<const float> values = executor.value(gram);
      grams.emplace_back(values.begin(), values.end());
    }
  }
  return targets;
}

StyleLossLayer::StyleLossLayer(std::shared_ptr<const StyleFeatures> features, StyleTargets targets,
                               const StyleLossWeights& weights)
    : Layer("loss"),
      features_(std::move(features)),
      targets_(std::move(targets)),
      weights_(weights) {}

Value StyleLossLayer::StyleTerm(Graph& graph, const FeatureValues& of_y,
                                std::span<const Value> inputs) const {
  const GraphMath math(graph);
  const size_t places = of_y.style.size();
  Value sum = -1;
  for (size_t place = 0; place < places; ++place) {
    std::vector<std::vector<float>> targets, scales;
    for (const auto& grams : targets_.grams) {
      targets.push_back(grams[place]);
      scales.push_back({1 / Norm(grams[place])});
    }
    const Value gram = math.Apply(ops::GramMatrix(), {of_y.style[place]});
    const int64_t channels = graph.layout(gram).shape().back();
    const Value difference =
        math.Subtract(gram, Chosen(math, targets, inputs, {channels, channels}));
    // Of each picture |G - target|^2 / |target|^2; the mean of squares divides by C^2 too.
    const Value scaled = math.Multiply(difference, Chosen(math, scales, inputs, {1, 1}));
    const Value term = math.Multiply(
        math.MeanOfSquares(scaled),
        math.Number(static_cast<float>(channels * channels) / static_cast<float>(places)));
    sum = sum < 0 ? term : math.Add(sum, term);
  }
  return sum;
}

Value StyleLossLayer::Variation(Graph& graph, Value y) const {
  const GraphMath math(graph);
  const auto difference = [&](int64_t axis) {
    constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
    const auto part = [&](int64_t begin, int64_t end) {
      return math.Apply(ops::SliceAxes(),
                        {y, math.Numbers({begin}), math.Numbers({end}), math.Numbers({axis})});
    };
    return math.MeanOfSquares(math.Subtract(part(1, kEnd), part(0, -1)));
  };
  return math.Multiply(math.Add(difference(1), difference(2)), math.Number(1 / kUsualVariation));
}

std::vector<Value> StyleLossLayer::Build(Graph& graph, std::span<const Value> inputs) const {
  const GraphMath math(graph);
  const FeatureValues of_y = features_->AddTo(graph, inputs[0], StyleFeatures::kResults),
                      of_x = features_->AddTo(graph, inputs[1], StyleFeatures::kContents);
  Value content = -1;
  for (size_t i = 0; i < of_y.content.size(); ++i) {
    const Value term =
        math.Divide(math.MeanOfSquares(math.Subtract(of_y.content[i], of_x.content[i])),
                    math.Add(math.MeanOfSquares(of_x.content[i]), math.Number(1e-6f)));
    content = content < 0 ? term : math.Add(content, term);
  }
  const Value style = StyleTerm(graph, of_y, inputs), variation = Variation(graph, inputs[0]);
  const auto weighted = [&](Value term, double weight) {
    return math.Multiply(term, math.Number(static_cast<float>(weight)));
  };
  const Value loss =
      math.Add(math.Add(weighted(content, weights_.content), weighted(style, weights_.style)),
               weighted(variation, weights_.variation));
  return {loss, content, style, variation};
}

}  // namespace normkit
