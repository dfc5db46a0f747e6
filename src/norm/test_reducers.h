// Ranks without processes, for tests.
#pragma once

#include <cstring>

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
  void Gather(std::span<const std::byte> own, std::span<std::byte> all) override {
    for (size_t r = 0; r < 2; ++r) std::memcpy(all.data() + r * own.size(), own.data(), own.size());
  }
};

// The only rank.
class Alone : public Reducer {
 public:
  int ranks() const override { return 1; }
  int rank() const override { return 0; }
  void Merge(std::span<Moments>) override {}
  void Sum(std::span<double>) override {}
  void Gather(std::span<const std::byte> own, std::span<std::byte> all) override {
    std::memcpy(all.data(), own.data(), own.size());
  }
};

}  // namespace normkit
