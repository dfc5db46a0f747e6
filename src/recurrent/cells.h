// The arithmetic of gates, for a few rows at a time: what comes after a step's matrix product.
#pragma once

#include <cstdint>

namespace normkit::recurrent {

// What gates and states go through. All give their derivative by their value.
//   sigmoid       1 / (1 + e^-x)             value (1 - value)
//   hard sigmoid  0.2 x + 0.5 within 0 and 1  0.2 inside, 0 at the ends
//   tanh          tanh(x)                     1 - value^2
//   softsign      x / (1 + |x|)               (1 - |value|)^2
enum class GateFunction { kSigmoid, kHardSigmoid };
enum class StateFunction { kTanh, kSoftsign };

struct CellFunctions {
  GateFunction gate = GateFunction::kSigmoid;
  StateFunction state = StateFunction::kTanh;
};

// A row an observation, each where its pointer says.
using Rows = float* const*;
using ConstRows = const float* const*;

// Gates are [i f g o], `hidden` numbers each. What may be null is not wanted.
//   i, f, o = gate(..), g = state(..), over what they are of
//   c = f c_before + i g,  out = o state(c)
struct LstmCells {
  CellFunctions functions;
  int64_t hidden;
  Rows gates;
  ConstRows c_before;  // may be c
  Rows c;
  Rows state_c;  // may be null
  Rows out;
  void Forward(int64_t rows) const;
};

// From dout = out1 + out2 and dc (in: from the step behind; out: for the step before) to the
// gradient of what the gates are of.
struct LstmCellGradients {
  CellFunctions functions;
  int64_t hidden;
  ConstRows gates, c_before, state_c;
  ConstRows dout1, dout2;
  Rows dc;
  Rows dgates;
  void Backward(int64_t rows) const;
};

// Of an LSTM whose state is normalized, behind LstmCells: state_c = state(sums), out = o state_c.
struct LstmOutputs {
  CellFunctions functions;
  int64_t hidden;
  ConstRows gates, sums;
  Rows state_c, out;
  void Forward(int64_t rows) const;
};

// And back, in front of LstmCellGradients: from dout = dout1 + dout2 to the gradients of what the
// output gate is of, and of the sums.
struct LstmOutputGradients {
  CellFunctions functions;
  int64_t hidden;
  ConstRows gates, state_c, dout1, dout2;
  Rows dgate, dsums;
  void Backward(int64_t rows) const;
};

// What resets before the candidate's product is computed in two parts.
enum class GruPart { kWhole, kReset, kFinish };

// Gates are [r z n], the last without what h_before adds to it.
struct GruCells {
  CellFunctions functions;
  int64_t hidden;
  bool keeps;  // r, z and n over what they are of
  Rows gates;
  Rows candidate;
  ConstRows h_before;  // may be h
  Rows h;
  // r, z = gate(..), n = state(.. + r candidate), h = (1 - z) n + z h_before
  void Forward(int64_t rows) const;
  // r, z = gate(..), over what they are of; candidate = r h_before
  void Reset(int64_t rows) const;
  // n = state(..), over what it is of where it is kept; h
  void Finish(int64_t rows) const;
};

// dh += given, to its part of z h_before. dgates [dr dz dn], drecurrent the same but for the
// candidate's part, r dn.
struct GruCellGradients {
  CellFunctions functions;
  int64_t hidden;
  ConstRows gates, candidate, h_before, given;
  Rows dh, dgates, drecurrent;
  Rows dcandidate;
  void Backward(int64_t rows) const;
  // Of what resets before: all but dr; dcandidate is dn.
  void Finish(int64_t rows) const;
  // With `given` the gradient of r h_before: dr, and its part of dh; drecurrent [dr dz].
  void Reset(int64_t rows) const;
};

}  // namespace normkit::recurrent
