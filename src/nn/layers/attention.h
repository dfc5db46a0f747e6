// Attention among the steps of sequences, and what tells steps and tokens apart.
#pragma once

#include "src/nn/layers/common.h"

namespace normkit {

class SelfAttentionLayer : public Layer {
 public:
  explicit SelfAttentionLayer(const SelfAttentionOptions& options);
  const SelfAttentionOptions& options() const { return options_; }  // none is 0
  std::string_view type() const override { return "self-attention"; }
  std::string_view short_name() const override { return "attention"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  Value Product(Graph& graph, Value x, const std::string& name, int64_t outputs) const;

  SelfAttentionOptions options_;
};

class EmbeddingLayer : public Layer {
 public:
  explicit EmbeddingLayer(const EmbeddingOptions& options);
  const EmbeddingOptions& options() const { return options_; }
  std::string_view type() const override { return "embedding"; }
  std::string_view short_name() const override { return "embedding"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  EmbeddingOptions options_;
};

class PositionEmbeddingLayer : public Layer {
 public:
  explicit PositionEmbeddingLayer(const PositionEmbeddingOptions& options);
  const PositionEmbeddingOptions& options() const { return options_; }
  std::string_view type() const override { return "position embedding"; }
  std::string_view short_name() const override { return "positions"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  PositionEmbeddingOptions options_;
};

class SinusoidalLayer : public Layer {
 public:
  using Layer::Layer;
  std::string_view type() const override { return "sinusoidal position encoding"; }
  std::string_view short_name() const override { return "waves"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override { return ""; }
};

}  // namespace normkit
