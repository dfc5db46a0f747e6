#include "normkit/train/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "normkit/train/train.h"
#include "src/core/fail.h"
#include "src/train/line_search.h"
#include "src/train/parameter_chunks.h"

namespace normkit {

Lbfgs::Lbfgs(const TrainingOptions& options, const Parameters& parameters)
    : options_(options), chunks_(CutParameters(parameters, options.l2_regularization)) {
  std::erase_if(chunks_, [](const ParameterChunk& chunk) { return chunk.alpha_factor == 0; });
  const size_t size = parameters.values().size();
  of_chunk_.resize(chunks_.size());
  pairs_.resize(static_cast<size_t>(options.history_size));
  weights_.resize(pairs_.size());
  for (Pair& pair : pairs_) pair = {std::vector<float>(size), std::vector<float>(size)};
  for (auto* values : {&direction_, &last_step_, &before_, &gradient_before_}) values->resize(size);
}

double Lbfgs::Product(std::span<const float> a, std::span<const float> b) {
  ForEachChunk(chunks_, [&](size_t i, const ParameterChunk&, const auto& of) {
    of_chunk_[i] = Dot(of(a), of(b));
  });
  double sum = 0;
  for (const double part : of_chunk_) sum += part;
  return sum;
}

double Lbfgs::Largest(std::span<const float> values) {
  ForEachChunk(chunks_, [&](size_t i, const ParameterChunk&, const auto& of) {
    float largest = 0;
    for (const float value : of(values))
      if (!(std::abs(value) <= largest)) largest = std::abs(value);  // NaN stays
    of_chunk_[i] = largest;
  });
  double largest = 0;
  for (const double value : of_chunk_)
    if (!(value <= largest)) largest = value;
  return largest;
}

double Lbfgs::Evaluate(const Parameters& parameters, Parameters& gradients, const Loss& loss) {
  double sum = loss(parameters, gradients);
  const std::span<const float> w = parameters.values();
  const std::span<float> g = gradients.values();
  ForEachChunk(chunks_, [&](size_t i, const ParameterChunk& chunk, const auto& of) {
    of_chunk_[i] = 0;
    if (chunk.lambda == 0) return;
    const auto chunk_w = of(w);
    const auto chunk_g = of(g);
    of_chunk_[i] = double{chunk.lambda} / 2 * Dot(chunk_w, chunk_w);
    for (size_t k = 0; k < chunk_w.size(); ++k) chunk_g[k] += chunk.lambda * chunk_w[k];
  });
  for (const double part : of_chunk_) sum += part;
  return sum;
}

// Into direction_, by the recursion of two loops.
void Lbfgs::FindDirection(std::span<const float> gradients) {
  const std::span<float> q(direction_);
  const auto add = [&](double factor, std::span<const float> values) {
    ForEachChunk(chunks_, [&](size_t, const ParameterChunk&, const auto& of) {
      const auto to = of(q);
      const auto from = of(values);
      for (size_t i = 0; i < to.size(); ++i) to[i] += static_cast<float>(factor) * from[i];
    });
  };
  std::ranges::fill(q, 0.f);
  add(-1, gradients);
  for (size_t i = 0; i < known_; ++i) {
    weights_[i] = Product(pairs_[i].step, q) / pairs_[i].product;
    add(-weights_[i], pairs_[i].change);
  }
  double factor = options_.initial_step_size > 0 ? options_.initial_step_size / Largest(gradients)
                                                 : options_.initial_inverse_hessian_factor;
  if (known_ > 0) {
    const std::span<const float> y(pairs_[0].change);
    ForEachChunk(chunks_, [&](size_t i, const ParameterChunk& chunk, const auto& of) {
      of_chunk_[i] = double{chunk.alpha_factor} * Dot(of(y), of(y));
    });
    double squares = 0;
    for (const double part : of_chunk_) squares += part;
    factor = pairs_[0].product / squares;
  }
  ForEachChunk(chunks_, [&](size_t, const ParameterChunk& chunk, const auto& of) {
    const auto scale = static_cast<float>(factor * chunk.alpha_factor);
    for (float& value : of(q)) value *= scale;
  });
  for (size_t i = known_; i-- > 0;)
    add(weights_[i] - Product(pairs_[i].change, q) / pairs_[i].product, pairs_[i].step);
}

void Lbfgs::GoTo(double step, std::span<float> values) {
  const std::span<const float> from(before_), along(direction_);
  ForEachChunk(chunks_, [&](size_t, const ParameterChunk&, const auto& of) {
    const auto to = of(values);
    const auto chunk_from = of(from), chunk_along = of(along);
    for (size_t i = 0; i < to.size(); ++i)
      to[i] = chunk_from[i] + static_cast<float>(step) * chunk_along[i];
  });
}

// Along direction_; false: there is no step, and all is as before.
bool Lbfgs::Search(Parameters& parameters, Parameters& gradients, const Loss& loss) {
  const LinePoint start{0, loss_, Product(gradients.values(), direction_)};
  double last = 0;
  const auto at = [&](double step) {
    GoTo(step, parameters.values());
    last = step;
    const double here = Evaluate(parameters, gradients, loss);
    return LinePoint{step, here, Product(gradients.values(), direction_)};
  };
  std::optional<LinePoint> found;
  if (start.slope < 0)  // not NaN
    found =
        SearchLine(options_.line_search_method, options_.max_num_line_search_iterations, start, at);
  if (!found) {
    std::ranges::copy(before_, parameters.values().begin());
    std::ranges::copy(gradient_before_, gradients.values().begin());
    return false;
  }
  if (found->step != last) at(found->step);
  loss_ = found->loss;
  step_size_ = found->step;
  return true;
}

// What the step says of the curvature, in place of the oldest.
void Lbfgs::KeepPair(std::span<const float> values, std::span<const float> gradients) {
  const std::span<float> step(last_step_), change(gradient_before_);
  const std::span<const float> before(before_);
  std::ranges::fill(step, 0.f);
  ForEachChunk(chunks_, [&](size_t, const ParameterChunk&, const auto& of) {
    const auto s = of(step), y = of(change);
    const auto w = of(values), w_before = of(before), g = of(gradients);
    for (size_t i = 0; i < s.size(); ++i) {
      s[i] = w[i] - w_before[i];
      y[i] = g[i] - y[i];
    }
  });
  constexpr double kRounding = std::numeric_limits<float>::epsilon();
  const double product = Product(step, change);
  if (!(product > kRounding * std::sqrt(Product(step, step) * Product(change, change)))) return;
  std::ranges::rotate(pairs_, pairs_.end() - 1);
  Pair& newest = pairs_.front();
  newest.product = product;
  std::ranges::fill(newest.step, 0.f);
  std::ranges::fill(newest.change, 0.f);
  ForEachChunk(chunks_, [&](size_t, const ParameterChunk&, const auto& of) {
    std::ranges::copy(of(std::span<const float>(step)), of(std::span(newest.step)).begin());
    std::ranges::copy(of(std::span<const float>(change)), of(std::span(newest.change)).begin());
  });
  known_ = std::min(known_ + 1, pairs_.size());
}

void Lbfgs::Forget() {
  for (Pair& pair : pairs_) {
    std::ranges::fill(pair.step, 0.f);
    std::ranges::fill(pair.change, 0.f);
    pair.product = 0;
  }
  known_ = 0;
}

Lbfgs::Status Lbfgs::Step(Parameters& parameters, Parameters& gradients, const Loss& loss) {
  if (!evaluated_) loss_ = Evaluate(parameters, gradients, loss);
  evaluated_ = true;
  const double largest = Largest(gradients.values());
  if (!std::isfinite(loss_) || !std::isfinite(largest))
    Fail<DivergedError>(
        "lbfgs: the loss is {} and the largest gradient {} at iteration {}, expected finite "
        "numbers",
        loss_, largest, steps_ + 1);
  if (largest <= options_.gradient_tolerance * std::max(1.0, std::abs(loss_)))
    return Status::kGradientTolerance;
  if (steps_ > 0 && Largest(last_step_) <= options_.step_tolerance) return Status::kStepTolerance;
  std::ranges::copy(parameters.values(), before_.begin());
  std::ranges::copy(gradients.values(), gradient_before_.begin());
  for (;;) {
    FindDirection(gradients.values());
    if (Search(parameters, gradients, loss)) break;
    if (known_ == 0) return Status::kNoDescent;
    Forget();  // what was learned of the curvature, elsewhere, may be what is wrong
  }
  KeepPair(parameters.values(), gradients.values());
  ++steps_;
  return Status::kStepped;
}

std::map<std::string, std::span<float>> Lbfgs::State() {
  std::map<std::string, std::span<float>> state{{"last_step", last_step_}};
  for (size_t i = 0; i < pairs_.size(); ++i) {
    state[fmt::format("step_{}", i + 1)] = pairs_[i].step;
    state[fmt::format("change_{}", i + 1)] = pairs_[i].change;
  }
  return state;
}

void Lbfgs::set_steps(int64_t steps) {
  steps_ = steps;
  evaluated_ = false;
  for (known_ = 0; known_ < pairs_.size(); ++known_) {
    Pair& pair = pairs_[known_];
    pair.product = Product(pair.step, pair.change);
    if (!(pair.product > 0)) break;
  }
}

}  // namespace normkit
