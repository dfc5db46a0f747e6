// The kernels of one SIMD target and one dtype.
#pragma once

#include <cstdint>

#include "normkit/core/dtype.h"
#include "src/norm/cpu/exact_sum.h"
#include "src/norm/cpu/job.h"
#include "src/norm/cpu/kernels/column_cut.h"

namespace normkit {
struct Quantizer;  // quantize.h
}

namespace normkit::norm::cpu {

// Elements [begin, end) of each of the runs [first_run, last_run); backward in element form the
// same `repeats` times, each `step` runs on.
struct RunTask {
  int64_t first_run, last_run;
  int64_t begin, end;
  int64_t repeats = 1, step = 0;
};

// What is asked for while other elements are written; null: nothing.
struct NextInput {
  const void* x = nullptr;
  const void* residual = nullptr;
};

// Elements from `at` on.
inline NextInput NextOf(const ForwardJob& job, int64_t at, size_t element_bytes) {
  if (job.pitched) return {};
  const auto of = [&](const InputArray& array) -> const void* {
    return array ? static_cast<const char*>(array.data()) + at * static_cast<int64_t>(element_bytes)
                 : nullptr;
  };
  return {of(job.prepares() ? job.source : job.x), of(job.residual)};
}

// One chunk (row_blocks.h) of units or cells [first, last), at most kMaxGroup, block by block:
// short runs of neighbours lie in the same cache lines.
struct UnitsOfChunk {
  int64_t first, last;
  int64_t chunk;
};

// How the backward pass of runs in element form goes.
enum class RunWalk {
  kParts,  // any parts of runs: what passes through the statistics is known, or not wanted
  kUnits,  // whole units, of which that is summed first
  kRows,   // the same of units whose runs lie in a row and share all parameters
};

struct KernelTable {
  // Computes x or dy of runs (job.prepares()), and dy of units [first, last) of rows.
  void (*prepare_x)(const ForwardJob& job, const RunTask& task);
  void (*prepare_dy)(const BackwardJob& job, const RunTask& task);
  void (*prepare_dy_units)(const BackwardJob& job, int64_t first, int64_t last);

  // Moments of each unit.
  void (*reduce_rows)(const ForwardJob& job, const UnitsOfChunk& task, Moments* moments);
  // Mean and m2 of each column of the task.
  void (*reduce_columns)(const ForwardJob& job, const ColumnTask& task, double* mean, double* m2);
  // Mean, variance and rstd of statistics [first, last) from their moments.
  void (*finish_statistics)(const ForwardJob& job, const Moments* moments, int64_t first,
                            int64_t last);
  // Coefficients of cells or statistics [first, last) into job.table.
  void (*fill_table)(const Job& job, int64_t first, int64_t last);
  void (*apply_runs)(const ForwardJob& job, const RunTask& task);
  // Reduces and applies strips [first, last) of channels (ColumnCut::ForStrips), all rows of each.
  void (*forward_strips)(const ForwardJob& job, int64_t first, int64_t last);
  // Reduces and applies units [first, last) of rows.
  void (*forward_rows)(const ForwardJob& job, int64_t first, int64_t last);

  // n elements of y in 8 bits, while as many of `next` come from memory; the largest of their
  // magnitudes, NaN where one is.
  void (*quantize)(const Quantizer& to, const void* y, int64_t n, void* out, const NextInput& next);
  double (*largest)(const void* y, int64_t n);
  // forward_rows and quantize in one; false where units are not taken so, and nothing is written.
  // Null where none are.
  bool (*forward_integers)(const ForwardJob& job, const Quantizer& to, int64_t first, int64_t last,
                           uint8_t* out);

  // Cell form. Sums of dy and dy * (x - hi) of each cell, one behind the other; over each column of
  // a task.
  void (*reduce_gradient_rows)(const BackwardJob& job, const UnitsOfChunk& task, double* sums);
  void (*reduce_gradient_columns)(const BackwardJob& job, const ColumnTask& task, CellSums sums);
  // What passes through mean and variance, of cells [first, last), into job.table.
  void (*fill_gradient_table)(const BackwardJob& job, int64_t first, int64_t last);
  // dx, by runs and of units [first, last) of rows.
  void (*apply_gradient_runs)(const BackwardJob& job, const RunTask& task);
  void (*apply_gradient_units)(const BackwardJob& job, int64_t first, int64_t last);
  // The whole backward pass of a strip of channels: dx, where it is wanted, and the sums of its
  // parameters.
  void (*backward_strip)(const BackwardJob& job, int64_t strip, double* dgamma, double* dbeta);

  // Element form. Sums of w and w * (x - hi) of blocks [first, last) of a unit of runs; then dx,
  // where wanted, of the task's runs, counted unit by unit, and what they add to the parameters.
  void (*reduce_element_runs)(const BackwardJob& job, int64_t unit, int64_t first, int64_t last,
                              double* w, double* w_x);
  void (*backward_runs)(const BackwardJob& job, const RunTask& task, RunWalk walk,
                        const ParameterSums& parameters);
  // The same for columns.
  void (*reduce_element_columns)(const BackwardJob& job, const ColumnTask& task, double* w,
                                 double* w_x);
  void (*backward_columns)(const BackwardJob& job, const StripTask& task,
                           const ParameterSums& parameters);

  // The whole backward pass of units [first, last) in cell form, of small cells (AreSmallCells);
  // null where they are taken like others.
  void (*backward_small_cells)(const BackwardJob& job, int64_t first, int64_t last);
};

// For the best SIMD target of this processor, or the one that the environment variable
// NORMKIT_TARGET names (AVX3, AVX2, SSE4, SCALAR).
const KernelTable& Kernels(DType dtype);

// The same for one dtype each (tables.cc).
const KernelTable& TableF32();
const KernelTable& TableF64();
const KernelTable& TableBF16();
const KernelTable& TableF16();

}  // namespace normkit::norm::cpu
