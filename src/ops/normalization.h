// The normalization as an operation of a graph.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/norm/normalization.h"
#include "src/ops/ops.h"
#include "src/ops/renormalization.h"

namespace normkit::ops {

// Of a picture of which x is a piece.
struct FinishedStatistics {
  std::vector<double> mean, rstd;
};

// Inputs: x, gamma if `scale`, beta if `offset`, given mean and variance [C] unless kOwn, an addend
// if `addend`. Outputs: y; kBatch: also the mean and variance [C] of the batch, f64, in training.
struct NormalizationSettings {
  // Whose statistics: x's own; those of the batch in training, given ones in prediction; given.
  enum Statistics { kOwn, kBatch, kGiven };

  const NormSpec* spec = nullptr;  // a row of the table
  Statistics statistics = kOwn;
  bool scale = true, offset = true;
  bool addend = false;       // y = activation(gamma xhat + beta + addend)
  NormOptions options = {};  // epsilon, num_groups, activation; name, for messages
  // What the axes of x mean, "BSSC", where their labels do not say it; "": they do.
  std::string format = "";
  // x is rows of channels, whatever its axes mean: this one and those behind it; -1: it is not.
  int rows_to = -1;

  // In prediction, of one picture with the channels last: kOwn by cells (celled_normalization.h),
  // or with statistics that are known.
  bool cells = false;
  std::shared_ptr<const FinishedStatistics> finished = nullptr;

  // Of statistics that are given in prediction, for who trains the network: how much each
  // mini-batch moves them, and whether they stay as they are.
  double mean_decay = 0.1, variance_decay = 0.1;
  bool frozen = false;
  // kBatch: training corrects what it normalizes by that of the batch.
  std::optional<Renormalization> renormalization = {};

  size_t mean_input() const { return 1 + size_t{scale} + size_t{offset}; }
};

OpPtr MakeNormalization(const NormalizationSettings& normalization);

// Those of an operation that MakeNormalization made; null: it is another.
const NormalizationSettings* NormalizationOf(const Op& op);

inline constexpr std::string_view kAdaptiveName = "adaptive normalization";

// x [B,..,C], gamma [B,C] and beta [B,C], which may be computed, as in adaptive instance
// normalization (Huang & Belongie 2017): y = gamma xhat + beta, each observation with its own.
OpPtr AdaptiveNormalization(const NormSpec& spec, const NormOptions& options);
// Of such an operation: what MakeNormalization gives the same for one observation of.
NormalizationSettings SettingsOfAdaptive(const Op& op);

// The same with what stands behind it, where `op` is one of MakeNormalization without.
OpPtr WithActivation(const Op& op, Activation activation, bool addend);

}  // namespace normkit::ops
