#include "normkit/train/optimizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "normkit/core/random.h"
#include "normkit/core/threads.h"
#include "normkit/nn/layers.h"

namespace normkit {
namespace {

// features x 150 weights (of 200: a chunk and a rest) with factors of their own, and a bias.
Graph Layers(int64_t features = 200) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = features}));
  graph.Add(FullyConnected({.name = "fc",
                            .output_size = 150,
                            .weight_learn_rate_factor = 0.5,
                            .bias_learn_rate_factor = 2,
                            .weight_l2_factor = 3,
                            .bias_l2_factor = 0}));
  return graph;
}

void FillRandom(std::span<float> values, uint64_t seed) {
  Random random(seed);
  for (float& value : values) value = static_cast<float>(random.Uniform(-1, 1));
}

// The same steps, naively and in f64.
class Reference {
 public:
  Reference(const TrainingOptions& options, const Parameters& parameters)
      : o_(options),
        list_(parameters.list()),
        w(parameters.values().begin(), parameters.values().end()),
        average_(w.size()),
        squared_(w.size()) {}

  void Step(std::span<const float> gradients, double learn_rate) {
    ++t_;
    std::vector<double> g(gradients.begin(), gradients.end());
    for (const Parameter& p : list_) {
      if (!p.trainable || o_.solver == Solver::kAdamW) continue;
      ForEach(p, [&](size_t i) { g[i] += o_.l2_regularization * p.l2_factor * w[i]; });
    }
    Clip(g);
    for (const Parameter& p : list_) {
      if (!p.trainable) continue;
      ForEach(p, [&](size_t i) {
        const double alpha = learn_rate * p.learn_rate_factor;
        if (o_.solver == Solver::kAdamW) w[i] *= 1 - alpha * o_.l2_regularization * p.l2_factor;
        Update(i, g[i], alpha);
      });
    }
  }

 private:
  template <class Body>
  static void ForEach(const Parameter& p, const Body& body) {
    for (int64_t i = p.offset; i < p.offset + p.size; ++i) body(static_cast<size_t>(i));
  }

  void Clip(std::vector<double>& g) {
    const double bound = o_.gradient_threshold;
    if (bound == 0) return;
    double global = 0;
    for (const double value : g) global += value * value;
    for (const Parameter& p : list_) {
      double squares = 0;
      ForEach(p, [&](size_t i) { squares += g[i] * g[i]; });
      ForEach(p, [&](size_t i) {
        switch (o_.gradient_threshold_method) {
          case GradientThresholdMethod::kAbsoluteValue:
            g[i] = std::clamp(g[i], -bound, bound);
            break;
          case GradientThresholdMethod::kL2Norm:
            g[i] *= std::min(1.0, bound / std::sqrt(squares));
            break;
          case GradientThresholdMethod::kGlobalL2Norm:
            g[i] *= std::min(1.0, bound / std::sqrt(global));
            break;
        }
      });
    }
  }

  void Update(size_t i, double g, double alpha) {
    const double beta1 = o_.gradient_decay_factor, beta2 = o_.squared_gradient_decay_factor;
    switch (o_.solver) {
      case Solver::kSgdm:
        average_[i] = o_.momentum * average_[i] - alpha * g;
        w[i] += average_[i];
        break;
      case Solver::kRmsProp:
        squared_[i] = beta2 * squared_[i] + (1 - beta2) * g * g;
        w[i] -= alpha * g / (std::sqrt(squared_[i]) + o_.solver_epsilon);
        break;
      case Solver::kAdam:
      case Solver::kAdamW:
        average_[i] = beta1 * average_[i] + (1 - beta1) * g;
        squared_[i] = beta2 * squared_[i] + (1 - beta2) * g * g;
        w[i] -= alpha * (average_[i] / (1 - std::pow(beta1, t_))) /
                (std::sqrt(squared_[i] / (1 - std::pow(beta2, t_))) + o_.solver_epsilon);
        break;
      case Solver::kLbfgs:  // lbfgs_test.cc
        break;
    }
  }

  TrainingOptions o_;
  std::vector<Parameter> list_;

 public:
  std::vector<double> w;

 private:
  std::vector<double> average_, squared_;
  int t_ = 0;
};

void ExpectLikeReference(const TrainingOptions& options) {
  const TrainingOptions resolved = Resolve(options);
  const Graph graph = Layers();
  Parameters parameters(graph), gradients(graph);
  for (const Parameter& p : parameters.list()) FillRandom(parameters.Get(p), 1);
  Reference reference(resolved, parameters);
  Optimizer optimizer(resolved, parameters);
  for (uint64_t step = 0; step < 8; ++step) {
    for (const Parameter& p : gradients.list()) FillRandom(gradients.Get(p), 100 + step);
    const double learn_rate = 0.01 / static_cast<double>(1 + step);
    reference.Step(gradients.values(), learn_rate);
    optimizer.Step(parameters, gradients, learn_rate);
  }
  EXPECT_EQ(optimizer.steps(), 8);
  for (size_t i = 0; i < reference.w.size(); ++i)
    ASSERT_NEAR(parameters.values()[i], reference.w[i], 2e-6 * (1 + std::abs(reference.w[i]))) << i;
}

TEST(Optimizer, FollowsTheFormulas) {
  for (const Solver solver : {Solver::kSgdm, Solver::kAdam, Solver::kRmsProp, Solver::kAdamW}) {
    SCOPED_TRACE(std::string(Name(solver)));
    ExpectLikeReference({.solver = solver});
    ExpectLikeReference({.solver = solver, .l2_regularization = 0.1});
    ExpectLikeReference({.solver = solver, .l2_regularization = 0});
  }
  ExpectLikeReference({.solver = Solver::kSgdm, .momentum = 0});
  ExpectLikeReference({.solver = Solver::kAdam,
                       .gradient_decay_factor = 0.5,
                       .squared_gradient_decay_factor = 0.7,
                       .solver_epsilon = 1e-2});
}

TEST(Optimizer, ClipsGradients) {
  for (const auto method :
       {GradientThresholdMethod::kL2Norm, GradientThresholdMethod::kGlobalL2Norm,
        GradientThresholdMethod::kAbsoluteValue}) {
    SCOPED_TRACE(std::string(Name(method)));
    // About 7 is the norm of the bias' gradient, 100 that of the weights'.
    for (const double threshold : {0.5, 20.0, 200.0})
      ExpectLikeReference({.gradient_threshold = threshold, .gradient_threshold_method = method});
  }
}

TEST(Optimizer, ClippedNormIsTheThreshold) {
  const Graph graph = Layers();
  Parameters parameters(graph), gradients(graph);
  for (const Parameter& p : gradients.list()) FillRandom(gradients.Get(p), 3);
  Optimizer optimizer(
      Resolve({.l2_regularization = 0,
               .gradient_threshold = 2,
               .gradient_threshold_method = GradientThresholdMethod::kGlobalL2Norm}),
      parameters);
  optimizer.Step(parameters, gradients, 0.1);
  double squares = 0;
  for (const float g : gradients.values()) squares += double{g} * g;
  EXPECT_NEAR(std::sqrt(squares), 2, 1e-6);
}

TEST(Optimizer, SameBitsForAnyNumberOfThreads) {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3, 8}) {
    SetNumThreads(threads);
    const Graph graph = Layers(2000);  // enough for threads
    Parameters parameters(graph), gradients(graph);
    for (const Parameter& p : parameters.list()) FillRandom(parameters.Get(p), 1);
    Optimizer optimizer(Resolve({.solver = Solver::kAdam, .gradient_threshold = 1}), parameters);
    for (uint64_t step = 0; step < 3; ++step) {
      for (const Parameter& p : gradients.list()) FillRandom(gradients.Get(p), 50 + step);
      optimizer.Step(parameters, gradients, 0.01);
    }
    results.emplace_back(parameters.values().begin(), parameters.values().end());
  }
  SetNumThreads(0);
  for (const auto& result : results) EXPECT_EQ(result, results.front());
}

TEST(Optimizer, LeavesStateThatIsNotTrainedAlone) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 4}));
  graph.Add(BatchNormalization({.name = "bn"}));
  Parameters parameters(graph), gradients(graph);
  std::fill(parameters.values().begin(), parameters.values().end(), 1.0f);
  std::fill(gradients.values().begin(), gradients.values().end(), 1.0f);
  Optimizer optimizer(Resolve({}), parameters);
  optimizer.Step(parameters, gradients, 0.1);
  EXPECT_EQ(parameters.Get(*parameters.Find("bn.trained_mean"))[0], 1);
  EXPECT_EQ(parameters.Get(*parameters.Find("bn.trained_variance"))[3], 1);
  EXPECT_LT(parameters.Get(*parameters.Find("bn.scale"))[0], 1);
}

}  // namespace
}  // namespace normkit
