// Operations as layers, for the universal layer test.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "normkit/core/tensor.h"
#include "normkit/graph/graph.h"

namespace normkit {

// An operation whose last inputs are these constants.
class OpOfConstants : public Op {
 public:
  OpOfConstants(std::shared_ptr<const Op> op, const std::vector<std::vector<int64_t>>& constants)
      : op_(std::move(op)) {
    for (const auto& numbers : constants) {
      constants_.emplace_back(Layout::Unlabelled(std::vector{std::ssize(numbers)}), DType::kI64);
      std::ranges::copy(numbers, constants_.back().values<int64_t>().begin());
    }
  }
  std::string_view name() const override { return op_->name(); }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    return op_->Infer(All(inputs));
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    return op_->Prepare(All(inputs), how);
  }

 private:
  std::vector<OpInput> All(std::span<const OpInput> inputs) const {
    std::vector<OpInput> all(inputs.begin(), inputs.end());
    for (const Tensor& constant : constants_) all.push_back({constant.type(), constant.data()});
    return all;
  }

  std::shared_ptr<const Op> op_;
  std::vector<Tensor> constants_;
};

// An operation alone, on the inputs and then parameters of these shapes.
class OpLayer : public Layer {
 public:
  OpLayer(std::shared_ptr<const Op> op, std::vector<std::vector<int64_t>> parameters)
      : Layer(""), op_(std::move(op)), parameters_(std::move(parameters)) {}
  std::string_view type() const override { return op_->name(); }
  std::string_view short_name() const override { return "op"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override {
    std::vector<Value> reads(inputs.begin(), inputs.end());
    for (const auto& shape : parameters_)
      reads.push_back(graph.AddParameter(
          {fmt::format("p{}", reads.size()), shape, [](std::span<float> values, Random& random) {
             for (float& x : values) x = static_cast<float>(random.Normal());
           }}));
    return graph.AddNode(op_, std::move(reads));
  }

 private:
  std::shared_ptr<const Op> op_;
  std::vector<std::vector<int64_t>> parameters_;
};

}  // namespace normkit
