// Recurrent layers, for the universal test of gradients.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "src/nn/layers/time_cases.h"

namespace normkit {

// Sequences of 4, 1 and 3 steps, and recurrent layers over them.
inline std::vector<LayerCase> RecurrentCases() {
  std::vector<LayerCase> cases;
  const Layout rows = Layout({{kT, 8}, {kC, 5}});
  const auto add = [&](std::string name, const LstmOptions& options,
                       std::vector<Layout> states = {}) {
    std::vector<Layout> inputs{rows};
    inputs.insert(inputs.end(), states.begin(), states.end());
    cases.push_back({"Lstm" + name, [=] { return Lstm(options); }, inputs, false, {0, 4, 5, 8}});
  };
  const auto last = OutputMode::kLast;
  const auto both = SequenceDirection::kBidirectional;
  add("", {.num_hidden_units = 3});
  add("Last", {.num_hidden_units = 17, .output_mode = last});
  add("Reverse", {.num_hidden_units = 3, .direction = SequenceDirection::kReverse});
  add("Bidirectional", {.num_hidden_units = 2, .direction = both});
  add("BidirectionalLast", {.num_hidden_units = 3, .output_mode = last, .direction = both});
  add("Projected", {.num_hidden_units = 5, .output_projection = 2});
  add("ProjectedBidirectionalLast",
      {.num_hidden_units = 4, .output_mode = last, .direction = both, .output_projection = 3});
  add("OfStates", {.num_hidden_units = 3, .has_state_inputs = true, .has_state_outputs = true},
      {Layout({{kB, 3}, {kC, 3}}), Layout({{kB, 3}, {kC, 3}})});
  add("BidirectionalOfStates",
      {.num_hidden_units = 3, .direction = both, .has_state_inputs = true, .output_projection = 2},
      {Layout({{kB, 3}, {kC, 4}}), Layout({{kB, 3}, {kC, 6}})});
  add("Learned", {.num_hidden_units = 3, .learn_initial_states = true});
  add("ProjectedBidirectionalLearned", {.num_hidden_units = 4,
                                        .output_mode = last,
                                        .direction = both,
                                        .hidden_state = {1, 2, -1, .5f},
                                        .learn_initial_states = true,
                                        .output_projection = 2});
  add("Given", {.num_hidden_units = 2, .cell_state = {.5f, -2}});
  const auto add_gru = [&](std::string name, const GruOptions& options,
                           std::vector<Layout> states = {}) {
    std::vector<Layout> inputs{rows};
    inputs.insert(inputs.end(), states.begin(), states.end());
    cases.push_back({"Gru" + name, [=] { return Gru(options); }, inputs, false, {0, 4, 5, 8}});
  };
  const auto before = ResetGateMode::kBeforeMultiplication,
             bias = ResetGateMode::kRecurrentBiasAfterMultiplication;
  add_gru("", {.num_hidden_units = 3});
  add_gru("Last", {.num_hidden_units = 17, .output_mode = last});
  add_gru("Before", {.num_hidden_units = 3, .reset_gate_mode = before});
  add_gru("Bias", {.num_hidden_units = 3, .reset_gate_mode = bias});
  add_gru(
      "BidirectionalBeforeLast",
      {.num_hidden_units = 3, .output_mode = last, .direction = both, .reset_gate_mode = before});
  add_gru("BidirectionalBiasOfStates",
          {.num_hidden_units = 3,
           .direction = both,
           .reset_gate_mode = bias,
           .has_state_inputs = true,
           .has_state_outputs = true},
          {Layout({{kB, 3}, {kC, 6}})});
  add_gru("BeforeOfStates",
          {.num_hidden_units = 2, .reset_gate_mode = before, .has_state_inputs = true},
          {Layout({{kB, 3}, {kC, 2}})});
  add_gru("Learned", {.num_hidden_units = 3, .learn_initial_states = true});
  add_gru("ReverseBiasLearned", {.num_hidden_units = 2,
                                 .direction = SequenceDirection::kReverse,
                                 .reset_gate_mode = bias,
                                 .learn_initial_states = true});
  add_gru("BeforeBidirectionalLearned", {.num_hidden_units = 2,
                                         .direction = both,
                                         .reset_gate_mode = before,
                                         .learn_initial_states = true});
  return cases;
}

}  // namespace normkit
