// LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000) and GRU (Cho et
// al. 2014) over sequences of different lengths, in one direction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "src/recurrent/cells.h"
#include "src/recurrent/courses.h"

namespace normkit::recurrent {

enum class CellKind { kLstm, kGru };

// Of every step: gates = W x + R h_before + b, then
//   LSTM  i, f, o = gate(..), g = state(..), c = f c_before + i g, h = o state(c), or a projection
//         of that (Sak et al. 2014)
//   LSTM that `normalizes` (Ba et al. 2016): gates = x + s norm(R h_before), x the sums of
//         the gates of whoever computed them, h = o state(s_c norm(c) + b_c),
//         norm(v) = (v - mean) rstd
//   GRU   r, z = gate(..), n = state(W x + b + r (R h_before + b_R)), or with `resets_before`
//         state(W x + b + R (r h_before)), h = (1 - z) n + z h_before
struct RecurrentShape {
  CellKind cell;
  int64_t inputs, hidden;
  int64_t outputs;  // of h: `hidden`, or what it is projected to
  bool projects = false;
  bool resets_before = false;
  bool normalizes = false;  // `inputs`: how far rows of x are apart
  CellFunctions functions = {};
  int64_t gates() const { return (is_lstm() ? 4 : 3) * hidden; }
  bool is_lstm() const { return cell == CellKind::kLstm; }
};

// [gates, inputs], [gates, outputs], [gates] in the order input gate, forget gate, cell candidate,
// output gate or reset gate, update gate, candidate; [outputs, hidden]; [gates], of GRU: b_R, where
// it is not null.
struct RecurrentWeights {
  const float *input, *recurrent, *bias, *projection = nullptr, *recurrent_bias = nullptr;
  const float *recurrent_scale = nullptr, *cell_scale = nullptr, *cell_offset = nullptr;
};

// Added to the variances of what normalizes.
inline constexpr double kNormEpsilon = 1e-5;

// Before the first step and behind the last, [observations, ..] with rows `h_step` and `c_step`
// apart; null: zeros, and not wanted.
template <class T>
struct RecurrentState {
  T *h = nullptr, *c = nullptr;
  int64_t h_step = 0, c_step = 0;
};

// What is kept of each row for Backward. Null in prediction.
struct RecurrentKept {
  float* gates = nullptr;        // [rows, gates], behind their functions
  float* c = nullptr;            // [rows, hidden], LSTM
  float* state_c = nullptr;      // [rows, hidden], LSTM: state(c)
  float* unprojected = nullptr;  // [rows, hidden], where it is projected
  float* candidate = nullptr;    // [rows, hidden], GRU: R h_before + b_R of n, or r h_before
  // Of what normalizes: norms of R h_before [rows, gates] and of c [rows, hidden], and their rstd
  // [rows, 2].
  float *recurrent_norm = nullptr, *cell_norm = nullptr, *rstds = nullptr;
  // In memory of so many floats.
  static RecurrentKept In(float* memory, const RecurrentShape& shape, int64_t rows);
  static size_t Size(const RecurrentShape& shape, int64_t rows);
};

// Rows of `h` and `dh` are so far apart.
struct RecurrentForward {
  RecurrentShape shape;
  const float* x;  // [rows, inputs]
  RecurrentWeights weights;
  RecurrentState<const float> begin;
  float* h;  // [rows, outputs]
  int64_t h_step;
  RecurrentKept kept;
  RecurrentState<float> end;

  // Floats of 64-byte aligned memory for packed weights.
  static size_t Scratch(const RecurrentShape& shape);
  void Pack(float* scratch) const;
  // One group; after Pack, on any thread.
  void Run(const float* scratch, std::span<const Course> group) const;
};

// From the gradient of h to those of the sums that gates are of, of which the gradients of x and of
// the weights are products over all rows.
struct RecurrentBackward {
  RecurrentShape shape;
  RecurrentWeights weights;
  RecurrentState<const float> begin;
  RecurrentKept kept;
  const float* h;  // as RecurrentForward has it; read of GRU
  int64_t h_step;
  const float* dh;  // of each row; or, `of_last_row`, of each observation's last one; null: zeros
  int64_t dh_step;
  bool of_last_row;
  RecurrentState<const float> dend;
  float* dgates;      // [rows, gates], of W x + b
  float* drecurrent;  // GRU: [rows, gates], of R h + b_R; `resets_before` [rows, 2 hidden];
                      // `normalizes`: [rows, gates], of R h
  float* dcandidate;  // GRU that resets before: [rows, hidden], of R (r h)
  float* dprojected;  // [rows, outputs], the whole gradient of h, where it is projected
  // `normalizes`: [rows, gates] and [rows, hidden], what each row adds to the gradients of the
  // scales and of the offset.
  float *drecurrent_scale, *dcell_scale, *dcell_offset;
  RecurrentState<float> dbegin;
  bool add_h = false, add_c = false;  // to what is in dbegin

  static size_t Scratch(const RecurrentShape& shape);
  void Pack(float* scratch) const;
  void Run(const float* scratch, std::span<const Course> group) const;
};

}  // namespace normkit::recurrent
