#include "src/train/option_table.h"

#include <algorithm>
#include <vector>

#include "src/core/fail.h"
#include "src/core/suggest.h"

namespace normkit {
namespace {

using O = TrainingOptions;

constexpr NumberRange<double> kEpochs{.low = 1, .high = kMostEpochs},
    kCount{.low = 1, .high = kMostCount}, kCountOrNone{.low = 0, .high = kMostCount},
    kHistory{.low = 1, .high = 1000}, kTries{.low = 1, .high = 1000},
    kAboveZero{.low = 0, .open_low = true}, kZeroOrMore{.low = 0}, kZeroToOne{.low = 0, .high = 1},
    kBelowOne{.low = 0, .high = 1, .open_high = true},
    kBetween{.low = 0, .high = 1, .open_low = true, .open_high = true};

bool Always(const O&) { return true; }
bool IsLbfgs(const O& o) { return o.solver == Solver::kLbfgs; }
bool HasEpochs(const O& o) { return !IsLbfgs(o); }
// Whether one of these schedules is in force at some time.
template <Schedule... kSchedules>
bool Follows(const O& o) {
  const auto is = [](Schedule schedule) { return ((schedule == kSchedules) || ...); };
  if (IsLbfgs(o)) return false;
  if (o.learn_rate_chain.empty()) return is(o.learn_rate_schedule);
  return std::ranges::any_of(o.learn_rate_chain, is, &ScheduleStretch::schedule);
}
constexpr auto kDrops = Follows<Schedule::kPiecewise, Schedule::kExponential, Schedule::kCyclical>;
bool IsChained(const O& o) { return HasEpochs(o) && !o.learn_rate_chain.empty(); }
bool WarmsUp(const O& o) { return HasEpochs(o) && o.learn_rate_warmup > 0; }
bool IsSgdm(const O& o) { return o.solver == Solver::kSgdm; }
bool IsAdam(const O& o) { return o.solver == Solver::kAdam || o.solver == Solver::kAdamW; }
bool HasSquares(const O& o) { return o.solver != Solver::kSgdm && !IsLbfgs(o); }
bool Clips(const O& o) { return o.gradient_threshold > 0; }
bool Validates(const O& o) { return o.validation_data != nullptr; }
bool IsApart(const O& o) { return o.batch_norm_sync == BatchNormSync::kOff; }
bool ResetsInput(const O& o) { return o.reset_input_normalization == ResetInputNormalization::kOn; }
bool Augments(const O& o) { return o.augment.any(); }
bool IsHuber(const O& o) { return o.loss == Loss::kHuber; }
bool IsWeighted(const O& o) { return o.class_weights != ClassWeights{}; }
bool IsSmoothed(const O& o) { return o.label_smoothing > 0; }
bool HasObjective(const O& o) { return Validates(o) && o.objective_metric != Metric::kLoss; }

const std::vector<TrainingOption>& OptionRows() {
  static const std::vector<TrainingOption> rows{
      {Row<&O::solver>("solver", ""), Always},
      {Row<&O::max_epochs>("max_epochs", "Passes over the training data", {.range = kEpochs}),
       HasEpochs},
      {Row<&O::mini_batch_size>("mini_batch_size",
                                "Observations an iteration; lbfgs: of validation and statistics",
                                {.range = kCount}),
       Always},
      {Row<&O::micro_batch_size>("micro_batch_size",
                                 "Observations at a time, whose gradients are added up: the same "
                                 "bytes with less memory; none: all of the mini-batch",
                                 {.range = kCount, .zero = "none", .meaning = "all at once"}),
       nullptr},
      {Row<&O::initial_learn_rate>(
           "initial_learn_rate", "Learning rate at the start; auto: 0.01 for sgdm, else 0.001",
           {.range = kAboveZero, .zero = "auto", .meaning = "the solver's default"}),
       HasEpochs},
      {Row<&O::learn_rate_schedule>("learn_rate_schedule", ""), HasEpochs},
      {Row<&O::learn_rate_chain>("learn_rate_chain", "in place of the one schedule"), IsChained},
      {Row<&O::learn_rate_drop_period>(
           "learn_rate_drop_period",
           "piecewise, exponential: epochs of a drop; cyclical: epochs of a cycle",
           {.range = kCount}),
       kDrops},
      {Row<&O::learn_rate_drop_factor>("learn_rate_drop_factor",
                                       "piecewise, exponential: what a drop multiplies by; "
                                       "cyclical: the lowest rate, times the "
                                       "initial one",
                                       {.range = kZeroToOne}),
       kDrops},
      {Row<&O::learn_rate_power>("learn_rate_power", "polynomial: the power of what is left",
                                 {.range = kAboveZero}),
       Follows<Schedule::kPolynomial>},
      {Row<&O::learn_rate_warmup>("learn_rate_warmup",
                                  "Iterations in which the rate rises, before any schedule",
                                  {.range = kCountOrNone}),
       WarmsUp},
      {Row<&O::momentum>("momentum", "sgdm: part of the last step that is kept",
                         {.range = kBelowOne}),
       IsSgdm},
      {Row<&O::gradient_decay_factor>("gradient_decay_factor",
                                      "adam, adamw: decay of the gradient's moving average",
                                      {.range = kBelowOne}),
       IsAdam},
      {Row<&O::squared_gradient_decay_factor>(
           "squared_gradient_decay_factor",
           "adam, adamw, rmsprop: decay of the squared gradient's moving average; auto: 0.9 for "
           "rmsprop, "
           "else 0.999",
           {.range = kBetween, .zero = "auto", .meaning = "the solver's default"}),
       HasSquares},
      {Row<&O::solver_epsilon>("solver_epsilon", "adam, adamw, rmsprop: added to the denominator",
                               {.range = kAboveZero}),
       HasSquares},
      {Row<&O::max_iterations>("max_iterations", "lbfgs: steps at most, each of all the data",
                               {.range = kEpochs}),
       IsLbfgs},
      {Row<&O::history_size>("history_size", "lbfgs: steps that the curvature is learned from",
                             {.range = kHistory}),
       IsLbfgs},
      {Row<&O::initial_inverse_hessian_factor>(
           "initial_inverse_hessian_factor",
           "lbfgs: the first step as a multiple of the gradient, before a line is searched",
           {.range = kAboveZero}),
       IsLbfgs},
      {Row<&O::initial_step_size>(
           "initial_step_size",
           "lbfgs: the largest change of a parameter in the first step, in place of that multiple",
           {.range = kAboveZero, .zero = "none", .meaning = "by the factor"}),
       IsLbfgs},
      {Row<&O::line_search_method>("line_search_method", "lbfgs: what a step has to fulfil"),
       IsLbfgs},
      {Row<&O::max_num_line_search_iterations>("max_num_line_search_iterations",
                                               "lbfgs: points of a line that are tried at most",
                                               {.range = kTries}),
       IsLbfgs},
      {Row<&O::gradient_tolerance>(
           "gradient_tolerance",
           "lbfgs: ends where no gradient is larger, times the loss where that is above 1",
           {.range = kZeroOrMore}),
       IsLbfgs},
      {Row<&O::step_tolerance>("step_tolerance",
                               "lbfgs: ends behind a step that changed no parameter by more",
                               {.range = kZeroOrMore}),
       IsLbfgs},
      {Row<&O::l2_regularization>("l2_regularization",
                                  "Weight decay in the gradient; adamw: beside it",
                                  {.range = kZeroOrMore}),
       Always},
      {Row<&O::gradient_threshold>("gradient_threshold",
                                   "Gradients are clipped to this; inf: they are not",
                                   {.range = kAboveZero, .zero = "inf", .meaning = "none"}),
       HasEpochs},
      {Row<&O::gradient_threshold_method>("gradient_threshold_method",
                                          "what is clipped: l2norm is that of each parameter"),
       Clips},
      {Row<&O::shuffle>("shuffle", ""), HasEpochs},
      {Row<&O::augment>("augment", "how pictures are changed anew in each epoch"), Augments},
      {Row<&O::batch_normalization_statistics>("batch_normalization_statistics",
                                               "what prediction uses"),
       Always},
      {Row<&O::reset_input_normalization>(
           "reset_input_normalization",
           "a network that is trained on (--from): its input layer's statistics are those of the "
           "new data"),
       ResetsInput},
      {Row<&O::loss>("loss", ""), Always},
      {Row<&O::huber_transition>("huber_transition",
                                 "huber: the error from which its absolute value counts",
                                 {.range = kAboveZero}),
       IsHuber},
      {Row<&O::class_weights>("class_weights", "what the loss of each class counts"), IsWeighted},
      {Row<&O::label_smoothing>("label_smoothing",
                                "The part of each label that is spread over all classes",
                                {.range = kBelowOne}),
       IsSmoothed},
      {Row<&O::validation_frequency>("validation_frequency", "Iterations between validations",
                                     {.range = kCount}),
       Validates},
      {Row<&O::validation_patience>(
           "validation_patience",
           "Validations without a better objective metric before training ends; 0 or inf: never",
           {.range = kCountOrNone, .zero = "inf", .meaning = "never"}),
       Validates},
      {Row<&O::objective_metric>("objective_metric", "what tells validations apart"), HasObjective},
      {Row<&O::output_network>("output_network",
                               "best of the validations; auto: where there are any"),
       Validates},
      {Row<&O::verbose>("verbose", "the table of progress"), nullptr},
      {Row<&O::verbose_frequency>(
           "verbose_frequency", "Iterations between rows of the progress table", {.range = kCount}),
       nullptr},
      {Row<&O::seed>("seed", "Of initial weights, order of the data, dropout, split"), Always},
      {Row<&O::checkpoint_frequency>("checkpoint_frequency",
                                     "Epochs (or iterations) between checkpoints; 0 or inf: only "
                                     "when stopped",
                                     {.range = kCountOrNone, .zero = "inf", .meaning = "never"}),
       nullptr},
      {Row<&O::checkpoint_frequency_unit>("checkpoint_frequency_unit", "what it counts"), nullptr},
      {Row<&O::batch_norm_sync>("batch_norm_sync",
                                "several ranks: batch normalization takes the statistics of all"),
       IsApart},
  };
  return rows;
}

}  // namespace

std::span<const TrainingOption> TrainingOptionTable() { return OptionRows(); }

int64_t SolverStates(const TrainingOptions& options) {
  switch (options.solver) {
    case Solver::kLbfgs:
      return 2 * options.history_size + 1;
    case Solver::kAdam:
    case Solver::kAdamW:
      return 2;
    case Solver::kSgdm:
    case Solver::kRmsProp:
      break;
  }
  return 1;
}

bool KeepsBest(const TrainingOptions& options) {
  return options.validation_data && options.output_network != OutputNetwork::kLast;
}

const PropertyTable& TableFor(const TrainingOptions&) {
  static const std::vector<Property> properties(OptionRows().begin(), OptionRows().end());
  static const PropertyTable table = TableOf<TrainingOptions>(properties);
  return table;
}

const TrainingOption& FindTrainingOption(std::string_view name) {
  const auto found = std::ranges::find(OptionRows(), name, &TrainingOption::name);
  if (found == OptionRows().end()) {
    std::vector<std::string> names;
    for (const TrainingOption& option : OptionRows()) names.emplace_back(option.name);
    Fail("training options: '{}' is none{}", name, DidYouMean(name, names));
  }
  return *found;
}

std::string KebabName(const Property& property) {
  std::string name(property.name);
  std::ranges::replace(name, '_', '-');
  return name;
}

}  // namespace normkit
