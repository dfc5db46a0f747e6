// What a network gives for observations, with its trained statistics.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"
#include "normkit/core/tensor.h"
#include "normkit/data/source.h"
#include "normkit/nn/network.h"

namespace normkit {

// One observation at a time; what it needs is made once. Used by one thread at a time.
class NORMKIT_API Predictor {
 public:
  // Throws Error where memory is short for the activations.
  explicit Predictor(Network network);
  ~Predictor();
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;

  const Network& network() const;
  const Layout& input() const;   // of an observation: B = 1; of a row of a sequence: T = 1
  const Layout& output() const;  // of what is given for one

  // The values for one observation, of a sequence all of its rows, until the next call. Throws
  // Error "NAME: ..." where there are more or fewer values than the network takes, one is not
  // finite, or the network gives one that is not.
  std::span<const float> Predict(std::span<const float> x,
                                 const std::string& name = "the observation");

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// For all of x, observations one after the other in the layout of the network's input, or of
// `data`: [N, ...] in the layout of its output. The same bits for the same mini-batch size; between
// sizes matrix products round differently. Of sequences rows are given, packed: `offsets`, where
// not null, gets where those of each observation begin and the last one ends, [N + 1]. Throws the
// same errors; an empty x gives an empty tensor.
NORMKIT_API Tensor Predict(const Network& network, std::span<const float> x,
                           int64_t mini_batch_size = 128);
NORMKIT_API Tensor Predict(const Network& network, const DataSource& data,
                           int64_t mini_batch_size = 128, std::vector<int64_t>* offsets = nullptr);

// The classes (or values) of one observation that have the largest values, those first, at most
// `count`; of equal ones the first.
NORMKIT_API std::vector<size_t> LargestOf(std::span<const float> values, size_t count);

}  // namespace normkit
