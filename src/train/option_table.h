// THE TABLE of the training options: checks, Describe and so the identity of a run, checkpoints,
// the command line and docs/options.md read it. An option is a row and its use.
#pragma once

#include <string_view>

#include "normkit/train/options.h"
#include "src/core/properties.h"

namespace normkit {

template <>
struct EnumNames<Solver> {
  static constexpr std::string_view kWhat = "solver";
  static constexpr std::string_view kNames[] = {"sgdm", "adam", "rmsprop", "adamw", "lbfgs"};
};
template <>
struct EnumNames<LineSearchMethod> {
  static constexpr std::string_view kWhat = "line search method";
  static constexpr std::string_view kNames[] = {"weak-wolfe", "strong-wolfe", "backtracking"};
};
template <>
struct EnumNames<Shuffle> {
  static constexpr std::string_view kWhat = "shuffle";
  static constexpr std::string_view kNames[] = {"never", "once", "every-epoch"};
};
template <>
struct EnumNames<Schedule> {
  static constexpr std::string_view kWhat = "learning rate schedule";
  static constexpr std::string_view kNames[] = {"none",        "piecewise",  "cosine",
                                                "exponential", "polynomial", "cyclical"};
};
template <>
struct EnumNames<GradientThresholdMethod> {
  static constexpr std::string_view kWhat = "gradient threshold method";
  static constexpr std::string_view kNames[] = {"l2norm", "global-l2norm", "absolute-value"};
};
template <>
struct EnumNames<Statistics> {
  static constexpr std::string_view kWhat = "batch normalization statistics";
  static constexpr std::string_view kNames[] = {"auto", "moving", "population", "population-exact"};
};
template <>
struct EnumNames<Loss> {
  static constexpr std::string_view kWhat = "loss";
  static constexpr std::string_view kNames[] = {
      "auto", "cross-entropy", "mean-squared-error", "mean-absolute-error", "huber", "dice"};
};
template <>
struct EnumNames<Metric> {
  static constexpr std::string_view kWhat = "metric";
  static constexpr std::string_view kNames[] = {"loss", "accuracy", "f-score",
                                                "auc",  "rmse",     "dice"};
};
template <>
struct EnumNames<OutputNetwork> {
  static constexpr std::string_view kWhat = "output network";
  static constexpr std::string_view kNames[] = {"auto", "last", "best"};
};
template <>
struct EnumNames<FrequencyUnit> {
  static constexpr std::string_view kWhat = "frequency unit";
  static constexpr std::string_view kNames[] = {"epoch", "iteration"};
};
template <>
struct EnumNames<Verbose> {
  static constexpr std::string_view kWhat = "verbose";
  static constexpr std::string_view kNames[] = {"auto", "on", "off"};
};
template <>
struct EnumNames<BatchNormSync> {
  static constexpr std::string_view kWhat = "batch norm sync";
  static constexpr std::string_view kNames[] = {"on", "off"};
};
template <>
struct EnumNames<ResetInputNormalization> {
  static constexpr std::string_view kWhat = "reset input normalization";
  static constexpr std::string_view kNames[] = {"off", "on"};
};

// Texts: "none:2,cosine:8" and "none"; "none", "balanced" and "1,2,0.5"; "none" and
// "flip,rotate:15".
template <>
const PropertyKind& KindOf<std::vector<ScheduleStretch>>();
template <>
const PropertyKind& KindOf<ClassWeights>();
template <>
const PropertyKind& KindOf<Augmentation>();

// The columns beside those of every property.
struct TrainingOption : Property {
  // Whether the trained bytes depend on it in such a run; null: in none.
  bool (*counts)(const TrainingOptions& options);
};

// In the order of the structure.
std::span<const TrainingOption> TrainingOptionTable();

// The same as a table of properties.
const PropertyTable& TableFor(const TrainingOptions&);

// The row called `name` ("mini_batch_size").
const TrainingOption& FindTrainingOption(std::string_view name);

// "--mini-batch-size", or without the dashes.
std::string KebabName(const Property& property);

// Arrays of the shape of the parameters that a solver keeps.
int64_t SolverStates(const TrainingOptions& options);

// Whether the best network of the validations is the result.
bool KeepsBest(const TrainingOptions& options);

// So that iterations and observations, all runs of a comparison added up, can be counted in int64.
inline constexpr int64_t kMostEpochs = 1'000'000, kMostCount = 1'000'000'000;
inline constexpr NumberRange<int64_t> kMiniBatchSizes{1, kMostCount};

}  // namespace normkit
