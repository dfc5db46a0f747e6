#include "src/norm/cpu/geometry.h"

#include <algorithm>

namespace normkit::norm::cpu {
namespace {

constexpr int64_t kWorthCells = 4;  // elements of a cell that pay for folding its coefficients
// Channels that are fewer than pay for a loop over them, and elements that pay for sums of each.
constexpr int64_t kFewColumns = 64, kWorthColumns = 64;

Dims Not(Dims labels) { return static_cast<Dims>(~labels); }

}  // namespace

Geometry::Geometry(const NormSpec& spec, const Layout& layout)
    : plan(MakePlan(layout, Not(spec.reduce), spec.affine)),
      statistics(MakeNest(MakePlan(layout, Not(spec.reduce), 0))) {
  const Plan cell_plan =
      MakePlan(layout, static_cast<Dims>(Not(spec.reduce) | (spec.affine & Not(0))), 0);
  cells = MakeNest(cell_plan);
  num_cells = cell_plan.num_stat;
  for (const Level& level : plan.levels) {
    if (!level.kept && level.param_stride == 0) continue;
    cell_stat.Add(level.size, level.stat_stride);
    cell_param.Add(level.size, level.param_stride);
  }

  const bool contiguous = !statistics.inner_kept && statistics.reduced.size() == 1;
  const bool affine_inside = !plan.levels.empty() && plan.levels.back().param_stride != 0;
  // Runs that share both have no element form.
  const bool run_in_cell =
      !plan.levels.empty() && !plan.levels.back().kept && plan.levels.back().param_stride == 0;
  const bool worth = num_cells == plan.num_stat || num_cells == plan.num_param ||
                     plan.size >= kWorthCells * num_cells || run_in_cell;
  // Layer normalization over pictures of few channels, channels last.
  const bool columns = contiguous && cells.inner_kept && cells.inner <= kFewColumns &&
                       cells.reduced.size() >= std::max(kWorthColumns, 4 * cells.inner);
  const bool rows = contiguous && !columns;
  cell_form = worth && !(rows && affine_inside && num_cells != plan.num_stat);
  folds = cell_form && num_cells != plan.num_stat && !rows;
  reduce = folds ? cells : statistics;
  unit_stats = plan.num_stat / std::max<int64_t>(1, num_units());
  if (folds && plan.size > 0) {
    const int64_t unit_cells = num_cells / num_units();
    units_apart = unit_stats * num_units() == plan.num_stat &&
                  StatOf((num_units() - 1) * unit_cells) == (num_units() - 1) * unit_stats &&
                  StatOf(num_cells - 1) == plan.num_stat - 1;
  }

  units_contiguous =
      plan.size == 0 || num_units() == 1 || reduce.kept.Offset(1) * num_units() == plan.size;

  // Cell runs may span levels that differ in the plan (group and channel): take the cells' own.
  if (cell_form) {
    for (size_t i = 0; i + 1 < cell_plan.levels.size(); ++i)
      run_cell.Add(cell_plan.levels[i].size, cell_plan.levels[i].stat_stride);
    run_length = cells.inner;
    cell_vector = cells.inner_kept;
  } else {
    for (size_t i = 0; i + 1 < plan.levels.size(); ++i) {
      const Level& level = plan.levels[i];
      run_stat.Add(level.size, level.stat_stride);
      run_param.Add(level.size, level.param_stride);
      (level.kept ? kept_param : reduced_param).Add(level.size, level.param_stride);
    }
    elements = MakeNest(plan);
    if (!plan.levels.empty()) {
      run_length = plan.levels.back().size;
      stat_vector = plan.levels.back().stat_stride != 0;
      param_vector = plan.levels.back().param_stride != 0;
    }
  }
  num_runs = run_length > 0 ? plan.size / run_length : 0;
}

int64_t Geometry::LongestRun() const {
  return cell_form ? std::max({run_length, cells.inner, reduce.inner})
                   : std::max({run_length, elements.inner, reduce.inner});
}

}  // namespace normkit::norm::cpu
