// Images made larger without new values: mirrored borders, repeated elements.
#pragma once

#include "src/nn/layers/common.h"

namespace normkit {

class ReflectionPadding2dLayer : public Layer {
 public:
  explicit ReflectionPadding2dLayer(const ReflectionPadding2dOptions& options);
  const ReflectionPadding2dOptions& options() const { return options_; }
  std::string_view type() const override { return "reflection padding 2-D"; }
  std::string_view short_name() const override { return "pad"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  ReflectionPadding2dOptions options_;
};

class Upsampling2dLayer : public Layer {
 public:
  explicit Upsampling2dLayer(const Upsampling2dOptions& options);
  const Upsampling2dOptions& options() const { return options_; }
  std::string_view type() const override { return "upsampling 2-D"; }
  std::string_view short_name() const override { return "upsample"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  Upsampling2dOptions options_;
};

// Of images and volumes, to sizes or times a number.
class ResizeLayer : public Layer {
 public:
  explicit ResizeLayer(const ResizeOptions& options);
  const ResizeOptions& options() const { return options_; }
  std::string_view type() const override { return "resize"; }
  std::string_view short_name() const override { return "resize"; }
  std::vector<int64_t> SizesFor(const Layout& x) const;  // of space; empty: by scale
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  ResizeOptions options_;
};

}  // namespace normkit
