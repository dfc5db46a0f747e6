#include "normkit/train/options.h"

#include <algorithm>
#include <limits>
#include <map>
#include <sstream>

#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/train/option_table.h"

namespace normkit {
namespace {

template <class E, class Parse>
void ExpectRoundTrip(std::initializer_list<E> values, Parse parse) {
  for (const E value : values) EXPECT_EQ(parse(Name(value)), value) << Name(value);
}

TEST(Names, RoundTrip) {
  ExpectRoundTrip({Solver::kSgdm, Solver::kAdam, Solver::kRmsProp, Solver::kAdamW, Solver::kLbfgs},
                  ParseSolver);
  ExpectRoundTrip({LineSearchMethod::kWeakWolfe, LineSearchMethod::kStrongWolfe,
                   LineSearchMethod::kBacktracking},
                  ParseLineSearchMethod);
  ExpectRoundTrip({Shuffle::kNever, Shuffle::kOnce, Shuffle::kEveryEpoch}, ParseShuffle);
  ExpectRoundTrip({Schedule::kNone, Schedule::kPiecewise, Schedule::kCosine, Schedule::kExponential,
                   Schedule::kPolynomial, Schedule::kCyclical},
                  ParseSchedule);
  ExpectRoundTrip({Metric::kLoss, Metric::kAccuracy, Metric::kFScore, Metric::kAuc, Metric::kRmse,
                   Metric::kDice},
                  ParseMetric);
  ExpectRoundTrip({OutputNetwork::kAuto, OutputNetwork::kLast, OutputNetwork::kBest},
                  ParseOutputNetwork);
  ExpectRoundTrip({FrequencyUnit::kEpoch, FrequencyUnit::kIteration}, ParseFrequencyUnit);
  ExpectRoundTrip({Verbose::kAuto, Verbose::kOn, Verbose::kOff}, ParseVerbose);
  ExpectRoundTrip({BatchNormSync::kOn, BatchNormSync::kOff}, ParseBatchNormSync);
  ExpectRoundTrip({ResetInputNormalization::kOff, ResetInputNormalization::kOn},
                  ParseResetInputNormalization);
  ExpectRoundTrip({GradientThresholdMethod::kL2Norm, GradientThresholdMethod::kGlobalL2Norm,
                   GradientThresholdMethod::kAbsoluteValue},
                  ParseGradientThresholdMethod);
  ExpectRoundTrip({Statistics::kAuto, Statistics::kMoving, Statistics::kPopulation,
                   Statistics::kPopulationExact},
                  ParseStatistics);
  ExpectRoundTrip({Loss::kAuto, Loss::kCrossEntropy, Loss::kMeanSquaredError,
                   Loss::kMeanAbsoluteError, Loss::kHuber, Loss::kDice},
                  ParseLoss);
}

TEST(Names, UnknownOnesAreSuggested) {
  EXPECT_ERROR(
      ParseSolver("adm"),
      "solver 'adm' is unknown, expected sgdm, adam, rmsprop, adamw, lbfgs, did you mean 'adam'?");
  EXPECT_ERROR(ParseShuffle("sometimes"),
               "shuffle 'sometimes' is unknown, expected never, once, every-epoch");
  EXPECT_ERROR(
      ParseSchedule("cosin"),
      "learning rate schedule 'cosin' is unknown, expected none, piecewise, cosine, exponential, "
      "polynomial, cyclical, did you mean 'cosine'?");
  EXPECT_ERROR(ParseGradientThresholdMethod("l2-nrom"),
               "gradient threshold method 'l2-nrom' is unknown, expected l2norm, global-l2norm, "
               "absolute-value, did you mean 'l2norm'?");
  EXPECT_ERROR(
      ParseStatistics("populations"),
      "batch normalization statistics 'populations' is unknown, expected auto, moving, population, "
      "population-exact, did you mean 'population'?");
  EXPECT_ERROR(ParseLoss("crosentropi"),
               "loss 'crosentropi' is unknown, expected auto, cross-entropy, mean-squared-error, "
               "mean-absolute-error, huber, dice, did you mean 'cross-entropy'?");
}

TEST(Names, SpellingsOfTheToolbox) {
  EXPECT_EQ(ParseLoss("crossentropy"), Loss::kCrossEntropy);
  EXPECT_EQ(ParseGradientThresholdMethod("global-l2norm"), GradientThresholdMethod::kGlobalL2Norm);
  EXPECT_EQ(ParseGradientThresholdMethod("L2Norm"), GradientThresholdMethod::kL2Norm);
  EXPECT_EQ(ParseShuffle("EveryEpoch"), Shuffle::kEveryEpoch);
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
               "training options: initial_learn_rate is -1, expected a number above 0, or 0 (the "
               "solver's default)");
  EXPECT_ERROR(Resolve({.initial_learn_rate = nan}),
               "training options: initial_learn_rate is nan, expected a finite number above 0, or "
               "0 (the solver's default)");
  EXPECT_ERROR(Resolve({.learn_rate_drop_period = 0}),
               "training options: learn_rate_drop_period is 0, expected a whole number from 1 to "
               "1000000000");
  EXPECT_ERROR(Resolve({.learn_rate_drop_factor = 1.5}),
               "training options: learn_rate_drop_factor is 1.5, expected a number from 0 to 1");
  EXPECT_ERROR(Resolve({.momentum = 1}),
               "training options: momentum is 1, expected a number from 0 to 1 (less than 1)");
  EXPECT_ERROR(Resolve({.gradient_decay_factor = nan}),
               "training options: gradient_decay_factor is nan, expected a finite number from 0 to "
               "1 (less than 1)");
  EXPECT_ERROR(Resolve({.squared_gradient_decay_factor = 2}),
               "training options: squared_gradient_decay_factor is 2, expected a number from 0 to "
               "1 (more than 0) (less than 1), or 0 (the solver's default)");
  EXPECT_ERROR(Resolve({.solver_epsilon = 0}),
               "training options: solver_epsilon is 0, expected a number above 0");
  EXPECT_ERROR(Resolve({.l2_regularization = -1}),
               "training options: l2_regularization is -1, expected a number, 0 or more");
  EXPECT_ERROR(
      Resolve({.gradient_threshold = -1}),
      "training options: gradient_threshold is -1, expected a number above 0, or 0 (none)");
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

// The document says of each row what it is called and what the structure has.
TEST(TrainingOptions, AreDocumented) {
  std::istringstream document(ReadFile("docs/options.md", 1 << 20));
  std::vector<std::string> rows;
  for (std::string line; std::getline(document, line);)
    if (line.starts_with("| `--")) rows.push_back(line);
  const TrainingOptions defaults;
  ASSERT_EQ(rows.size(), TrainingOptionTable().size());
  for (const TrainingOption& option : TrainingOptionTable()) {
    const std::string start = "| `--" + KebabName(option) + "` | ";
    const auto row = std::ranges::find_if(
        rows, [&](const std::string& text) { return text.starts_with(start); });
    ASSERT_NE(row, rows.end()) << start;
    const size_t library = row->find(" | ", start.size()) + 3;
    EXPECT_EQ(row->substr(library, row->find(" | ", library) - library), ToText(option, &defaults));
  }
}

TEST(TrainingOptions, WordsAndTextsOfEachOption) {
  TrainingOptions options;
  for (const TrainingOption& option : TrainingOptionTable()) {
    const std::string text = ToText(option, &options);
    ParseInto(option, text, &options);
    EXPECT_EQ(ToText(option, &options), text) << option.name;
    EXPECT_NE(
        ErrorOf([&] { ParseInto(option, "wrong", &options); }).find("'wrong' given, expected"),
        std::string::npos);
  }
  ParseInto(FindTrainingOption("gradient_threshold"), "Inf", &options);
  EXPECT_EQ(options.gradient_threshold, 0);
  EXPECT_EQ(
      Resolve({.gradient_threshold = std::numeric_limits<double>::infinity()}).gradient_threshold,
      0);
  ParseInto(FindTrainingOption("seed"), "18446744073709551615", &options);
  EXPECT_EQ(options.seed, ~uint64_t{0});
  EXPECT_ERROR(ParseInto(FindTrainingOption("seed"), "-1", &options),
               "'-1' given, expected a whole number from 0 to 18446744073709551615");
  EXPECT_ERROR(ParseInto(FindTrainingOption("initial_learn_rate"), "0", &options),
               "'0' given, expected a number above 0, or auto");
  EXPECT_ERROR(ParseInto(FindTrainingOption("solver"), "adm", &options),
               "'adm' given, expected sgdm, adam, rmsprop, adamw, lbfgs, did you mean 'adam'?");
  EXPECT_ERROR(FindTrainingOption("xyzzy"), "training options: 'xyzzy' is none");
  EXPECT_ERROR(FindTrainingOption("max_epoch"),
               "training options: 'max_epoch' is none, did you mean 'max_epochs'?");
}

TEST(TrainingOptions, TextsOfChainsAndWeights) {
  TrainingOptions options;
  ParseInto(FindTrainingOption("learn_rate_chain"), "none:2, Cosine:8", &options);
  EXPECT_EQ(options.learn_rate_chain,
            (std::vector<ScheduleStretch>{{Schedule::kNone, 2}, {Schedule::kCosine, 8}}));
  EXPECT_EQ(ToText(FindTrainingOption("learn_rate_chain"), &options), "none:2,cosine:8");
  for (const char* wrong : {"cosine", "cosine:0", "cosine:1.5", "sine:2", "none:2,", "none:-1"})
    EXPECT_ERROR(ParseInto(FindTrainingOption("learn_rate_chain"), wrong, &options),
                 "'" + std::string(wrong) +
                     "' given, expected schedules with their epochs, such as none:2,cosine:8, or "
                     "none");
  ParseInto(FindTrainingOption("class_weights"), "1,2.5,0.5", &options);
  EXPECT_EQ(options.class_weights, (ClassWeights{.values = {1, 2.5, 0.5}}));
  EXPECT_EQ(ToText(FindTrainingOption("class_weights"), &options), "1,2.5,0.5");
  ParseInto(FindTrainingOption("class_weights"), "Balanced", &options);
  EXPECT_EQ(options.class_weights, ClassWeights{.balanced = true});
  for (const char* wrong : {"1", "1,0", "1,-2", "1,inf", "even"})
    EXPECT_ERROR(
        ParseInto(FindTrainingOption("class_weights"), wrong, &options),
        "'" + std::string(wrong) +
            "' given, expected none, balanced, or a number above 0 for each class, such as "
            "1,2.5");
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
