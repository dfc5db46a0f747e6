// One call of one normalization, as the kernels see it.
#pragma once

#include <limits>

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
  bool from_end = false;   // results are written from the end on, where sums were read last
  bool far = false;        // the arrays do not fit in half the L2 caches of the threads
};

// Rows that lie equally far apart.
template <class T>
struct RowsAt {
  T* first;
  int64_t step;
  T* operator[](int64_t row) const { return first + row * step; }
};

// An array of a call: dense, or with a pitch, of which no piece that a kernel takes ends a run.
template <class V>
class ArrayOf {
 public:
  ArrayOf() = default;
  explicit ArrayOf(V* data, const Pitch* pitch = nullptr) : data_(data), pitch_(pitch) {}
  template <class W>
  ArrayOf(const ArrayOf<W>& other)  // NOLINT(google-explicit-constructor): what is written is read
      : data_(other.data()), pitch_(other.pitch()) {}

  V* data() const { return data_; }
  const Pitch* pitch() const { return pitch_; }
  explicit operator bool() const { return data_ != nullptr; }
  // Element `at` of the dense array, in the order of its layout.
  template <class T>
  auto* At(int64_t at) const {
    using Element = std::conditional_t<std::is_const_v<V>, const T, T>;
    if (__builtin_expect(pitch_ != nullptr, 0)) at = pitch_->Offset(at);
    return static_cast<Element*>(data_) + at;
  }
  // Rows of n elements, no more than are steady from `at` on.
  template <class T>
  auto Rows(int64_t at, int64_t n) const {
    using Element = std::conditional_t<std::is_const_v<V>, const T, T>;
    return RowsAt<Element>{At<T>(at), __builtin_expect(pitch_ != nullptr, 0) ? pitch_->Step(n) : n};
  }
  int64_t SteadyRows(int64_t at, int64_t n) const {
    return pitch_ ? pitch_->SteadyRows(at, n) : std::numeric_limits<int32_t>::max();
  }

 private:
  V* data_ = nullptr;
  const Pitch* pitch_ = nullptr;
};
using InputArray = ArrayOf<const void>;
using OutputArray = ArrayOf<void>;

// Coefficients of neighbouring elements that differ, an array of each, of the arithmetic's type: of
// every cell (cell form) or every statistic (element form). Empty where the elements of a run share
// theirs.
struct CoefficientTable {
  enum Array { kHi, kSlope, kOffset, kThroughSlope, kThroughOffset, kShift };
  static constexpr int64_t kForwardArrays = 3, kBackwardArrays = 6;

  void* values = nullptr;
  int64_t size = 0;   // of each array
  int64_t begin = 0;  // the first cell or statistic that it has

  bool empty() const { return size == 0; }
  template <class R>
  R* Get(int array, int64_t first) const {
    return static_cast<R*>(values) + array * size + (first - begin);
  }
};

// Both directions.
struct Job : Walk {
  const Geometry* geometry;
  bool center;
  NormDivisor divisor;
  bool f64;   // arithmetic and parameters
  bool relu;  // ReLU alone, in the kernels themselves
  Activation activation;
  double activation_parameter;  // the slope of a leaky ReLU, the alpha of an ELU
  bool pitched = false;         // some array of the call: runs do not lie side by side
  InputArray x;                 // what the statistics are of
  const void* gamma;            // of the parameters' type, never null
  const void* beta;
  // Of many that were not given only as many stand there as a task takes (WithParameters, tasks.h).
  bool repeats_gamma = false, repeats_beta = false;
  const double* mean;
  const double* rstd;
  CoefficientTable table;
  InputArray addend;  // behind gamma * xhat + beta; null: nothing
  InputArray gate;    // what the activation is multiplied by; null: nothing
};

struct ForwardJob : Job {
  double epsilon;
  OutputArray y;
  SavedStatistics saved;  // mean and rstd once more, to be written; a null variance is not wanted
  bool keeps_statistics = true;  // false: mean and rstd are the task's own
  // x is `sum`, computed unit by unit before the statistics see it; null: nothing is added.
  InputArray source, residual;
  OutputArray sum;
  // gamma * xhat + beta stands in a buffer before an array is added or multiplied by, or an
  // activation other than a ReLU alone.
  bool finishes = false;
  // Nothing but gamma, in element form: no mean, no beta, nothing behind them (kernels: ByRoot).
  bool by_root = false;
  // bf16, past the caches, rows that share all parameters, which are finite, and nothing behind
  // them (kernels: what is rounded has no NaN that could become something else).
  bool finite_parameters = false;

  bool prepares() const { return bool{residual}; }
};

// Sums of dy and of dy * (x - hi), then of dy * xhat, of every cell (cell form).
struct CellSums {
  double* dy = nullptr;
  double* dy_x = nullptr;

  CellSums From(int64_t cell) const { return {dy + cell, dy_x + cell}; }
};

// Where the gradients of the parameters go, in f64; null: not wanted. Of sums over many rows of f64
// also what rounding takes of them (exact_sum.h); else those are null.
struct ParameterSums {
  double* dgamma = nullptr;
  double* dbeta = nullptr;
  double* dgamma_rest = nullptr;
  double* dbeta_rest = nullptr;
  int64_t first = 0;      // the parameter that they begin with
  int64_t count = 0;      // how many there are; 0: all. Of columns those of a strip, row by row
  bool straight = false;  // into the job's arrays of f32 instead

  bool wanted() const { return dgamma != nullptr || straight; }
};

inline constexpr int64_t kMostStraight = 16;  // runs whose sums of parameters f32 holds

struct BackwardJob : Job {
  InputArray dy;
  OutputArray dx;  // null: not wanted
  bool accumulate = false;
  bool fixed = false;  // mean and rstd are constants
  // A cell is all that there is of its statistic here, which has one parameter.
  bool one_cell = false;
  // It is the whole statistic, with its own mean: its x - mean add up to 0.
  bool whole = false;
  // Where sums of parameters go that are of f32 as they are, and whether past the caches; null: not
  // wanted. Without: by way of ParameterSums.
  bool straight = false;
  float* dgamma = nullptr;
  float* dbeta = nullptr;
  bool stream_parameters = false;
  XhatMeans means;
  CellSums cells;
  const Geometry* statistics = nullptr;  // from y (from_y.h): `geometry` has a statistic a cell
  // dy is `passed`, computed unit by unit before the sums see it: what of dz passes the activation
  // that wrote `activated` (null: all of it), or that is computed again. Null: nothing is computed.
  InputArray dz, activated;
  bool activates = false;  // again; the table has the coefficients of the forward pass for that
  OutputArray passed;
  OutputArray dgate;  // null: not wanted

  bool prepares() const { return bool{dz}; }
};

inline double ParameterOf(const Job& job, const void* values, int64_t param) {
  return job.f64 ? static_cast<const double*>(values)[param]
                 : static_cast<double>(static_cast<const float*>(values)[param]);
}
inline double GammaOf(const Job& job, int64_t param) { return ParameterOf(job, job.gamma, param); }
inline double BetaOf(const Job& job, int64_t param) { return ParameterOf(job, job.beta, param); }

}  // namespace normkit::norm::cpu
