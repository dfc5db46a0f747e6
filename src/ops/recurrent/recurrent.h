// LSTM and GRU over packed time.
#pragma once

#include "src/ops/ops.h"
#include "src/recurrent/recurrent.h"

namespace normkit::ops {

enum class Direction { kForward, kReverse, kBoth };

struct RecurrentSettings {
  recurrent::CellKind cell = recurrent::CellKind::kLstm;
  Direction direction = Direction::kForward;
  bool last = false;    // y is each observation's last row, [B, ..], as the direction reads them
  bool states = false;  // read: inputs behind x, [B, ..]
  bool shared_states = false;  // those are of all observations: [D outputs], [D hidden]
  bool end_states = false;     // given: outputs behind y, [B, ..]
  recurrent::CellFunctions functions = {};
  bool projects = false;        // LSTM
  bool resets_before = false;   // GRU
  bool recurrent_bias = false;  // GRU
  bool normalizes = false;      // LSTM
  int64_t directions() const { return direction == Direction::kBoth ? 2 : 1; }
  bool is_lstm() const { return cell == recurrent::CellKind::kLstm; }
  int64_t gates() const { return is_lstm() ? 4 : 3; }  // times hidden
};

// x [rows, C], with `states` h [B, D outputs] and of LSTM c [B, D hidden] (parameters without B
// where all observations begin with the same), then input weights [D gates hidden, C], recurrent
// weights [D gates hidden, outputs] and bias [D gates hidden], those of a direction together, D
// directions one behind the other; of an LSTM that is projected a projection [D outputs, hidden],
// of a GRU with a second bias [D gates hidden]. An LSTM that normalizes reads the sums of its gates
// [rows, D gates hidden] in place of x, no input weights and no bias, and behind the others scales
// [D gates hidden] and [D hidden] and an offset [D hidden]. Gives h of each row, the directions
// side by side; with `end_states` h and c behind the last row. src/recurrent/recurrent.h has the
// formulas and the order of the gates. What a sequence gives does not depend, to the bit, on the
// others.
OpPtr Recurrent(const RecurrentSettings& settings);

}  // namespace normkit::ops
