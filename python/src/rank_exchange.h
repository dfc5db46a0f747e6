// Ranks that exchange bytes through a function of Python's: torch.distributed.
#pragma once

#include <nanobind/nanobind.h>

#include <cstring>

#include "src/core/fail.h"
#include "src/core/gathering_reducer.h"

namespace normkit::python {

// `gather(own: bytes) -> bytes` gives what all ranks gave, in rank order. Called with and without
// the interpreter's lock.
class PythonReducer : public GatheringReducer {
 public:
  PythonReducer(nanobind::callable gather, int rank, int ranks)
      : gather_(std::move(gather)), rank_(rank), ranks_(ranks) {}

  int ranks() const override { return ranks_; }
  int rank() const override { return rank_; }
  void Merge(std::span<Moments> moments) override {
    GatheringReducer::Merge(moments);
    count_ = moments.empty() ? 0 : moments[0].n;
  }
  void Gather(std::span<const std::byte> own, std::span<std::byte> all) override {
    const nanobind::gil_scoped_acquire locked;
    const nanobind::object given = gather_(nanobind::bytes(own.data(), own.size()));
    const auto bytes = nanobind::cast<nanobind::bytes>(given);
    if (bytes.size() != all.size())
      Fail("ranks: {} bytes gathered, expected {}", bytes.size(), all.size());
    if (!all.empty()) std::memcpy(all.data(), bytes.c_str(), all.size());
  }
  // Elements of all ranks behind each of the statistics that were merged last.
  double count() const { return count_; }

 private:
  nanobind::callable gather_;
  int rank_, ranks_;
  double count_ = 0;
};

}  // namespace normkit::python
