// LSTM and GRU over padded arrays, as ONNX has them.
#pragma once

#include "src/ops/recurrent/recurrent.h"

namespace normkit::ops {

struct RecurrentArraySettings {
  recurrent::CellKind cell = recurrent::CellKind::kLstm;
  Direction direction = Direction::kForward;
  bool batch_first = false;    // x [B,T,C], y [B,T,D,H] and states [B,D,H]
  bool resets_before = false;  // GRU
  // Which inputs follow x and the two weights, in this order.
  bool biases = false, lengths = false, h = false, c = false;
};

// x [T,B,C], weights [D, gates H, C] and [D, gates H, H], biases [D, 2 gates H], lengths [B] (i64
// or i32, 0 to T), states [D,B,H]; gates in ONNX's order, i o f c and z r h. Gives y [T,D,B,H], 0
// behind a length, h and of LSTM c behind the last step. For prediction: it has no gradient.
OpPtr RecurrentArrays(const RecurrentArraySettings& settings);

}  // namespace normkit::ops
