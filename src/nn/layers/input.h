// The first node of every graph: says what an observation looks like, and normalizes it.
#pragma once

#include "normkit/graph/layer.h"
#include "normkit/nn/layers.h"

namespace normkit {

// What image and feature input share. Its parameters: "mean" (zerocenter), "mean" and "std"
// (zscore), "min" and "max" (rescale); [C], not trainable.
class InputLayer : public Layer {
 public:
  InputLayer(std::string name, InputNormalization normalization)
      : Layer(std::move(name)), normalization_(normalization) {}
  InputNormalization normalization() const { return normalization_; }

  bool is_input() const override { return true; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;
  virtual Layout Observation() const = 0;  // what comes in, one of them

 private:
  InputNormalization normalization_;
};

class ImageInputLayer : public InputLayer {
 public:
  explicit ImageInputLayer(const ImageInputOptions& options);
  const ImageInputOptions& options() const { return options_; }
  std::string_view type() const override { return "image input"; }
  std::string_view short_name() const override { return "imageinput"; }

  Layout Observation() const override;

 private:
  ImageInputOptions options_;
};

class Image3dInputLayer : public InputLayer {
 public:
  explicit Image3dInputLayer(const Image3dInputOptions& options);
  const Image3dInputOptions& options() const { return options_; }
  std::string_view type() const override { return "image input 3-D"; }
  std::string_view short_name() const override { return "image3dinput"; }

  Layout Observation() const override;

 private:
  Image3dInputOptions options_;
};

class FeatureInputLayer : public InputLayer {
 public:
  explicit FeatureInputLayer(const FeatureInputOptions& options);
  const FeatureInputOptions& options() const { return options_; }
  std::string_view type() const override { return "feature input"; }
  std::string_view short_name() const override { return "featureinput"; }

  Layout Observation() const override;

 private:
  FeatureInputOptions options_;
};

// Features of each step of a sequence, or pictures.
class SequenceInputLayer : public InputLayer {
 public:
  explicit SequenceInputLayer(const SequenceInputOptions& options);
  const SequenceInputOptions& options() const { return options_; }
  std::string_view type() const override { return "sequence input"; }
  std::string_view short_name() const override { return "sequenceinput"; }

  Layout Observation() const override;

 private:
  SequenceInputOptions options_;
};

}  // namespace normkit
