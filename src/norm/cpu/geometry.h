// How one normalization is laid out for the kernels; made once, from the plan.
#pragma once

#include "normkit/norm/spec.h"
#include "src/norm/cpu/nest.h"

namespace normkit::norm::cpu {

// A cell is a set of elements that share both their statistic and their parameter. Where cells are
// large ("cell form"), the coefficients of a cell are folded into y = (x - hi) * c + d. Where they
// are not (layer normalization of BTC), y = ((x - hi) * r + e) * gamma + beta ("element form").
struct Geometry {
  Geometry(const NormSpec& spec, const Layout& layout);

  Plan plan;        // kept x affine
  Nest statistics;  // over the kept axes
  Nest cells;       // over the axes kept or affine
  Nest reduce;      // one of the two: what the kernels gather moments over
  bool folds;       // it is `cells`, and cells are merged into statistics afterwards
  bool cell_form;

  Loops cell_stat, cell_param;  // cell -> statistic, parameter
  int64_t num_cells = 1;

  // Runs: the innermost level of the memory, run r at r * run_length. Where *_vector is set the
  // index moves with the element, else the whole run shares it.
  int64_t run_length = 1, num_runs = 1;
  Loops run_cell, run_stat, run_param;
  bool cell_vector = false, stat_vector = false, param_vector = false;

  // Element form: the runs once more, by what their statistics are kept and reduced over. Run (k,
  // r) has the statistic k (k * run_length and on where stat_vector is set) and the parameter
  // kept_param.Offset(k) + reduced_param.Offset(r) (and on where param_vector is set).
  Nest elements;
  Loops kept_param, reduced_param;

  // The gathering of unit u (one pass of the outer kept loops of `reduce`) ends in statistics
  // [u * unit_stats, (u + 1) * unit_stats), touched by no other unit.
  int64_t num_units() const { return reduce.kept.size(); }
  int64_t unit_stats = 1;
  bool units_apart = true;
  bool units_contiguous = true;  // unit u is the u-th part of the memory

  // The longest run that kernels take in one piece; those of all others divide it.
  int64_t LongestRun() const;

  // Each cell is the statistic and the parameter of the same number (batch normalization).
  bool CellsAreChannels() const { return cell_stat.IsIdentity() && cell_param.IsIdentity(); }
  int64_t StatOf(int64_t cell) const { return cell_stat.Offset(cell); }
  int64_t ParamOf(int64_t cell) const { return cell_param.Offset(cell); }
};

}  // namespace normkit::norm::cpu
