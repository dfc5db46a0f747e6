// LSTMs that are no operator of ONNX, step by step.
#pragma once

#include "normkit/nn/layers.h"
#include "src/nn/properties.h"
#include "src/onnx/writer.h"

namespace normkit {

// Each direction is a Scan over [N,T,4 hidden], the products of x, whose states stay as they are in
// padding.
void WriteLstmScan(LayerWriter& writer, const LstmOptions& options);

template <class Options>
int64_t DirectionsOf(const Options& options) {
  return options.direction == SequenceDirection::kBidirectional ? 2 : 1;
}

// Operators of ONNX, as nodes and among the activations of LSTM and GRU.
inline std::string GateOperator(GateActivation function) {
  return function == GateActivation::kSigmoid ? "Sigmoid" : "HardSigmoid";
}
inline std::string StateOperator(StateActivation function) {
  return function == StateActivation::kTanh ? "Tanh" : "Softsign";
}

}  // namespace normkit
