// One call of one normalization, as the kernels see it.
#pragma once

#include "normkit/core/moments.h"
#include "normkit/norm/normalization.h"
#include "src/norm/cpu/geometry.h"
#include "src/norm/cpu/xhat_means.h"

namespace normkit::norm::cpu {

// How many units are reduced and then written together at most.
inline constexpr int64_t kMaxGroup = 16;
// How many runs are written in turns at most.
inline constexpr int64_t kMaxTiledRuns = 4;

// How memory is walked: what changes the time, and no bit of the results.
struct Walk {
  bool stream = false;     // store past the caches
  int64_t group = 1;       // units that are reduced and then written together
  int64_t tiled_runs = 1;  // runs that are written in turns
  int64_t ahead = 0;       // elements from what is written to what is fetched meanwhile
  int64_t read_ahead = 0;  // the same from what is reduced
};

// Coefficients of neighbouring elements that differ, an array of each, of the arithmetic's type: of
// every cell (cell form) or every statistic (element form). Empty where the elements of a run share
// theirs.
struct CoefficientTable {
  enum Array { kHi, kSlope, kOffset, kThroughSlope, kThroughOffset, kShift };
  static constexpr int64_t kForwardArrays = 3, kBackwardArrays = 6;

  void* values = nullptr;
  int64_t size = 0;  // of each array

  bool empty() const { return size == 0; }
  template <class R>
  R* Get(int array, int64_t first = 0) const {
    return static_cast<R*>(values) + array * size + first;
  }
};

// Both directions.
struct Job : Walk {
  const Geometry* geometry;
  bool center;
  bool f64;   // arithmetic and parameters
  bool relu;  // ReLU alone, in the kernels themselves
  Activation activation;
  double activation_parameter;  // the slope of a leaky ReLU, the alpha of an ELU
  const void* x;                // what the statistics are of
  const void* gamma;            // of the parameters' type, never null
  const void* beta;
  const double* mean;
  const double* rstd;
  CoefficientTable table;
  const void* addend = nullptr;  // behind gamma * xhat + beta; null: nothing
};

struct ForwardJob : Job {
  double epsilon;
  void* y;
  SavedStatistics saved;  // mean and rstd once more, to be written; a null variance is not wanted
  // x is `sum`, computed unit by unit before the statistics see it; null: nothing is added.
  const void* source = nullptr;
  const void* residual = nullptr;
  void* sum = nullptr;
  // gamma * xhat + beta stands in a buffer before an array is added, or an activation other than a
  // ReLU alone.
  bool finishes = false;

  bool prepares() const { return residual != nullptr; }
};

// Sums of dy and of dy * (x - hi), then of dy * xhat, of every cell (cell form).
struct CellSums {
  double* dy = nullptr;
  double* dy_x = nullptr;
};

// Where the gradients of the parameters go, in f64; never null.
struct ParameterSums {
  double* dgamma;
  double* dbeta;
};

struct BackwardJob : Job {
  const void* dy;
  void* dx;  // null: not wanted
  bool accumulate = false;
  bool fixed = false;  // mean and rstd are constants
  // A cell is all that there is of its statistic here, which has one parameter.
  bool one_cell = false;
  // It is the whole statistic, with its own mean: its x - mean add up to 0.
  bool whole = false;
  XhatMeans means;
  CellSums cells;
  const Geometry* statistics = nullptr;  // from y (from_y.h): `geometry` has a statistic a cell
  // dy is `passed`, computed unit by unit before the sums see it: what of dz passes the activation
  // that wrote `activated` (null: all of it), or that is computed again. Null: nothing is computed.
  const void* dz = nullptr;
  const void* activated = nullptr;
  bool activates = false;  // again; the table has the coefficients of the forward pass for that
  void* passed = nullptr;

  bool prepares() const { return dz != nullptr; }
};

inline double ParameterOf(const Job& job, const void* values, int64_t param) {
  return job.f64 ? static_cast<const double*>(values)[param]
                 : static_cast<double>(static_cast<const float*>(values)[param]);
}
inline double GammaOf(const Job& job, int64_t param) { return ParameterOf(job, job.gamma, param); }
inline double BetaOf(const Job& job, int64_t param) { return ParameterOf(job, job.beta, param); }

}  // namespace normkit::norm::cpu
