// Tasks cut so that the numbers which stand for parameters that were not given are enough.
#pragma once

#include <algorithm>

#include "src/norm/cpu/tasks.h"

namespace normkit::norm::cpu {

// Whether runs are cells with a parameter each, the same ones over and over.
inline bool AreParameterCells(const Geometry& g) {
  return g.cell_form && !g.cells.inner_kept && g.cells.reduced.size() == 1 &&
         g.cell_param.InARow(0) == g.plan.num_param;
}

// Calls f(job, part) for all of a task: at once, or, where others stand for its parameters, for
// parts with at most kTaskElements of those, one behind the other (AreParameterRuns, -Cells).
template <class DirectedJob, class F>
void ForParameters(const DirectedJob& job, const RunTask& task, const F& f) {
  if (!job.repeats_gamma && !job.repeats_beta) return f(job, task);
  const Geometry& g = *job.geometry;
  RunTask part = task;
  for (; part.first_run < task.last_run; part.first_run = part.last_run) {
    const int64_t param = g.cell_form ? g.ParamOf(part.first_run) : 0;
    const int64_t cells = std::min(kTaskElements, g.plan.num_param - param);
    part.last_run = std::min(part.first_run + (g.cell_form ? cells : 1), task.last_run);
    const int64_t most = g.cell_form ? task.end : kTaskElements;
    for (part.begin = task.begin; part.begin < task.end; part.begin = part.end) {
      part.end = std::min(part.begin + most, task.end);
      WithParameters(job, g.cell_form ? param : FirstParameter(g, part),
                     [&](const DirectedJob& of_part) { f(of_part, part); });
    }
  }
}

}  // namespace normkit::norm::cpu
