#include "normkit/train/options.h"

#include <array>

#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/core/text.h"
#include "src/train/option_ranges.h"

namespace normkit {
namespace {

// What an enumeration is called and the names of its values, in the order of the values.
template <class E>
struct Names;
template <>
struct Names<Solver> {
  static constexpr std::string_view kWhat = "solver";
  static constexpr std::array<std::string_view, 3> kNames{"sgdm", "adam", "rmsprop"};
};
template <>
struct Names<Shuffle> {
  static constexpr std::string_view kWhat = "shuffle";
  static constexpr std::array<std::string_view, 3> kNames{"never", "once", "every-epoch"};
};
template <>
struct Names<Schedule> {
  static constexpr std::string_view kWhat = "learning rate schedule";
  static constexpr std::array<std::string_view, 3> kNames{"none", "piecewise", "cosine"};
};
template <>
struct Names<GradientThresholdMethod> {
  static constexpr std::string_view kWhat = "gradient threshold method";
  static constexpr std::array<std::string_view, 3> kNames{"l2norm", "global-l2norm",
                                                          "absolute-value"};
};
template <>
struct Names<Statistics> {
  static constexpr std::string_view kWhat = "batch normalization statistics";
  static constexpr std::array<std::string_view, 4> kNames{"auto", "moving", "population",
                                                          "population-exact"};
};
template <>
struct Names<Loss> {
  static constexpr std::string_view kWhat = "loss";
  static constexpr std::array<std::string_view, 3> kNames{"auto", "cross-entropy",
                                                          "mean-squared-error"};
};

template <class E>
std::string_view NameOf(E value) {
  return Names<E>::kNames[static_cast<size_t>(value)];
}

template <class E>
E ParseAs(std::string_view name) {
  const auto& names = Names<E>::kNames;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<E>(i);
  Fail("{} {}, expected {}{}", Names<E>::kWhat, Quoted(name), fmt::join(names, ", "),
       DidYouMean(name, {names.begin(), names.end()}));
}

template <class T>
void CheckRange(const char* name, T value, const NumberRange<T>& range, const char* zero = "") {
  if (range.Contains(value)) return;
  Fail("training options: {} is {}, expected {}{}", name, value, range.ToString(), zero);
}

void Check(const TrainingOptions& o) {
  CheckRange("max_epochs", o.max_epochs, kEpochs);
  CheckRange("mini_batch_size", o.mini_batch_size, kCount);
  CheckRange("initial_learn_rate", o.initial_learn_rate, kZeroOrMore, " (0: the solver's default)");
  CheckRange("learn_rate_drop_period", o.learn_rate_drop_period, kCount);
  CheckRange("learn_rate_drop_factor", o.learn_rate_drop_factor, kZeroToOne);
  CheckRange("momentum", o.momentum, kBelowOne);
  CheckRange("gradient_decay_factor", o.gradient_decay_factor, kBelowOne);
  CheckRange("squared_gradient_decay_factor", o.squared_gradient_decay_factor, kBelowOne,
             " (0: the solver's default)");
  CheckRange("solver_epsilon", o.solver_epsilon, kAboveZero);
  CheckRange("l2_regularization", o.l2_regularization, kZeroOrMore);
  CheckRange("gradient_threshold", o.gradient_threshold, kZeroOrMore, " (0: none)");
  CheckRange("validation_frequency", o.validation_frequency, kCount);
  CheckRange("validation_patience", o.validation_patience, kCountOrNone);
  CheckRange("verbose_frequency", o.verbose_frequency, kCount);
  CheckRange("checkpoint_frequency", o.checkpoint_frequency, kCountOrNone);
  if (o.checkpoint_frequency > 0 && o.checkpoint_path.empty())
    Fail("training options: checkpoint_frequency is {} without a checkpoint_path, expected a path",
         o.checkpoint_frequency);
}

}  // namespace

std::string_view Name(Solver value) { return NameOf(value); }
std::string_view Name(Shuffle value) { return NameOf(value); }
std::string_view Name(Schedule value) { return NameOf(value); }
std::string_view Name(GradientThresholdMethod value) { return NameOf(value); }
std::string_view Name(Statistics value) { return NameOf(value); }
std::string_view Name(Loss value) { return NameOf(value); }

Solver ParseSolver(std::string_view name) { return ParseAs<Solver>(name); }
Shuffle ParseShuffle(std::string_view name) { return ParseAs<Shuffle>(name); }
Schedule ParseSchedule(std::string_view name) { return ParseAs<Schedule>(name); }
GradientThresholdMethod ParseGradientThresholdMethod(std::string_view name) {
  return ParseAs<GradientThresholdMethod>(name);
}
Statistics ParseStatistics(std::string_view name) { return ParseAs<Statistics>(name); }
Loss ParseLoss(std::string_view name) { return ParseAs<Loss>(name); }

TrainingOptions Resolve(const TrainingOptions& options) {
  Check(options);
  TrainingOptions resolved = options;
  if (resolved.initial_learn_rate == 0)
    resolved.initial_learn_rate = resolved.solver == Solver::kSgdm ? 0.01 : 0.001;
  if (resolved.squared_gradient_decay_factor == 0)
    resolved.squared_gradient_decay_factor = resolved.solver == Solver::kRmsProp ? 0.9 : 0.999;
  return resolved;
}

std::vector<std::pair<std::string, std::string>> Describe(const TrainingOptions& options) {
  const TrainingOptions o = Resolve(options);
  std::vector<std::pair<std::string, std::string>> facts;
  const auto add = [&](const char* name, const auto& value) {
    facts.emplace_back(name, fmt::format("{}", value));
  };
  add("solver", Name(o.solver));
  add("max-epochs", o.max_epochs);
  add("mini-batch-size", o.mini_batch_size);
  add("initial-learn-rate", o.initial_learn_rate);
  add("learn-rate-schedule", Name(o.learn_rate_schedule));
  if (o.learn_rate_schedule == Schedule::kPiecewise) {
    add("learn-rate-drop-period", o.learn_rate_drop_period);
    add("learn-rate-drop-factor", o.learn_rate_drop_factor);
  }
  if (o.solver == Solver::kSgdm) add("momentum", o.momentum);
  if (o.solver == Solver::kAdam) add("gradient-decay-factor", o.gradient_decay_factor);
  if (o.solver != Solver::kSgdm) {
    add("squared-gradient-decay-factor", o.squared_gradient_decay_factor);
    add("solver-epsilon", o.solver_epsilon);
  }
  add("l2-regularization", o.l2_regularization);
  add("gradient-threshold", o.gradient_threshold);
  if (o.gradient_threshold > 0) add("gradient-threshold-method", Name(o.gradient_threshold_method));
  add("shuffle", Name(o.shuffle));
  add("batch-normalization-statistics", Name(o.batch_normalization_statistics));
  add("loss", Name(o.loss));
  if (o.validation_data) {
    add("validation-frequency", o.validation_frequency);
    add("validation-patience", o.validation_patience);
  }
  add("seed", o.seed);
  return facts;
}

}  // namespace normkit
