// One call of one normalization, as the kernels see it.
#pragma once

#include "normkit/core/moments.h"
#include "normkit/norm/normalization.h"
#include "src/norm/cpu/geometry.h"

namespace normkit {

// How many units are reduced and then written together at most.
inline constexpr int64_t kMaxGroup = 16;
// How many runs are written in turns at most.
inline constexpr int64_t kMaxTiledRuns = 4;

struct Job {
  const Geometry* geometry;
  bool center;
  bool relu;               // ReLU, in the kernels themselves
  bool f64;                // arithmetic and parameters
  bool stream;             // store past the caches
  int64_t group = 1;       // units that are reduced and then written together
  int64_t tiled_runs = 1;  // runs that are written in turns
  int64_t ahead = 0;       // elements from what is written to what is fetched meanwhile
  int64_t read_ahead = 0;  // the same from what is reduced
  double epsilon;
  const void* x;
  void* y;
  const void* gamma;  // of the parameters' type, never null
  const void* beta;
  double* mean;
  double* rstd;
  double* variance;  // null: not wanted

  // The coefficients of every cell (cell form with vectors) or every statistic (element form with
  // vectors), of the arithmetic's type, as the kernels lay them out; null where runs share theirs.
  void* table;

  // What is done to gamma * xhat + beta in a buffer before it is stored: an array added, and an
  // activation other than a ReLU alone.
  bool finishes = false;
  Activation activation = Activation::kNone;
  double negative_slope = 0;
  const void* addend = nullptr;

  // What is computed, unit by unit, before the statistics see it: x as source + residual, or dy as
  // what of dz passes the activation.
  bool prepares = false;
  const void* source = nullptr;
  const void* residual = nullptr;
  const void* dz = nullptr;
  const void* activated = nullptr;  // what the forward pass wrote

  // Backward only.
  const void* dy = nullptr;
  void* dx = nullptr;
  const Geometry* statistics = nullptr;  // from y (from_y.h): `geometry` has a statistic a cell
  bool accumulate = false;
  bool fixed = false;        // mean and rstd are constants
  double* mean_w = nullptr;  // E[w] and E[w * xhat] of every statistic
  double* mean_w_xhat = nullptr;
  double* cell_dy = nullptr;  // sums of dy and dy * (x - hi) of every cell (cell form)
  double* cell_dy_x = nullptr;
};

// The mean of a statistic as the two numbers that the kernels subtract: x - hi is exact where x is
// near the mean, and lo is what hi leaves out.
template <class R>
struct SplitMean {
  explicit SplitMean(double mean) : hi(static_cast<R>(mean)), lo(mean - static_cast<double>(hi)) {}
  R hi;
  double lo;
};

inline double ParameterOf(const Job& job, const void* values, int64_t param) {
  return job.f64 ? static_cast<const double*>(values)[param]
                 : static_cast<double>(static_cast<const float*>(values)[param]);
}
inline double GammaOf(const Job& job, int64_t param) { return ParameterOf(job, job.gamma, param); }
inline double BetaOf(const Job& job, int64_t param) { return ParameterOf(job, job.beta, param); }

// A sum of dy * xhat from the sums of dy and dy * (x - hi) that the kernels add up.
template <class R>
double XhatSum(SplitMean<R> mean, double rstd, double sum, double sum_x) {
  return rstd * (sum_x - mean.lo * sum);
}
inline double XhatSum(const Job& job, int64_t stat, double sum, double sum_x) {
  const double mean = job.mean[stat], rstd = job.rstd[stat];
  return job.f64 ? XhatSum(SplitMean<double>(mean), rstd, sum, sum_x)
                 : XhatSum(SplitMean<float>(mean), rstd, sum, sum_x);
}

inline double CellXhatSum(const Job& job, int64_t stat, int64_t cell) {
  const double sum = XhatSum(job, stat, job.cell_dy[cell], job.cell_dy_x[cell]);
  return job.statistics ? sum / (job.rstd[stat] * GammaOf(job, job.geometry->ParamOf(cell))) : sum;
}

}  // namespace normkit
