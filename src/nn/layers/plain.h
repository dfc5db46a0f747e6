// Layers of a single operation and no parameters.
#pragma once

#include "src/nn/layers/common.h"
#include "src/nn/properties.h"

namespace normkit {

// A row of the table of elementwise operations.
class ElementwiseLayer : public Layer {
 public:
  ElementwiseLayer(std::string name, const ElementwiseOptions& options);
  const ElementwiseOptions& options() const { return options_; }
  std::string_view type() const override { return options_.row->type; }
  std::string_view short_name() const override { return options_.row->short_name; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  ElementwiseOptions options_;
};

// Softmax, flatten, global average pooling, the last step: nothing but a name.
class NamedLayer : public Layer {
 public:
  struct Kind {
    std::string_view type, short_name;
    std::string_view onnx;  // the operator; "": there is none
    std::vector<Value> (*build)(const Layer& layer, Graph& graph, std::span<const Value> inputs);
  };
  NamedLayer(const Kind& kind, std::string name) : Layer(std::move(name)), kind_(kind) {}
  const Kind& kind() const { return kind_; }
  std::string_view type() const override { return kind_.type; }
  std::string_view short_name() const override { return kind_.short_name; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override {
    return kind_.build(*this, graph, inputs);
  }

 private:
  const Kind& kind_;
};

class DropoutLayer : public Layer {
 public:
  explicit DropoutLayer(const DropoutOptions& options);
  const DropoutOptions& options() const { return options_; }
  std::string_view type() const override { return "dropout"; }
  std::string_view short_name() const override { return "dropout"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  DropoutOptions options_;
};

class AdditionLayer : public Layer {
 public:
  explicit AdditionLayer(const AdditionOptions& options);
  std::string_view type() const override { return "addition"; }
  std::string_view short_name() const override { return "addition"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  AdditionOptions options_;
};

// Element by element, later inputs broadcast over the first.
class MultiplicationLayer : public Layer {
 public:
  explicit MultiplicationLayer(const MultiplicationOptions& options);
  std::string_view type() const override { return "multiplication"; }
  std::string_view short_name() const override { return "multiplication"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  void CheckFits(const Layout& first, const Layout& x) const;

  MultiplicationOptions options_;
};

// Along channels, which have to be last.
class ConcatenationLayer : public Layer {
 public:
  explicit ConcatenationLayer(const ConcatenationOptions& options);
  std::string_view type() const override { return "concatenation"; }
  std::string_view short_name() const override { return "concat"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  ConcatenationOptions options_;
};

}  // namespace normkit
