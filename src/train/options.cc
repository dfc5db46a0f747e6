#include "normkit/train/options.h"

#include <limits>

#include "src/core/fail.h"
#include "src/train/micro_batches.h"
#include "src/train/option_table.h"

namespace normkit {
namespace {

// The row without a word for 0.
Property InNumbers(Property property) {
  property.facts.zero = {};
  return property;
}

// What would make the loss of all data another one from evaluation to evaluation, or its gradient
// another than that.
void CheckWholeData(const TrainingOptions& o) {
  const char* given = o.gradient_threshold > 0 ? "a gradient_threshold"
                      : o.augment.any()        ? "augmentation"
                      : o.learn_rate_function  ? "a learn_rate_function"
                                               : nullptr;
  if (given)
    Fail(
        "training options: {} with the solver lbfgs, expected none (it searches for steps by the "
        "loss of all data)",
        given);
}

void Check(const TrainingOptions& o) {
  const std::string wrong = FindWrong(TableFor(o), &o);
  if (!wrong.empty()) Fail("training options: {}", wrong);
  if (o.checkpoint_frequency > 0 && o.checkpoint_path.empty())
    Fail("training options: checkpoint_frequency is {} without a checkpoint_path, expected a path",
         o.checkpoint_frequency);
  const bool whole = o.solver == Solver::kLbfgs;
  if (whole) CheckWholeData(o);
  const bool parts = whole ? o.micro_batch_size > 0 : MicroBatches(o, o.mini_batch_size) > 1;
  if (parts && o.reducer && o.reducer->ranks() > 1)
    Fail("training options: micro_batch_size is {} on {} ranks, expected one of them",
         o.micro_batch_size, o.reducer->ranks());
  if (o.output_network == OutputNetwork::kBest && !o.validation_data)
    Fail("training options: output_network is best without validation_data, expected some");
}

}  // namespace

std::string_view Name(Solver value) { return NameOf(value); }
std::string_view Name(LineSearchMethod value) { return NameOf(value); }
std::string_view Name(Shuffle value) { return NameOf(value); }
std::string_view Name(Schedule value) { return NameOf(value); }
std::string_view Name(GradientThresholdMethod value) { return NameOf(value); }
std::string_view Name(Statistics value) { return NameOf(value); }
std::string_view Name(Loss value) { return NameOf(value); }
std::string_view Name(Metric value) { return NameOf(value); }
std::string_view Name(OutputNetwork value) { return NameOf(value); }
std::string_view Name(FrequencyUnit value) { return NameOf(value); }
std::string_view Name(Verbose value) { return NameOf(value); }
std::string_view Name(BatchNormSync value) { return NameOf(value); }
std::string_view Name(ResetInputNormalization value) { return NameOf(value); }

Solver ParseSolver(std::string_view name) { return ParseNamed<Solver>(name); }
LineSearchMethod ParseLineSearchMethod(std::string_view name) {
  return ParseNamed<LineSearchMethod>(name);
}
Shuffle ParseShuffle(std::string_view name) { return ParseNamed<Shuffle>(name); }
Schedule ParseSchedule(std::string_view name) { return ParseNamed<Schedule>(name); }
GradientThresholdMethod ParseGradientThresholdMethod(std::string_view name) {
  return ParseNamed<GradientThresholdMethod>(name);
}
Statistics ParseStatistics(std::string_view name) { return ParseNamed<Statistics>(name); }
Loss ParseLoss(std::string_view name) { return ParseNamed<Loss>(name); }
Metric ParseMetric(std::string_view name) { return ParseNamed<Metric>(name); }
OutputNetwork ParseOutputNetwork(std::string_view name) { return ParseNamed<OutputNetwork>(name); }
FrequencyUnit ParseFrequencyUnit(std::string_view name) { return ParseNamed<FrequencyUnit>(name); }
Verbose ParseVerbose(std::string_view name) { return ParseNamed<Verbose>(name); }
BatchNormSync ParseBatchNormSync(std::string_view name) { return ParseNamed<BatchNormSync>(name); }
ResetInputNormalization ParseResetInputNormalization(std::string_view name) {
  return ParseNamed<ResetInputNormalization>(name);
}

TrainingOptions Resolve(const TrainingOptions& options) {
  TrainingOptions resolved = options;
  if (resolved.gradient_threshold == std::numeric_limits<double>::infinity())
    resolved.gradient_threshold = 0;
  Check(resolved);
  if (resolved.initial_learn_rate == 0)
    resolved.initial_learn_rate = resolved.solver == Solver::kSgdm ? 0.01 : 0.001;
  if (resolved.squared_gradient_decay_factor == 0)
    resolved.squared_gradient_decay_factor = resolved.solver == Solver::kRmsProp ? 0.9 : 0.999;
  return resolved;
}

std::vector<std::pair<std::string, std::string>> Describe(const TrainingOptions& options) {
  const TrainingOptions resolved = Resolve(options);
  std::vector<std::pair<std::string, std::string>> facts;
  for (const TrainingOption& option : TrainingOptionTable())
    if (option.counts && option.counts(resolved))
      facts.emplace_back(KebabName(option), ToText(InNumbers(option), &resolved));
  if (resolved.learn_rate_function) facts.emplace_back("learn-rate-function", "given");
  if (resolved.loss_function) facts.emplace_back("loss-function", "given");
  if (resolved.metric_function) facts.emplace_back("metric-function", "given");
  return facts;
}

}  // namespace normkit
