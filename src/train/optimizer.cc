#include "normkit/train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "src/core/fail.h"
#include "src/train/parameter_chunks.h"

namespace normkit {
namespace {

void Sgdm(std::span<float> w, std::span<const float> g, std::span<float> velocity, float momentum,
          float alpha) {
  for (size_t i = 0; i < w.size(); ++i) {
    velocity[i] = momentum * velocity[i] - alpha * g[i];
    w[i] += velocity[i];
  }
}

void RmsProp(std::span<float> w, std::span<const float> g, std::span<float> squared, float beta2,
             float one_minus_beta2, float alpha, float epsilon) {
  for (size_t i = 0; i < w.size(); ++i) {
    squared[i] = beta2 * squared[i] + one_minus_beta2 * g[i] * g[i];
    w[i] -= alpha * g[i] / (std::sqrt(squared[i]) + epsilon);
  }
}

// Constants of one Adam step; 1 - beta is formed in f64.
struct AdamStep {
  float beta1, one_minus_beta1, beta2, one_minus_beta2;
  float epsilon;
  float correct1, correct2;  // 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
};

void Adam(std::span<float> w, std::span<const float> g, std::span<float> average,
          std::span<float> squared, const AdamStep& step, float alpha) {
  for (size_t i = 0; i < w.size(); ++i) {
    average[i] = step.beta1 * average[i] + step.one_minus_beta1 * g[i];
    squared[i] = step.beta2 * squared[i] + step.one_minus_beta2 * g[i] * g[i];
    w[i] -= alpha * (average[i] * step.correct1) /
            (std::sqrt(squared[i]) * step.correct2 + step.epsilon);
  }
}

}  // namespace

Optimizer::Optimizer(const TrainingOptions& options, const Parameters& parameters)
    : options_(options), chunks_(CutParameters(parameters, options.l2_regularization)) {
  if (options.solver == Solver::kLbfgs)
    Fail("Optimizer: solver lbfgs, expected one of mini-batches (lbfgs is the class Lbfgs)");
  const size_t size = parameters.values().size();
  squares_of_chunk_.resize(chunks_.size());
  squares_of_parameter_.resize(parameters.list().size());
  if (options_.solver != Solver::kRmsProp) average_.resize(size);
  if (options_.solver != Solver::kSgdm) squared_average_.resize(size);
}

double Optimizer::SumOfSquares(std::span<const float> gradients) {
  ForEachChunk(chunks_, [&](size_t i, const ParameterChunk&, const auto& of) {
    squares_of_chunk_[i] = Dot(of(gradients), of(gradients));
  });
  std::ranges::fill(squares_of_parameter_, 0);
  double total = 0;
  for (size_t i = 0; i < chunks_.size(); ++i) {
    squares_of_parameter_[chunks_[i].parameter] += squares_of_chunk_[i];
    total += squares_of_chunk_[i];
  }
  return total;
}

void Optimizer::Clip(std::span<float> gradients) {
  const double threshold = options_.gradient_threshold;
  if (options_.gradient_threshold_method == GradientThresholdMethod::kAbsoluteValue) {
    const auto bound = static_cast<float>(threshold);
    ForEachChunk(chunks_, [&](size_t, const ParameterChunk&, const auto& of) {
      for (float& g : of(gradients)) g = std::clamp(g, -bound, bound);
    });
    return;
  }
  const double total = SumOfSquares(gradients);
  if (options_.gradient_threshold_method == GradientThresholdMethod::kGlobalL2Norm)
    std::ranges::fill(squares_of_parameter_, total);
  ForEachChunk(chunks_, [&](size_t, const ParameterChunk& chunk, const auto& of) {
    const double norm = std::sqrt(squares_of_parameter_[chunk.parameter]);
    if (norm <= threshold) return;
    const auto shrink = static_cast<float>(threshold / norm);
    for (float& g : of(gradients)) g *= shrink;
  });
}

void Optimizer::Step(Parameters& parameters, Parameters& gradients, double learn_rate) {
  const std::span<float> w = parameters.values(), g = gradients.values();
  ForEachChunk(chunks_, [&](size_t, const ParameterChunk& chunk, const auto& of) {
    if (chunk.lambda == 0 || options_.solver == Solver::kAdamW) return;
    const auto chunk_w = of(w), chunk_g = of(g);
    for (size_t i = 0; i < chunk_w.size(); ++i) chunk_g[i] += chunk.lambda * chunk_w[i];
  });
  if (options_.gradient_threshold > 0) Clip(g);

  ++steps_;
  const double beta1 = options_.gradient_decay_factor;
  const double beta2 = options_.squared_gradient_decay_factor;
  const auto t = static_cast<double>(steps_);
  const AdamStep adam{static_cast<float>(beta1),
                      static_cast<float>(1 - beta1),
                      static_cast<float>(beta2),
                      static_cast<float>(1 - beta2),
                      static_cast<float>(options_.solver_epsilon),
                      static_cast<float>(1 / (1 - std::pow(beta1, t))),
                      static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, t)))};
  const std::span<float> average(average_), squared(squared_average_);
  ForEachChunk(chunks_, [&](size_t, const ParameterChunk& chunk, const auto& of) {
    const float alpha = static_cast<float>(learn_rate) * chunk.alpha_factor;
    switch (options_.solver) {
      case Solver::kSgdm:
        return Sgdm(of(w), of(g), of(average), static_cast<float>(options_.momentum), alpha);
      case Solver::kRmsProp:
        return RmsProp(of(w), of(g), of(squared), adam.beta2, adam.one_minus_beta2, alpha,
                       adam.epsilon);
      case Solver::kAdamW:
        for (float& value : of(w)) value -= alpha * chunk.lambda * value;
        [[fallthrough]];
      case Solver::kAdam:
        return Adam(of(w), of(g), of(average), of(squared), adam, alpha);
      case Solver::kLbfgs:
        break;
    }
  });
}

std::map<std::string, std::span<float>> Optimizer::State() {
  std::map<std::string, std::span<float>> state;
  if (!average_.empty()) state["average"] = average_;
  if (!squared_average_.empty()) state["squared_average"] = squared_average_;
  return state;
}

}  // namespace normkit
