// LSTM over packed time.
#pragma once

#include "src/ops/ops.h"
#include "src/recurrent/cells.h"

namespace normkit::ops {

enum class Direction { kForward, kReverse, kBoth };

struct RecurrentSettings {
  Direction direction = Direction::kForward;
  bool last = false;    // y is each observation's last row, [B, ..], as the direction reads them
  bool states = false;  // read: inputs behind x, [B, ..]
  bool end_states = false;  // given: outputs behind y, [B, ..]
  recurrent::CellFunctions functions = {};
  int64_t directions() const { return direction == Direction::kBoth ? 2 : 1; }
};

// x [rows, C], with `states` h [B, D outputs] and c [B, D hidden], then input weights
// [D 4 hidden, C], recurrent weights [D 4 hidden, outputs] and bias [D 4 hidden], gates in the
// order input, forget, candidate, output, those of a direction together, D directions one behind
// the other; where it is projected a projection [D outputs, hidden]. Gives h of each row, the
// directions side by side; with `end_states` h and c behind the last row. src/recurrent/lstm.h has
// the formula. What a sequence gives does not depend, to the bit, on the others.
OpPtr Lstm(const RecurrentSettings& settings, bool projects = false);

}  // namespace normkit::ops
