// What the networks that have a name are put together with.
#pragma once

#include <string>
#include <utility>

#include "normkit/nn/networks.h"
#include "src/nn/norm_kinds.h"

namespace normkit {

// The row of a choice that is a norm.
const NormKindRow& RowOf(const NormChoice& norm);

// The input of a network of sequences.
SequenceInputOptions StepsFor(const NetworkPurpose& purpose, const std::string& name = {},
                              InputNormalization normalization = InputNormalization::kNone);

// Adds layers with numbered names to a chain.
class Chain {
 public:
  // `weights`: how convolutions begin.
  explicit Chain(const NetworkPurpose& purpose,
                 Initializer::Kind weights = Initializer::kFanInUniform);

  // A convolution and its norm; returns the last value. `silent`: that begins at zero, by the
  // norm's scale or, where there is none, by the weights.
  Value Convolution(const std::string& number, int64_t size, int64_t filters, int64_t stride,
                    Value input, Padding padding = Padding::Same(), bool silent = false);
  Value FullyConnectedNorm(const std::string& number, int64_t outputs);
  // The norm that the purpose asks for, if any, behind `input`.
  Value Norm(const std::string& number, Value input, const Initializer& scale = Initializer::kOnes);
  // Whether what stands in front of a norm has a bias of its own.
  bool NeedsBias() const;

  // What tells classes, or targets. Begins at zero unless told otherwise: the first loss is
  // ln(classes) whatever stands before, and no class has to be unlearned.
  Graph Answer(const std::string& number, const Initializer& weights = Initializer::kZeros);

  Graph graph;

 private:
  const NetworkPurpose& purpose_;
  Initializer::Kind weights_;
};

}  // namespace normkit
