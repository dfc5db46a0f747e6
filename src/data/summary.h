// What one line says about data.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "normkit/data/source.h"

namespace normkit {

// "photos (40 pictures in 2 folders): 2 classes (cat 20, dog 20), 32 x 24 x 3 (height x width x
// channels)", and what else is to be said, after semicolons.
std::string Summarize(const DataSource& source, const std::vector<std::string>& notes = {});

// "28 x 28 x 1 (height x width x channels)" or "6 features" of one observation.
std::string SizeText(const Layout& observation);

// "9 x 9 x any" of what was asked for, where 0 is any.
std::string AskedSizeText(int64_t height, int64_t width, int64_t channels);

// Things that were passed over, counted by reason: "3 .txt, 1 dangling link".
class LeftOut {
 public:
  void Add(const std::string& reason, int64_t count = 1) { counts_[reason] += count; }
  void Add(const LeftOut& other) {
    for (const auto& [reason, count] : other.counts_) Add(reason, count);
  }
  bool empty() const { return counts_.empty(); }
  std::string ToString() const;

 private:
  std::map<std::string, int64_t> counts_;
};

}  // namespace normkit
