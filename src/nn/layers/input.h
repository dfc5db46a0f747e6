// The first node of every graph: says what an observation looks like, and normalizes it.
#pragma once

#include "normkit/nn/layer.h"
#include "normkit/nn/layers.h"

namespace normkit {

// What image and feature input share. Its parameters: "mean" (zerocenter), "mean" and "std"
// (zscore), "min" and "max" (rescale); [C], not trainable.
class InputLayer : public Layer {
 public:
  InputLayer(std::string name, InputNormalization normalization)
      : Layer(std::move(name)), normalization_(normalization) {}
  InputNormalization normalization() const { return normalization_; }

  Layout OutputLayout(std::span<const Layout> inputs) const override;
  std::vector<ParameterSpec> Parameters(std::span<const Layout> inputs) const override;
  std::unique_ptr<LayerOp> Prepare(std::span<const Layout> inputs, bool training) const override;
  std::string Description() const override;

 private:
  virtual Layout Observation() const = 0;
  InputNormalization normalization_;
};

class ImageInputLayer : public InputLayer {
 public:
  explicit ImageInputLayer(const ImageInputOptions& options);
  const ImageInputOptions& options() const { return options_; }
  std::string_view type() const override { return "image input"; }
  std::string_view short_name() const override { return "imageinput"; }

 private:
  Layout Observation() const override;
  ImageInputOptions options_;
};

class FeatureInputLayer : public InputLayer {
 public:
  explicit FeatureInputLayer(const FeatureInputOptions& options);
  const FeatureInputOptions& options() const { return options_; }
  std::string_view type() const override { return "feature input"; }
  std::string_view short_name() const override { return "featureinput"; }

 private:
  Layout Observation() const override;
  FeatureInputOptions options_;
};

}  // namespace normkit
