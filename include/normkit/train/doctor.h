// What is wrong with the normalizations of a finished network, found by measuring on data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/data/input_form.h"
#include "normkit/data/source.h"
#include "normkit/nn/network.h"
#include "normkit/train/options.h"

namespace normkit {

// A normalization as the data find it.
struct NormHealth {
  std::string layer, kind;  // "batch", "layer", ...
  bool has_statistics = false;
  double mean_gap = 0, variance_gap = 0;  // StatisticsGap::fed_mean and fed_variance
  double dead = 0;                        // share of channels whose scale is below a ten-thousandth
  double under_epsilon = 0;               // whose variance is below epsilon
  double idle = 0;       // that the ReLU behind it never lets through; 0: there is none
  double largest = 0;    // absolute value of what it reads
  double deviation = 0;  // standard deviation of what it reads, the median over channels
  int64_t values = 0;    // behind a statistic, of one observation
};

// How good the network is with the statistics of mini-batches of a size in place of its own.
struct BatchSensitivity {
  int64_t mini_batch_size = 0;
  double metric = 0;  // percent; RMSE for regression; NaN: numbers overflow
};

// One thing that is wrong: what was measured, and what mends it.
struct Finding {
  std::string fault;  // "statistics", "input", "epsilon", "dead", "one-value", "f16"
  std::string layer;
  std::string finding, effect, cure;  // sentences
  std::string command;                // that cures, with MODEL.onnx and SOURCE for this one's
  double before = 0, after = 0;       // the metric, without and with the cure
};

struct Diagnosis {
  double metric = 0;           // percent; RMSE for regression; NaN: numbers overflow
  bool classification = true;  // of observations, steps or positions
  int64_t observations = 0;
  std::vector<NormHealth> layers;
  std::vector<BatchSensitivity> sensitivity;  // 128, 32, 8, 2; none without batch normalization
  std::vector<Finding> findings;              // the most harmful first; none: it is healthy
};

struct DiagnoseOptions {
  InputForm form = {};      // in which the data are to go in
  std::string input = "x";  // what findings call the network's input
  int64_t mini_batch_size = 128;
  int64_t observations = 2000;  // at most so many, spread over the data
};

// A finding is a cure that was tried: it makes the metric better by a point (regression: the RMSE
// by 5 %) and, observation by observation, by four standard errors; or numbers that overflow in
// half precision, counted. Cures are tried on top of those found before, so that one fault is one
// finding. `data` are as they are, without the form. Throws Error where they do not fit the
// network.
NORMKIT_API Diagnosis Diagnose(const Network& network, const DataPtr& data,
                               const DiagnoseOptions& options = {});

// Multiplies the weights of the convolution or matrix product before a batch normalization, channel
// by channel, so that what it reads has a variance near 1, and its statistics to match: powers of
// two, which the normalization undoes. `layers` as in RecomputeOptions. Throws Error where nothing
// of that kind stands before it, or others read it.
NORMKIT_API void RescaleBefore(Network& network, const std::vector<std::string>& layers);

}  // namespace normkit
