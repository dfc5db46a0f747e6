// LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000) over sequences of
// different lengths, in one direction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "src/recurrent/cells.h"
#include "src/recurrent/courses.h"

namespace normkit::recurrent {

// Of every step: gates = W x + R h_before + b, through LstmCells; h = out, or Q out where it is
// projected (Sak et al. 2014).
struct LstmShape {
  int64_t inputs, hidden;
  int64_t outputs;  // of h: `hidden`, or what it is projected to
  bool projects = false;
  CellFunctions functions = {};
  int64_t gates() const { return 4 * hidden; }
};

// [4 hidden, inputs], [4 hidden, outputs], [4 hidden] in the order input gate, forget gate, cell
// candidate, output gate; [outputs, hidden].
struct LstmWeights {
  const float *input, *recurrent, *bias, *projection = nullptr;
};

// Before the first step and behind the last, [observations, ..] with rows `h_step` and `c_step`
// apart; null: zeros, and not wanted.
template <class T>
struct LstmState {
  T *h = nullptr, *c = nullptr;
  int64_t h_step = 0, c_step = 0;
};

// What is kept of each row for Backward. Null in prediction.
struct LstmKept {
  float* gates = nullptr;        // [rows, 4 hidden]
  float* c = nullptr;            // [rows, hidden]
  float* state_c = nullptr;      // [rows, hidden]
  float* unprojected = nullptr;  // [rows, hidden], where it is projected
  // In memory of LstmKeptSize floats.
  static LstmKept In(float* memory, const LstmShape& shape, int64_t rows);
};
size_t LstmKeptSize(const LstmShape& shape, int64_t rows);

// Rows of `h` and `dh` are so far apart.
struct LstmForward {
  LstmShape shape;
  const float* x;  // [rows, inputs]
  LstmWeights weights;
  LstmState<const float> begin;
  float* h;  // [rows, outputs]
  int64_t h_step;
  LstmKept kept;
  LstmState<float> end;
};

// Floats of 64-byte aligned memory for packed weights.
size_t LstmForwardScratch(const LstmShape& shape);
void PackLstm(const LstmForward& lstm, float* scratch);
// One group; after PackLstm, on any thread.
void RunLstm(const LstmForward& lstm, const float* scratch, std::span<const Course> group);

// From the gradient of h to that of the gates' sums, of which those of x and the weights are
// products over all rows.
struct LstmBackward {
  LstmShape shape;
  LstmWeights weights;
  LstmState<const float> begin;
  LstmKept kept;
  const float* dh;  // of each row; or, `of_last_row`, of each observation's last one
  int64_t dh_step;
  bool of_last_row;
  LstmState<const float> dend;
  float* dgates;      // [rows, 4 hidden]
  float* dprojected;  // [rows, outputs], the whole gradient of h, where it is projected
  LstmState<float> dbegin;
  bool add_h = false, add_c = false;  // to what is in dbegin
};

size_t LstmBackwardScratch(const LstmShape& shape);
void PackLstm(const LstmBackward& lstm, float* scratch);
void RunLstm(const LstmBackward& lstm, const float* scratch, std::span<const Course> group);

}  // namespace normkit::recurrent
