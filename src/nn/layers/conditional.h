// Instance normalization whose scale and offset come from another value.
#pragma once

#include "src/nn/layers/common.h"

namespace normkit {

// x, scale [B,C], offset [B,C].
class AdaptiveNormalizationLayer : public Layer {
 public:
  explicit AdaptiveNormalizationLayer(const AdaptiveNormalizationOptions& options);
  const AdaptiveNormalizationOptions& options() const { return options_; }
  std::string_view type() const override { return "adaptive instance normalization"; }
  std::string_view short_name() const override { return "adain"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  AdaptiveNormalizationOptions options_;
};

// x, weights of the styles [B,num_styles]; parameters "scale" and "offset" [C,num_styles].
class ConditionalNormalizationLayer : public Layer {
 public:
  explicit ConditionalNormalizationLayer(const ConditionalNormalizationOptions& options);
  const ConditionalNormalizationOptions& options() const { return options_; }
  std::string_view type() const override { return "conditional instance normalization"; }
  std::string_view short_name() const override { return "condin"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  ConditionalNormalizationOptions options_;
};

}  // namespace normkit
