// Limited-memory BFGS, for data and networks small enough that a step can take all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "normkit/core/export.h"
#include "normkit/nn/network.h"
#include "normkit/train/optimizer.h"
#include "normkit/train/options.h"

namespace normkit {

// Minimizes a loss of parameters (Nocedal & Wright 2006, algorithm 7.5). A step goes along
// -H g, with g the gradient and H the inverse of the loss's curvature as far as the last
// history_size steps s and changes y of the gradient tell, newest first:
//   H q = q - s (y q) / (s y) behind and before each, and in the middle factor * D q
// D is the parameters' learn_rate_factor: 0 keeps one as it is. factor is (s y) / (y D y) of the
// last step, at first initial_inverse_hessian_factor, or initial_step_size / max |g| where that is
// given. How far a step goes is searched from 1 on, at most max_num_line_search_iterations points.
// With f the loss along the line and f' its derivative, by line_search_method:
//   backtracking   f(t) <= f(0) + 1e-4 t f'(0)
//   weak-wolfe     and f'(t) >= 0.9 f'(0), so that s y is above 0
//   strong-wolfe   and |f'(t)| <= 0.9 |f'(0)|
// or, where none of these points is one, the lowest that fulfils the first condition. A pair whose
// s y is not above rounding is not kept. The loss and its gradient get weight decay:
// lambda / 2 * w^2 of each parameter w, lambda = l2_regularization * l2_factor.
// Sums are in f64, cut by the parameters' shapes: the same bits for any number of threads. Nothing
// is allocated by a step.
class NORMKIT_API Lbfgs {
 public:
  enum class Status {
    kStepped,
    // The ends: nothing was changed.
    kGradientTolerance,  // max |g| <= gradient_tolerance * max(1, |loss|)
    kStepTolerance,      // the last step changed no parameter by more than step_tolerance
    kNoDescent,          // no point of the line lowers the loss enough: its rounding is reached
  };
  // The loss of all data at these parameters; writes its gradient. At the same parameters always
  // the same.
  using Loss = std::function<double(const Parameters& parameters, Parameters& gradients)>;

  // `options` as Resolve gives them; read are l2_regularization and those of lbfgs.
  Lbfgs(const TrainingOptions& options, const Parameters& parameters);

  // One step. `gradients` is kept by the caller between steps. `loss` was last asked at what the
  // parameters are in the end. Throws DivergedError where the loss or the gradient is not finite
  // to begin with.
  Status Step(Parameters& parameters, Parameters& gradients, const Loss& loss);

  double loss() const { return loss_; }            // with weight decay, where the last step ended
  double step_size() const { return step_size_; }  // how far along its direction the last one went

  // For checkpoints: the state by name, and how many steps there were.
  std::map<std::string, std::span<float>> State();
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps);  // behind filling the state

 private:
  struct Pair {  // zeros: none
    std::vector<float> step, change;
    double product = 0;
  };
  double Evaluate(const Parameters& parameters, Parameters& gradients, const Loss& loss);
  double Product(std::span<const float> a, std::span<const float> b);
  double Largest(std::span<const float> values);
  void FindDirection(std::span<const float> gradients);
  bool Search(Parameters& parameters, Parameters& gradients, const Loss& loss);
  void GoTo(double step, std::span<float> values);
  void KeepPair(std::span<const float> values, std::span<const float> gradients);
  void Forget();

  TrainingOptions options_;
  std::vector<ParameterChunk> chunks_;
  std::vector<double> of_chunk_, weights_;
  std::vector<Pair> pairs_;  // newest first
  size_t known_ = 0;         // of these
  std::vector<float> direction_, last_step_, before_, gradient_before_;
  double loss_ = 0, step_size_ = 0;
  bool evaluated_ = false;
  int64_t steps_ = 0;
};

}  // namespace normkit
