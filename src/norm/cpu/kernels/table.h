// The kernels of one SIMD target and one dtype.
#pragma once

#include <cstdint>

#include "normkit/core/dtype.h"
#include "src/norm/cpu/job.h"
#include "src/norm/cpu/kernels/column_pieces.h"
#include "src/norm/cpu/kernels/column_task.h"

namespace normkit {

// Elements [begin, end) of each of the runs [first_run, last_run).
struct RunTask {
  int64_t first_run, last_run;
  int64_t begin, end;
};

struct KernelTable {
  // Computes x or dy (job.prepares) of runs, of units [first, last) of rows.
  void (*prepare_runs)(const Job& job, const RunTask& task);
  void (*prepare_units)(const Job& job, int64_t first, int64_t last);

  // Moments of one chunk (row_blocks.h) of one unit.
  Moments (*reduce_rows)(const Job& job, int64_t unit, int64_t chunk);
  // Mean and m2 of each column of the task.
  void (*reduce_columns)(const Job& job, const ColumnTask& task, double* mean, double* m2);
  // Coefficients of cells or statistics [first, last) into job.table.
  void (*fill_table)(const Job& job, int64_t first, int64_t last);
  void (*apply_runs)(const Job& job, const RunTask& task);
  // Reduces and applies units [first, last) of rows.
  void (*forward_rows)(const Job& job, int64_t first, int64_t last);

  // Sums of dy and dy * (x - hi) over one chunk of one cell; over each column of a task.
  void (*reduce_gradient_rows)(const Job& job, int64_t cell, int64_t chunk, double* sums);
  void (*reduce_gradient_columns)(const Job& job, const ColumnTask& task, double* dy, double* dy_x);
  // What passes through mean and variance, of cells [first, last), into job.table.
  void (*fill_gradient_table)(const Job& job, int64_t first, int64_t last);
  // dx, by runs and of units [first, last) of rows.
  void (*apply_gradient_runs)(const Job& job, const RunTask& task);
  void (*apply_gradient_units)(const Job& job, int64_t first, int64_t last);
  // dx of units [first, last) in element form; adds to dgamma and dbeta.
  void (*backward_rows)(const Job& job, int64_t first, int64_t last, double* dgamma, double* dbeta);

  // Element form, runs (gradient_runs-inl.h). Sums of w and w * (x - hi) over one chunk of a unit;
  // then dx, where wanted, of the task's runs, counted unit by unit, and what they add to dgamma
  // and dbeta. `gather`: with the sums of each unit before, from its first run to its last.
  void (*reduce_element_runs)(const Job& job, int64_t unit, int64_t chunk, double* sums);
  void (*backward_runs)(const Job& job, const RunTask& task, bool gather, double* dgamma,
                        double* dbeta);
  // The same for columns (gradient_columns-inl.h), of rows [first_row, last_row) of a piece.
  void (*reduce_element_columns)(const Job& job, int64_t piece, int64_t first_row, int64_t last_row,
                                 double* w, double* w_x);
  void (*backward_columns)(const Job& job, const ColumnSpan& span, double* dgamma, double* dbeta);
};

// For the best SIMD target of this processor, or the one that the environment variable
// NORMKIT_TARGET names (AVX3, AVX2, SSE4, SCALAR).
const KernelTable& Kernels(DType dtype);
const char* TargetName();

// The same for one dtype each (tables.cc).
const KernelTable& TableF32();
const KernelTable& TableF64();
const KernelTable& TableBF16();
const KernelTable& TableF16();

}  // namespace normkit
