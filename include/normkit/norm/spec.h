// What each normalization is: one row of a table.
#pragma once

#include <span>
#include <string_view>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/layout.h"

namespace normkit {

// What x - mean is divided by.
enum class NormDivisor {
  kDeviation,  // sqrt(E[(x - mean)^2] + epsilon)
  kNorm,       // sqrt(sum((x - mean)^2) + epsilon): saved variances are sums
  kNone,       // 1: epsilon is not read, saved variances are 0, given ones not read
};

// One normalization over labelled dimensions: which are reduced by the statistics, which carry
// gamma and beta (0: one gamma and one beta for all), whether the mean is subtracted, which index
// the running statistics (none: no running statistics), and what is divided by. Dimensions that a
// layout does not have are ignored.
struct NormSpec {
  std::string_view name;
  Dims reduce;
  Dims affine;
  bool center = true;
  Dims running = 0;
  NormDivisor divisor = NormDivisor::kDeviation;
};

// What layer normalization reduces (property `operation_dimension` of the toolbox).
enum class OperationDimension { kBatchExcluded, kAuto, kChannelOnly, kSpatialChannel };

// The table. Add a normalization by adding a row.
inline constexpr NormSpec kBatchNorm{"batch", kB | kT | kS, kG | kC, true, kG | kC};
inline constexpr NormSpec kLayerNorm{"layer", kG | kC | kT | kS, kG | kC};
inline constexpr NormSpec kLayerNormChannelOnly{"layer/channel-only", kG | kC, kG | kC};
inline constexpr NormSpec kLayerNormSpatialChannel{"layer/spatial-channel", kG | kC | kS, kG | kC};
inline constexpr NormSpec kInstanceNorm{"instance", kT | kS, kG | kC};
inline constexpr NormSpec kGroupNorm{"group", kC | kT | kS, kG | kC};
inline constexpr NormSpec kRmsNorm{"rms", kG | kC, kG | kC, false};
inline constexpr NormSpec kGroupRmsNorm{"group-rms", kC | kT | kS, kG | kC, false};
// gamma * x / ||x||.
inline constexpr NormSpec kL2Normalization{"l2", kG | kC, kG | kC, false, 0, NormDivisor::kNorm};
// The same with one gamma for all (ScaleNorm, Nguyen & Salazar 2019).
inline constexpr NormSpec kScaleNorm{"scale", kG | kC, 0, false, 0, NormDivisor::kNorm};
inline constexpr NormSpec kMeanOnly{"mean-only", kG | kC, kG | kC, true, 0, NormDivisor::kNone};

// All rows, in the order above.
NORMKIT_API std::span<const NormSpec> NormSpecs();

// The row called `name`. Throws Error that lists the names, the nearest one first.
NORMKIT_API const NormSpec& FindNormSpec(std::string_view name);

// The axes called "C", "CS", "BC", ...: letters of B, T, S and C, each once. Throws Error that
// names the letter. For NormOptions::parameter_axes.
NORMKIT_API Dims ParseAxes(std::string_view letters);

// How many groups, beside 1, 2, ..., by the toolbox's names.
inline constexpr int64_t kAllChannels = -1;  // one group
inline constexpr int64_t kChannelWise = -2;  // a group a channel

// The row that layer normalization is for `layout`. kAuto (what later releases of the toolbox do
// when nothing is said): spatial-channel for images, which have two axes of space or more and no
// time, and channel-only for everything else: features, sequences, one axis of space.
NORMKIT_API const NormSpec& LayerNormSpec(OperationDimension dimension, const Layout& layout);

// "batch-excluded", "auto", "channel-only", "spatial-channel".
NORMKIT_API std::string_view Name(OperationDimension dimension);
NORMKIT_API OperationDimension ParseOperationDimension(std::string_view name);

}  // namespace normkit
