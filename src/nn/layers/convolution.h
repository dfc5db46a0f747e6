// Convolution 2-D (cross-correlation, as everywhere in the field).
#pragma once

#include "src/nn/layers/common.h"
#include "src/onednn/convolution.h"

namespace normkit {

// weights [num_filters, C / num_groups, height, width], bias [num_filters].
class Convolution2dLayer : public Layer {
 public:
  explicit Convolution2dLayer(const Convolution2dOptions& options);
  const Convolution2dOptions& options() const { return options_; }
  std::string_view type() const override { return "convolution 2-D"; }
  std::string_view short_name() const override { return "conv"; }
  Layout OutputLayout(std::span<const Layout> inputs) const override;
  std::vector<ParameterSpec> Parameters(std::span<const Layout> inputs) const override;
  std::unique_ptr<LayerOp> Prepare(std::span<const Layout> inputs, bool training) const override;
  std::string Description() const override;

 private:
  ConvolutionShape Shape(const Layout& x) const;
  Convolution2dOptions options_;
};

}  // namespace normkit
