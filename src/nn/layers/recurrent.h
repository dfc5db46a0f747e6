// Recurrent layers over the steps of sequences.
#pragma once

#include "src/nn/layers/common.h"
#include "src/ops/recurrent/recurrent.h"

namespace normkit {

// The option that makes hidden_state and, where there is one, cell_state parameters of the layer;
// null: it begins with zeros, and has none.
template <class Options>
const char* WhatGivesInitialStates(const Options& options) {
  if (options.learn_initial_states) return "learn_initial_states";
  if (!options.hidden_state.empty()) return "hidden_state";
  if constexpr (requires { options.cell_state; })
    if (!options.cell_state.empty()) return "cell_state";
  return nullptr;
}

template <class Options>
bool HasInitialStates(const Options& options) {
  return WhatGivesInitialStates(options) != nullptr;
}

// input_weights [D 4 hidden, C], recurrent_weights [D 4 hidden, outputs], bias [D 4 hidden] and,
// projected, projection [D outputs, hidden]; with gate normalization input_scale, recurrent_scale
// [D 4 hidden], cell_scale, cell_offset [D hidden]; where they are given or learned, hidden_state
// [D outputs] and cell_state [D hidden] in front of all.
class LstmLayer : public Layer {
 public:
  explicit LstmLayer(const LstmOptions& options);
  const LstmOptions& options() const { return options_; }
  std::string_view type() const override { return "LSTM"; }
  std::string_view short_name() const override { return "lstm"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  std::vector<Value> Normalized(Graph& graph, std::vector<Value> reads,
                                const ops::RecurrentSettings& settings) const;

  LstmOptions options_;
};

// The same three of 3 hidden; with a second bias recurrent_bias [D 3 hidden]; hidden_state
// [D hidden] as above.
class GruLayer : public Layer {
 public:
  explicit GruLayer(const GruOptions& options);
  const GruOptions& options() const { return options_; }
  std::string_view type() const override { return "GRU"; }
  std::string_view short_name() const override { return "gru"; }
  std::vector<Value> Build(Graph& graph, std::span<const Value> inputs) const override;
  std::string Description() const override;

 private:
  GruOptions options_;
};

}  // namespace normkit
