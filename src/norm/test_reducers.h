// Ranks without processes, for tests.
#pragma once

#include "normkit/core/reducer.h"

namespace normkit {

// Ranks that all hold the same: statistics stay, counts and sums double.
class Twins : public Reducer {
 public:
  int ranks() const override { return 2; }
  int rank() const override { return 0; }
  void Merge(std::span<Moments> moments) override {
    for (Moments& m : moments) m.Merge(Moments(m));
  }
  void Sum(std::span<double> values) override {
    for (double& v : values) v += v;
  }
};

// The only rank.
class Alone : public Reducer {
 public:
  int ranks() const override { return 1; }
  int rank() const override { return 0; }
  void Merge(std::span<Moments>) override {}
  void Sum(std::span<double>) override {}
};

}  // namespace normkit
