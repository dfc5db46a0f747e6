#include "normkit/train/lbfgs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "normkit/core/random.h"
#include "normkit/core/threads.h"
#include "normkit/nn/layers.h"
#include "normkit/train/train.h"
#include "src/core/testing.h"
#include "src/train/line_search.h"

namespace normkit {
namespace {

using Status = Lbfgs::Status;
using Values = std::vector<double>;

constexpr LineSearchMethod kMethods[] = {
    LineSearchMethod::kWeakWolfe, LineSearchMethod::kStrongWolfe, LineSearchMethod::kBacktracking};

// `count` weights to minimize by, and as many biases that stay where they are.
class Problem {
 public:
  // Writes the gradient at x, gives the loss.
  using Function = std::function<double(const Values& x, Values& gradient)>;

  Problem(int64_t count, TrainingOptions options, Function function)
      : graph_(Layers(count)),
        parameters_(graph_),
        gradients_(graph_),
        function_(std::move(function)),
        lbfgs_(Resolve((options.solver = Solver::kLbfgs, options)), parameters_) {}

  std::span<float> x() { return parameters_.Get(parameters_.list()[0]); }
  std::span<float> frozen() { return parameters_.Get(parameters_.list()[1]); }
  Status Step() {
    return lbfgs_.Step(parameters_, gradients_, [&](const Parameters& parameters, Parameters& to) {
      ++evaluations;
      const auto w = parameters.Get(parameters.list()[0]);
      Values at(w.begin(), w.end()), gradient(w.size());
      const double loss = function_(at, gradient);
      std::ranges::copy(gradient, to.Get(to.list()[0]).begin());
      std::ranges::fill(to.Get(to.list()[1]), 7.f);
      return loss;
    });
  }
  Status Run(int64_t most = 1000) {
    Status status = Status::kStepped;
    while (status == Status::kStepped && lbfgs_.steps() < most) status = Step();
    return status;
  }
  Lbfgs& lbfgs() { return lbfgs_; }
  const Parameters& gradients() const { return gradients_; }
  int64_t evaluations = 0;

 private:
  static Graph Layers(int64_t count) {
    Graph graph;
    graph.Add(FeatureInput({.num_features = 1}));
    graph.Add(FullyConnected({.output_size = count, .bias_learn_rate_factor = 0}));
    return graph;
  }

  Graph graph_;
  Parameters parameters_, gradients_;
  Function function_;
  Lbfgs lbfgs_;
};

double Rosenbrock(const Values& x, Values& gradient) {
  const double a = 1 - x[0], b = x[1] - x[0] * x[0];
  gradient = {-2 * a - 400 * x[0] * b, 200 * b};
  return a * a + 100 * b * b;
}

TEST(LbfgsTest, FindsTheMinimumOfRosenbrock) {
  for (const LineSearchMethod method : kMethods) {
    Problem problem(2, {.line_search_method = method, .step_tolerance = 0, .l2_regularization = 0},
                    Rosenbrock);
    problem.x()[0] = -1.2f;
    problem.x()[1] = 1;
    problem.frozen()[1] = 3;
    EXPECT_NE(problem.Run(), Status::kStepped);
    EXPECT_LT(problem.lbfgs().steps(), 80) << Name(method);
    EXPECT_LT(problem.evaluations, 160) << Name(method);
    // A gradient g is that of a place within 2.5 |g| of the minimum (the least curvature is 0.4).
    EXPECT_NEAR(problem.x()[0], 1, 1e-4) << Name(method);
    EXPECT_NEAR(problem.x()[1], 1, 2e-4) << Name(method);
    EXPECT_EQ(problem.frozen()[1], 3);
  }
}

// 1/2 sum of c (x - target)^2, c from 1 to 100.
double Bowl(const Values& x, Values& gradient) {
  double loss = 0;
  const auto count = static_cast<double>(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double c = std::pow(100, static_cast<double>(i) / (count - 1)),
                 off = x[i] - std::sin(static_cast<double>(i));
    gradient[i] = c * off;
    loss += c * off * off / 2;
  }
  return loss;
}

// What a step has to be, by matrices: -H g of the last pairs.
Values ByMatrices(const std::vector<Values>& x, const std::vector<Values>& g, size_t history) {
  const size_t n = x[0].size(), k = x.size() - 1;
  const auto dot = [](const Values& a, const Values& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  const auto minus = [](const Values& a, const Values& b) {
    Values c(a.size());
    for (size_t i = 0; i < a.size(); ++i) c[i] = a[i] - b[i];
    return c;
  };
  std::vector<Values> h(n, Values(n));
  for (size_t i = 0; i < n; ++i) {
    h[i][i] = 1;
    if (k > 0) {
      const Values s = minus(x[k], x[k - 1]), y = minus(g[k], g[k - 1]);
      h[i][i] = dot(s, y) / dot(y, y);
    }
  }
  for (size_t p = k > history ? k - history : 0; p < k; ++p) {
    const Values s = minus(x[p + 1], x[p]), y = minus(g[p + 1], g[p]);
    const double rho = 1 / dot(s, y);
    // (I - rho s y') H (I - rho y s') + rho s s'
    Values hy(n);
    for (size_t i = 0; i < n; ++i) hy[i] = dot(h[i], y);
    const double yhy = dot(y, hy);
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j)
        h[i][j] += rho * ((1 + rho * yhy) * s[i] * s[j] - s[i] * hy[j] - hy[i] * s[j]);
  }
  Values direction(n);
  for (size_t i = 0; i < n; ++i) direction[i] = -dot(h[i], g[k]);
  return direction;
}

TEST(LbfgsTest, StepsAreThoseOfTheMatrices) {
  constexpr size_t kCount = 12, kHistory = 4;
  Problem problem(kCount, {.history_size = kHistory, .l2_regularization = 0}, Bowl);
  std::vector<Values> x, g;
  for (int step = 0; step < 10; ++step) {
    x.emplace_back(problem.x().begin(), problem.x().end());
    g.emplace_back(kCount);
    Bowl(x.back(), g.back());
    ASSERT_EQ(problem.Step(), Status::kStepped);
    const Values direction = ByMatrices(x, g, kHistory);
    double longest = 0;
    for (const double d : direction) longest = std::max(longest, std::abs(d));
    // 2 kHistory + 2 roundings of the direction in 24 bits and as many of the gradients that the
    // pairs are made of, each magnified by at most the ratio of the largest curvature to the least.
    constexpr double kBound = 2 * (2 * kHistory + 2) * 100 * 0x1p-24;
    for (size_t i = 0; i < kCount; ++i)
      EXPECT_NEAR(problem.x()[i] - x.back()[i], problem.lbfgs().step_size() * direction[i],
                  kBound * longest)
          << step << " " << i;
  }
}

TEST(LbfgsTest, WeightDecayIsInTheLoss) {
  Problem problem(12, {.gradient_tolerance = 1e-5, .l2_regularization = 2}, Bowl);
  EXPECT_NE(problem.Run(), Status::kStepped);
  for (size_t i = 0; i < 12; ++i) {
    const double c = std::pow(100, static_cast<double>(i) / 11);
    EXPECT_NEAR(problem.x()[i], c * std::sin(static_cast<double>(i)) / (c + 2), 1e-4);
  }
}

TEST(LbfgsTest, WaysToEnd) {
  Problem there(2, {.l2_regularization = 0}, Rosenbrock);
  there.x()[0] = there.x()[1] = 1;
  EXPECT_EQ(there.Step(), Status::kGradientTolerance);
  EXPECT_EQ(there.lbfgs().steps(), 0);

  Problem far(2, {.gradient_tolerance = 0, .step_tolerance = 10, .l2_regularization = 0}, Bowl);
  EXPECT_EQ(far.Run(), Status::kStepTolerance);
  EXPECT_EQ(far.lbfgs().steps(), 1);

  // A gradient that points the wrong way: no step lowers anything, and nothing is moved.
  Problem wrong(2, {}, [](const Values& x, Values& gradient) {
    gradient = {-1, -1};
    return x[0] + x[1];
  });
  EXPECT_EQ(wrong.Step(), Status::kNoDescent);
  EXPECT_EQ(wrong.evaluations, 21);  // where it stands, and the line
  EXPECT_EQ(wrong.x()[0], 0);

  Problem broken(2, {}, [](const Values&, Values&) { return std::nan(""); });
  EXPECT_THROW(broken.Step(), DivergedError);
  EXPECT_ERROR(broken.Step(),
               "lbfgs: the loss is nan and the largest gradient 0 at iteration 1, expected finite "
               "numbers");
}

TEST(LbfgsTest, TheFirstStepIsAsLargeAsSaid) {
  Problem problem(3, {.initial_step_size = 0.25, .l2_regularization = 0},
                  [](const Values& x, Values& gradient) {
                    gradient = {-1000, 500, 1e-3};
                    return -1000 * x[0] + 500 * x[1] + 1e-3 * x[2];
                  });
  ASSERT_EQ(problem.Step(), Status::kStepped);
  const double step = problem.lbfgs().step_size();  // a straight line has no Wolfe point
  EXPECT_NEAR(problem.x()[0], 0.25 * step, 1e-6 * step);
  EXPECT_NEAR(problem.x()[1], -0.125 * step, 1e-6 * step);
}

TEST(LbfgsTest, GoesOnFromItsState) {
  const auto bowl = [](int64_t steps, Problem* from) {
    Problem problem(12, {.history_size = 3, .l2_regularization = 0}, Bowl);
    if (from) {
      std::ranges::copy(from->x(), problem.x().begin());
      auto state = problem.lbfgs().State();
      for (const auto& [name, values] : from->lbfgs().State())
        std::ranges::copy(values, state.at(name).begin());
      problem.lbfgs().set_steps(from->lbfgs().steps());
    }
    problem.Run(steps);
    return problem;
  };
  for (const int64_t steps : {1, 2, 5}) {
    Problem part = bowl(steps, nullptr), rest = bowl(9, &part), whole = bowl(9, nullptr);
    EXPECT_TRUE(std::ranges::equal(rest.x(), whole.x())) << steps;
    EXPECT_EQ(rest.lbfgs().loss(), whole.lbfgs().loss());
  }
}

TEST(LbfgsTest, SameBitsForAnyNumberOfThreads) {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3, 8}) {
    SetNumThreads(threads);
    Problem problem(200'000, {.l2_regularization = 0.01}, Bowl);  // enough for threads
    problem.Run(4);
    results.emplace_back(problem.x().begin(), problem.x().end());
  }
  SetNumThreads(0);
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
}

// f(t) = 1 - 2 t + t^2 + wave.
LinePoint Wavy(double t) {
  return {t, 1 - 2 * t + t * t + 0.05 * std::sin(20 * t), -2 + 2 * t + std::cos(20 * t)};
}

TEST(LineSearch, FindsWhatItPromises) {
  const LinePoint start = Wavy(0);
  for (const double scale : {1e-3, 1.0, 1e3}) {  // how far 1 is
    const LinePoint begin{0, start.loss, start.slope * scale};
    const auto at = [&](double step) {
      const LinePoint point = Wavy(step * scale);
      return LinePoint{step, point.loss, point.slope * scale};
    };
    for (const LineSearchMethod method : kMethods) {
      const auto found = SearchLine(method, 40, begin, at);
      ASSERT_TRUE(found) << Name(method) << scale;
      EXPECT_LE(found->loss, begin.loss + 1e-4 * found->step * begin.slope);
      if (method != LineSearchMethod::kBacktracking) {
        EXPECT_GE(found->slope, 0.9 * begin.slope);
      }
      if (method == LineSearchMethod::kStrongWolfe) {
        EXPECT_LE(found->slope, -0.9 * begin.slope);
      }
    }
  }
}

TEST(LineSearch, GoesBackFromWhatIsNotFinite) {
  const double nan = std::nan(""), infinite = std::numeric_limits<double>::infinity();
  for (const LinePoint& bad : {LinePoint{1, nan, -1}, LinePoint{1, infinite, 1},
                               LinePoint{1, -infinite, 1}, LinePoint{1, 0, nan}}) {
    const auto at = [&](double step) {
      if (step < 0.3) return LinePoint{step, -step, -1};
      return LinePoint{step, bad.loss, bad.slope};
    };
    for (const LineSearchMethod method : kMethods) {
      const auto found = SearchLine(method, 20, {0, 0, -1}, at);
      ASSERT_TRUE(found);
      EXPECT_LT(found->step, 0.3);
      EXPECT_GT(found->step, 0.2);
    }
    EXPECT_FALSE(SearchLine(LineSearchMethod::kWeakWolfe, 1, {0, 0, -1}, at));
  }
}

}  // namespace
}  // namespace normkit
