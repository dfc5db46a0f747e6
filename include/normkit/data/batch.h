// What training, evaluation and prediction read at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "normkit/data/source.h"

namespace normkit {

// Some observations of a source, packed: the rows of the first one, those of the second, ...,
// nothing between them. What is no sequence has one row, so that rows are observations.
struct Batch {
  // Where each observation begins among the rows and the last one ends, [observations + 1], from 0.
  std::vector<int64_t> offsets = {};
  // [rows, ...] in the layout of the source, in memory of whoever reads: an executor's input.
  std::span<float> inputs = {};
  // One for each observation, or each row where the source answers each row.
  std::vector<int64_t> labels = {};  // classification
  std::vector<float> targets = {};   // regression: [answers, target_size]
  bool answers_each_row = false;

  int64_t observations() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t rows() const { return offsets.back(); }
  int64_t answers() const { return answers_each_row ? rows() : observations(); }
};

// The offsets of the observations `indices`, for which nothing is read: what an executor wants to
// know (Executor::SetBatch) before it has room for them. Throws Error that names an observation
// whose length is below 1, or, of what is no sequence, not 1.
NORMKIT_API void ReadOffsets(const DataSource& source, std::span<const int64_t> indices,
                             std::vector<int64_t>& offsets);

// Reads the observations `indices` into x ([rows, ...]), on NumThreads() threads. Throws the Error
// of the first of them that fails, and names an observation that holds NaN or an infinity, and
// where.
NORMKIT_API void ReadBatch(const DataSource& source, std::span<const int64_t> indices,
                           std::span<float> x);

// All of `batch`, its inputs into x. Throws the same errors, and names an observation whose target
// is not finite or whose label has no class.
NORMKIT_API void ReadBatch(const DataSource& source, std::span<const int64_t> indices,
                           std::span<float> x, Batch& batch);

}  // namespace normkit
