// Layers that map each element by trained numbers of its channel, and normalization across
// channels.
#pragma once

#include "src/nn/layers/common.h"

namespace normkit {

// Parameter "alpha" [C].
class PreluLayer : public Layer {
 public:
  explicit PreluLayer(const PreluOptions& options);
  const PreluOptions& options() const { return options_; }
  std::string_view type() const override { return "PReLU"; }
  std::string_view short_name() const override { return "prelu"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  PreluOptions options_;
};

// Parameter "scale" [C].
class LayerScaleLayer : public Layer {
 public:
  explicit LayerScaleLayer(const LayerScaleOptions& options);
  const LayerScaleOptions& options() const { return options_; }
  std::string_view type() const override { return "layer scale"; }
  std::string_view short_name() const override { return "layerscale"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  LayerScaleOptions options_;
};

// Parameters "alpha" [1], "scale" and "offset" [C].
class DynamicTanhLayer : public Layer {
 public:
  explicit DynamicTanhLayer(const DynamicTanhOptions& options);
  const DynamicTanhOptions& options() const { return options_; }
  std::string_view type() const override { return "dynamic tanh"; }
  std::string_view short_name() const override { return "dyt"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  DynamicTanhOptions options_;
};

class CrossChannelLayer : public Layer {
 public:
  explicit CrossChannelLayer(const CrossChannelNormalizationOptions& options);
  const CrossChannelNormalizationOptions& options() const { return options_; }
  std::string_view type() const override { return "cross-channel normalization"; }
  std::string_view short_name() const override { return "crossnorm"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  CrossChannelNormalizationOptions options_;
};

}  // namespace normkit
