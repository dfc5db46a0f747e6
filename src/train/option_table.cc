#include "src/train/option_table.h"

#include <algorithm>
#include <vector>

#include "src/core/fail.h"

namespace normkit {
namespace {

using O = TrainingOptions;

constexpr NumberRange<double> kEpochs{.low = 1, .high = kMostEpochs},
    kCount{.low = 1, .high = kMostCount}, kCountOrNone{.low = 0, .high = kMostCount},
    kAboveZero{.low = 0, .open_low = true}, kZeroOrMore{.low = 0}, kZeroToOne{.low = 0, .high = 1},
    kBelowOne{.low = 0, .high = 1, .open_high = true},
    kBetween{.low = 0, .high = 1, .open_low = true, .open_high = true};

bool Always(const O&) { return true; }
bool IsPiecewise(const O& o) { return o.learn_rate_schedule == Schedule::kPiecewise; }
bool IsSgdm(const O& o) { return o.solver == Solver::kSgdm; }
bool IsAdam(const O& o) { return o.solver == Solver::kAdam; }
bool HasSquares(const O& o) { return o.solver != Solver::kSgdm; }
bool Clips(const O& o) { return o.gradient_threshold > 0; }
bool Validates(const O& o) { return o.validation_data != nullptr; }

const std::vector<TrainingOption>& Rows() {
  static const std::vector<TrainingOption> rows{
      {Row<&O::solver>("solver", ""), Always},
      {Row<&O::max_epochs>("max_epochs", "Passes over the training data", {.range = kEpochs}),
       Always},
      {Row<&O::mini_batch_size>("mini_batch_size", "Observations an iteration", {.range = kCount}),
       Always},
      {Row<&O::initial_learn_rate>(
           "initial_learn_rate", "Learning rate at the start; auto: 0.01 for sgdm, else 0.001",
           {.range = kAboveZero, .zero = "auto", .meaning = "the solver's default"}),
       Always},
      {Row<&O::learn_rate_schedule>("learn_rate_schedule", ""), Always},
      {Row<&O::learn_rate_drop_period>("learn_rate_drop_period", "piecewise: epochs between drops",
                                       {.range = kCount}),
       IsPiecewise},
      {Row<&O::learn_rate_drop_factor>(
           "learn_rate_drop_factor", "piecewise: what a drop multiplies by", {.range = kZeroToOne}),
       IsPiecewise},
      {Row<&O::momentum>("momentum", "sgdm: part of the last step that is kept",
                         {.range = kBelowOne}),
       IsSgdm},
      {Row<&O::gradient_decay_factor>("gradient_decay_factor",
                                      "adam: decay of the gradient's moving average",
                                      {.range = kBelowOne}),
       IsAdam},
      {Row<&O::squared_gradient_decay_factor>(
           "squared_gradient_decay_factor",
           "adam, rmsprop: decay of the squared gradient's moving average; auto: 0.999 for adam, "
           "0.9 for rmsprop",
           {.range = kBetween, .zero = "auto", .meaning = "the solver's default"}),
       HasSquares},
      {Row<&O::solver_epsilon>("solver_epsilon", "adam, rmsprop: added to the denominator",
                               {.range = kAboveZero}),
       HasSquares},
      {Row<&O::l2_regularization>("l2_regularization", "Weight decay in the gradient",
                                  {.range = kZeroOrMore}),
       Always},
      {Row<&O::gradient_threshold>("gradient_threshold",
                                   "Gradients are clipped to this; inf: they are not",
                                   {.range = kAboveZero, .zero = "inf", .meaning = "none"}),
       Always},
      {Row<&O::gradient_threshold_method>("gradient_threshold_method",
                                          "what is clipped: l2norm is that of each parameter"),
       Clips},
      {Row<&O::shuffle>("shuffle", ""), Always},
      {Row<&O::batch_normalization_statistics>("batch_normalization_statistics",
                                               "what prediction uses"),
       Always},
      {Row<&O::loss>("loss", ""), Always},
      {Row<&O::validation_frequency>("validation_frequency", "Iterations between validations",
                                     {.range = kCount}),
       Validates},
      {Row<&O::validation_patience>(
           "validation_patience",
           "Validations without a lower loss before training ends; 0 or inf: never",
           {.range = kCountOrNone, .zero = "inf", .meaning = "never"}),
       Validates},
      {Row<&O::verbose_frequency>(
           "verbose_frequency", "Iterations between rows of the progress table", {.range = kCount}),
       nullptr},
      {Row<&O::seed>("seed", "Of initial weights, order of the data, dropout, split"), Always},
      {Row<&O::checkpoint_frequency>("checkpoint_frequency",
                                     "Epochs between checkpoints; 0 or inf: only when stopped",
                                     {.range = kCountOrNone, .zero = "inf", .meaning = "never"}),
       nullptr},
  };
  return rows;
}

}  // namespace

std::span<const TrainingOption> TrainingOptionTable() { return Rows(); }

const PropertyTable& TableFor(const TrainingOptions&) {
  static const std::vector<Property> properties(Rows().begin(), Rows().end());
  static const PropertyTable table = TableOf<TrainingOptions>(properties);
  return table;
}

const TrainingOption& FindTrainingOption(std::string_view name) {
  const auto found = std::ranges::find(Rows(), name, &TrainingOption::name);
  if (found == Rows().end()) Fail("training options: '{}' is none", name);
  return *found;
}

std::string KebabName(const Property& property) {
  std::string name(property.name);
  std::ranges::replace(name, '_', '-');
  return name;
}

}  // namespace normkit
