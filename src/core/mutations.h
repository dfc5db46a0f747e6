// Files damaged at random, for tests, and what reading them may cost.
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <iterator>
#include <string>

#include "normkit/core/random.h"

namespace normkit {

// The most that this process has held at once, in bytes.
inline int64_t PeakMemory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * int64_t{1024};
}

// A position in the bytes, or behind them.
inline size_t PositionIn(Random& random, const std::string& bytes) {
  return static_cast<size_t>(random.Below(static_cast<int64_t>(bytes.size()) + 1));
}

// One change at `at`, of the kinds that break parsers.
inline void MutateOnce(Random& random, std::string& bytes, size_t at) {
  const size_t other = PositionIn(random, bytes);
  const std::string values[] = {"\xff",
                                std::string(1, '\0'),
                                "\x7f",
                                "\x80\xff\xff\xff",
                                std::string(4, '\xff'),
                                std::string(4, '\0'),
                                "9999999999",
                                "'"};
  const std::string& value = values[random.Below(std::size(values))];
  switch (random.Below(6)) {
    case 0:
      if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.Below(8)));
      break;
    case 1:
      if (at + value.size() <= bytes.size()) bytes.replace(at, value.size(), value);
      break;
    case 2:
      bytes.insert(at, value);
      break;
    case 3:
      bytes.erase(at, static_cast<size_t>(random.Below(8)));
      break;
    case 4:
      bytes.insert(at, bytes.substr(other, static_cast<size_t>(random.Below(64))));
      break;
    default:
      if (random.Below(4) == 0) bytes.resize(at);
  }
}

}  // namespace normkit
