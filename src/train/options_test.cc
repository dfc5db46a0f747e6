#include "normkit/train/options.h"

#include <limits>
#include <map>

#include "src/core/testing.h"

namespace normkit {
namespace {

template <class E, class Parse>
void ExpectRoundTrip(std::initializer_list<E> values, Parse parse) {
  for (const E value : values) EXPECT_EQ(parse(Name(value)), value) << Name(value);
}

TEST(Names, RoundTrip) {
  ExpectRoundTrip({Solver::kSgdm, Solver::kAdam, Solver::kRmsProp}, ParseSolver);
  ExpectRoundTrip({Shuffle::kNever, Shuffle::kOnce, Shuffle::kEveryEpoch}, ParseShuffle);
  ExpectRoundTrip({Schedule::kNone, Schedule::kPiecewise, Schedule::kCosine}, ParseSchedule);
  ExpectRoundTrip({GradientThresholdMethod::kL2Norm, GradientThresholdMethod::kGlobalL2Norm,
                   GradientThresholdMethod::kAbsoluteValue},
                  ParseGradientThresholdMethod);
  ExpectRoundTrip({Statistics::kAuto, Statistics::kMoving, Statistics::kPopulation,
                   Statistics::kPopulationExact},
                  ParseStatistics);
  ExpectRoundTrip({Loss::kAuto, Loss::kCrossEntropy, Loss::kMeanSquaredError}, ParseLoss);
}

TEST(Names, UnknownOnesAreSuggested) {
  EXPECT_ERROR(ParseSolver("adm"),
               "solver 'adm', expected sgdm, adam, rmsprop, did you mean 'adam'?");
  EXPECT_ERROR(ParseShuffle("sometimes"), "shuffle 'sometimes', expected never, once, every-epoch");
  EXPECT_ERROR(ParseSchedule("cosin"),
               "learning rate schedule 'cosin', expected none, piecewise, cosine, did you mean "
               "'cosine'?");
  EXPECT_ERROR(
      ParseGradientThresholdMethod("l2-norm"),
      "gradient threshold method 'l2-norm', expected l2norm, global-l2norm, absolute-value, "
      "did you mean 'l2norm'?");
  EXPECT_ERROR(ParseStatistics("populations"),
               "batch normalization statistics 'populations', expected auto, moving, population, "
               "population-exact, did you mean 'population'?");
  EXPECT_ERROR(
      ParseLoss("crossentropy"),
      "loss 'crossentropy', expected auto, cross-entropy, mean-squared-error, did you mean "
      "'cross-entropy'?");
}

TEST(TrainingOptions, DefaultsFollowTheSolver) {
  EXPECT_EQ(Resolve({}).initial_learn_rate, 0.01);
  EXPECT_EQ(Resolve({.solver = Solver::kAdam}).initial_learn_rate, 0.001);
  EXPECT_EQ(Resolve({.solver = Solver::kAdam}).squared_gradient_decay_factor, 0.999);
  EXPECT_EQ(Resolve({.solver = Solver::kRmsProp}).squared_gradient_decay_factor, 0.9);
  EXPECT_EQ(Resolve({.initial_learn_rate = 0.5}).initial_learn_rate, 0.5);
}

TEST(TrainingOptions, OutOfRangeValuesAreNamed) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_ERROR(Resolve({.max_epochs = 0}),
               "training options: max_epochs is 0, expected a whole number from 1 to 1000000");
  EXPECT_ERROR(
      Resolve({.mini_batch_size = -3}),
      "training options: mini_batch_size is -3, expected a whole number from 1 to 1000000000");
  EXPECT_ERROR(Resolve({.initial_learn_rate = -1}),
               "training options: initial_learn_rate is -1, expected a number, 0 or more (0: the "
               "solver's default)");
  EXPECT_ERROR(Resolve({.initial_learn_rate = nan}),
               "training options: initial_learn_rate is nan, expected a number, 0 or more (0: the "
               "solver's default)");
  EXPECT_ERROR(Resolve({.learn_rate_drop_period = 0}),
               "training options: learn_rate_drop_period is 0, expected a whole number from 1 to "
               "1000000000");
  EXPECT_ERROR(Resolve({.learn_rate_drop_factor = 1.5}),
               "training options: learn_rate_drop_factor is 1.5, expected a number from 0 to 1");
  EXPECT_ERROR(Resolve({.momentum = 1}),
               "training options: momentum is 1, expected a number from 0 to 1 (less than 1)");
  EXPECT_ERROR(Resolve({.gradient_decay_factor = nan}),
               "training options: gradient_decay_factor is nan, expected a number from 0 to 1 "
               "(less than 1)");
  EXPECT_ERROR(
      Resolve({.squared_gradient_decay_factor = 2}),
      "training options: squared_gradient_decay_factor is 2, expected a number from 0 to 1 "
      "(less than 1) (0: the solver's default)");
  EXPECT_ERROR(Resolve({.solver_epsilon = 0}),
               "training options: solver_epsilon is 0, expected a number above 0");
  EXPECT_ERROR(Resolve({.l2_regularization = -1}),
               "training options: l2_regularization is -1, expected a number, 0 or more");
  EXPECT_ERROR(
      Resolve({.gradient_threshold = -1}),
      "training options: gradient_threshold is -1, expected a number, 0 or more (0: none)");
  EXPECT_ERROR(
      Resolve({.validation_frequency = 0}),
      "training options: validation_frequency is 0, expected a whole number from 1 to 1000000000");
  EXPECT_ERROR(
      Resolve({.validation_patience = -1}),
      "training options: validation_patience is -1, expected a whole number from 0 to 1000000000");
  EXPECT_ERROR(
      Resolve({.verbose_frequency = 0}),
      "training options: verbose_frequency is 0, expected a whole number from 1 to 1000000000");
  EXPECT_ERROR(
      Resolve({.checkpoint_frequency = -1}),
      "training options: checkpoint_frequency is -1, expected a whole number from 0 to 1000000000");
  EXPECT_ERROR(Resolve({.checkpoint_frequency = 1}),
               "training options: checkpoint_frequency is 1 without a checkpoint_path, expected a "
               "path");
}

TEST(TrainingOptions, DescribesWhatCounts) {
  std::map<std::string, std::string> facts;
  for (const auto& [name, value] : Describe({.solver = Solver::kAdam, .seed = 7}))
    facts[name] = value;
  EXPECT_EQ(facts["solver"], "adam");
  EXPECT_EQ(facts["initial-learn-rate"], "0.001");
  EXPECT_EQ(facts["seed"], "7");
  EXPECT_FALSE(facts.contains("momentum"));
  EXPECT_FALSE(facts.contains("validation-frequency"));
}

}  // namespace
}  // namespace normkit
