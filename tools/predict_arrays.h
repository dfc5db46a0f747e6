// What a model says, as arrays of NumPy.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "normkit/core/layout.h"
#include "normkit/data/padding.h"

namespace normkit::tools {

// Throws Error where `path` is no place for an .npz.
void CheckArraysFile(const std::string& path);

class PredictedArrays {
 public:
  // Of a model: what it takes and what it gives.
  PredictedArrays(const Layout& input, const Layout& output) : input_(input), output_(output) {}

  // Of an observation, or of a step where each is told.
  void AddOutput(std::span<const float> y) { y_.insert(y_.end(), y.begin(), y.end()); }
  // The sequence that was told of, [T,C]: its length is how many steps y has of it.
  void AddSequence(std::span<const float> x);

  // y [N,K], or [N,T,K]; of sequences x [N,T,C] and lengths [N] beside it, and where they are in
  // pieces, sequence [N], which one each is of.
  void Write(const std::string& path, const SequencePadding& padding) const;

 private:
  Layout input_, output_;
  std::vector<float> x_, y_;
  std::vector<int64_t> offsets_{0};  // of sequences
};

}  // namespace normkit::tools
