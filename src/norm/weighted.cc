#include "src/norm/weighted.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "src/core/fail.h"
#include "src/core/scratch.h"
#include "src/core/strided_loops.h"
#include "src/norm/cpu/exact_sum.h"
#include "src/norm/strides.h"

namespace normkit {
namespace {

struct WeightedTag;

constexpr Dims kChannels = kG | kC;

// Of one statistic.
struct WeightedSums {
  bool begun;
  double shift;  // an element of it
  double weight, weight_rest;
  double first, first_rest;    // of weight * (x - shift)
  double square, square_rest;  // of weight * (x - shift)^2
};

void AddTo(double weight, double x, WeightedSums& sums) {
  using norm::cpu::AddExactly;
  const double d = x - sums.shift, product = weight * d;
  AddExactly(weight, sums.weight, sums.weight_rest);
  AddExactly(product, sums.first, sums.first_rest);
  AddExactly(product * d, sums.square, sums.square_rest);
}

double Value(float x) { return static_cast<double>(x); }
double Value(double x) { return x; }
template <class T>
double Value(T x) {
  return static_cast<double>(ToFloat(x));
}

// Strides of an array that has only the axes whose labels are among these.
Strides StridesOver(const Layout& layout, Dims labels) {
  std::vector<int64_t> sizes;
  for (const Axis& axis : layout.axes()) sizes.push_back(axis.label & labels ? axis.size : 1);
  Strides strides = DenseStrides(sizes);
  for (size_t i = 0; i < sizes.size(); ++i)
    if (!(layout.axes()[i].label & labels)) strides[i] = 0;
  return strides;
}

void CheckWeights(const Problem& problem, const Layout& layout, const float* weights,
                  int64_t first) {
  for (int64_t i = 0; i < NumWeights(layout); ++i)
    if (!(weights[i] >= 0) || !std::isfinite(weights[i]))
      Fail("{}: Gather: weights[{}] is {}, expected 0 or more", problem.Title(), first + i,
           weights[i]);
}

template <class T>
class Weighted {
 public:
  Weighted(const Problem& problem, const Layout& layout, const void* x, const float* weights)
      : center_(problem.spec.center),
        x_(static_cast<const T*>(x)),
        weights_(weights),
        loops_(Sizes(layout), {StridesOfX(problem, layout), StridesOver(layout, Dims(~kChannels)),
                               StridesOver(layout, Dims(~problem.spec.reduce))}) {}

  void Gather(int64_t n, Moments* moments) const {
    auto* sums = Scratch<WeightedTag, WeightedSums>(static_cast<size_t>(n));
    std::fill_n(sums, n, WeightedSums{});
    // Around any element of each first: where that is an outlier, squares cancel.
    if (center_) {
      Pass(sums);
      for (int64_t s = 0; s < n; ++s) {
        const double mean = Offset(sums[s]);
        sums[s] = {.begun = sums[s].begun, .shift = std::isfinite(mean) ? mean : sums[s].shift};
      }
    }
    Pass(sums);
    for (int64_t s = 0; s < n; ++s) {
      const double weight = sums[s].weight + sums[s].weight_rest;
      const double first = sums[s].first + sums[s].first_rest;
      const double square = sums[s].square + sums[s].square_rest;
      moments[s] =
          weight == 0 ? Moments{}
          : center_   ? Moments{weight, Offset(sums[s]), KeepNaN(square - first * (first / weight))}
                      : Moments{weight, 0, square};
    }
  }

 private:
  static std::vector<int64_t> Sizes(const Layout& layout) {
    std::vector<int64_t> sizes;
    for (const Axis& axis : layout.axes()) sizes.push_back(axis.size);
    return sizes;
  }
  static Strides StridesOfX(const Problem& problem, const Layout& layout) {
    const auto& given = problem.options.strides.x;
    return given.empty() ? DenseStrides(Sizes(layout))
                         : StridesOfAxes(problem.Title(), Name(NormArray::kX), layout, given);
  }
  static double Offset(const WeightedSums& s) {
    const double weight = s.weight + s.weight_rest;
    return weight == 0 ? 0 : s.shift + (s.first + s.first_rest) / weight;
  }
  static double KeepNaN(double m2) { return m2 < 0 ? 0 : m2; }

  void Pass(WeightedSums* sums) const {
    loops_.ForRuns(
        [&](const auto& at, int64_t n) {
          const int64_t of_x = loops_.stride(0), of_weight = loops_.stride(1),
                        of_stat = loops_.stride(2);
          for (int64_t i = 0; i < n; ++i) {
            const float weight = weights_[at[1] + i * of_weight];
            if (weight == 0) continue;
            WeightedSums& s = sums[at[2] + i * of_stat];
            const double x = Value(x_[at[0] + i * of_x]);
            if (!s.begun) s.begun = true, s.shift = center_ ? x : 0;
            AddTo(static_cast<double>(weight), x, s);
          }
        },
        /*threads=*/false);
  }

  const bool center_;
  const T* x_;
  const float* weights_;
  const StridedLoops<3> loops_;
};

}  // namespace

int64_t NumWeights(const Layout& layout) { return layout.SizeOf(Dims(~kChannels)); }

void GatherWeighted(const Problem& problem, const Layout& layout, const void* x,
                    const float* weights, int64_t first, Moments* moments) {
  weights += first;
  CheckWeights(problem, layout, weights, first);
  const int64_t n = layout.SizeOf(Dims(~problem.spec.reduce));
  switch (problem.dtype) {
    case DType::kF64:
      return Weighted<double>(problem, layout, x, weights).Gather(n, moments);
    case DType::kBF16:
      return Weighted<BFloat16>(problem, layout, x, weights).Gather(n, moments);
    case DType::kF16:
      return Weighted<Float16>(problem, layout, x, weights).Gather(n, moments);
    default:  // f32: a problem is of floating-point numbers
      return Weighted<float>(problem, layout, x, weights).Gather(n, moments);
  }
}

}  // namespace normkit
