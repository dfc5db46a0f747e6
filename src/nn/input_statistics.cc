#include "normkit/nn/input_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/nn/layers/common.h"
#include "src/nn/layers/input.h"

namespace normkit {
namespace {

// Of a graph without layers no input changes anything.
bool Normalizes(const Graph& graph) {
  const Layout layout = graph.input_layout();  // throws where there is none
  return graph.num_layers() > 0 &&
         dynamic_cast<const InputLayer&>(*graph.layer(0).layer).normalization() !=
             InputNormalization::kNone;
}

}  // namespace

InputStatistics::InputStatistics(const Graph& graph)
    : graph_(&graph),
      needed_(Normalizes(graph)),
      channels_(graph.input_layout().channels()),
      observation_size_(graph.input_layout().size()),
      moments_(static_cast<size_t>(channels_)),
      min_(static_cast<size_t>(channels_), std::numeric_limits<float>::infinity()),
      max_(static_cast<size_t>(channels_), -std::numeric_limits<float>::infinity()) {}

void InputStatistics::Add(std::span<const float> observations) {
  if (observations.size() % static_cast<size_t>(observation_size_) != 0)
    FailLayer(*graph_->layer(0).layer, "{} values of observations given, expected a multiple of {}",
              observations.size(), observation_size_);
  const int64_t rows = static_cast<int64_t>(observations.size()) / channels_;
  if (rows == 0) return;
  for (int64_t c = 0; c < channels_; ++c) {
    // Two passes over the rows at hand, then Chan's merge: exact enough at any mean.
    const float* x = observations.data() + c;
    Moments part{static_cast<double>(rows), 0, 0};
    for (int64_t row = 0; row < rows; ++row) part.mean += x[row * channels_];
    part.mean /= part.n;
    float low = min_[static_cast<size_t>(c)], high = max_[static_cast<size_t>(c)];
    for (int64_t row = 0; row < rows; ++row) {
      const float value = x[row * channels_];
      part.m2 += (value - part.mean) * (value - part.mean);
      low = std::min(low, value);
      high = std::max(high, value);
    }
    moments_[static_cast<size_t>(c)].Merge(part);
    min_[static_cast<size_t>(c)] = low;
    max_[static_cast<size_t>(c)] = high;
  }
}

void InputStatistics::WriteTo(Parameters& parameters) const {
  if (!needed_) return;
  const Layer& layer = *graph_->layer(0).layer;
  if (moments_[0].n == 0)
    FailLayer(layer, "no observations given, expected at least one to take statistics from");
  for (const Parameter& parameter : parameters.list()) {
    if (parameter.layer != 0) continue;
    const std::span<float> values = parameters.Get(parameter);
    const std::string name = parameter.name.substr(layer.name().size() + 1);
    for (size_t c = 0; c < values.size(); ++c) {
      const double deviation = std::sqrt(moments_[c].variance());
      if (name == "mean") values[c] = static_cast<float>(moments_[c].mean);
      if (name == "std") values[c] = deviation > 0 ? static_cast<float>(deviation) : 1;
      if (name == "min") values[c] = min_[c];
      if (name == "max") values[c] = max_[c] > min_[c] ? max_[c] : min_[c] + 1;
    }
  }
}

}  // namespace normkit
