#include "normkit/data/identity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "src/core/fail.h"
#include "src/core/hash.h"
#include "src/core/numbers.h"
#include "src/data/identity.h"

namespace normkit {
namespace {

// Calls f(values) for each observation.
template <class F>
void ForObservations(const DataSource& data, const F& f) {
  std::vector<float> x;
  for (int64_t i = 0; i < data.size(); ++i) {
    x.resize(static_cast<size_t>(data.length(i) * data.layout().size()));
    data.Read(i, x);
    f(x);
  }
}

uint64_t HashOfLabels(const DataSource& data) {
  Hash hash;
  std::vector<float> targets;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < data.size(); ++i) {
    if (data.target_size() == 0) {
      labels.resize(static_cast<size_t>(data.Answers(i)));
      data.ReadLabels(i, labels);
      for (const int64_t label : labels) hash.Add(static_cast<uint64_t>(label));
      continue;
    }
    targets.resize(static_cast<size_t>(data.Answers(i) * data.target_size()));
    data.ReadTarget(i, targets);
    hash.Add(std::span<const float>(targets));
  }
  return hash.value();
}

std::string Joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string Hex(uint64_t value) { return fmt::format("{:016x}", value); }

// The parts of two long texts where they begin to differ.
std::pair<std::string, std::string> WhereTheyDiffer(const std::string& a, const std::string& b) {
  constexpr size_t kBefore = 20, kShown = 100;
  const size_t first =
      static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  const size_t begin =
      std::max(a.size(), b.size()) > kShown && first > kBefore ? first - kBefore : 0;
  const auto part = [&](const std::string& text) {
    return fmt::format("{}{}{}", begin > 0 ? "..." : "", text.substr(begin, kShown),
                       text.size() > begin + kShown ? "..." : "");
  };
  return {part(a), part(b)};
}

std::string DifferenceOf(const std::string& name, const std::string& given,
                         const std::string& expected) {
  if (name == "contents")
    return "its contents have changed (names or sizes of files, values of arrays)";
  if (name == "labels") return "its labels or targets have changed";
  if (name == "observations")
    return fmt::format("it has {} observations, expected {}", given, expected);
  const auto [now, then] = WhereTheyDiffer(given, expected);
  if (name == "classes") return fmt::format("its classes are '{}', expected '{}'", now, then);
  return fmt::format("its observations are {}, expected {}", now, then);
}

}  // namespace

uint64_t FingerprintOfValues(const DataSource& data) {
  Hash hash;
  ForObservations(data, [&](std::span<const float> x) {
    if (data.layout().packed()) hash.Add(static_cast<uint64_t>(x.size()));
    hash.Add(x);
  });
  return hash.value();
}

ValueRange RangeOf(std::span<const float> x) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  ValueRange range{kInfinity, -kInfinity};
  for (const float value : x) {
    if (value > -kInfinity && value < range.low) range.low = value;
    if (value < kInfinity && value > range.high) range.high = value;
  }
  return range.low <= range.high ? range : ValueRange{0, 0};
}

ValueRange RangeOfValues(const DataSource& data) {
  std::vector<float> ends;
  ForObservations(data, [&](std::span<const float> x) {
    const ValueRange range = RangeOf(x);
    ends.insert(ends.end(), {range.low, range.high});
  });
  return RangeOf(ends);
}

std::string DifferenceOfClasses(const std::vector<std::string>& given,
                                const std::vector<std::string>& expected) {
  if (given == expected) return "";
  if (given.size() != expected.size())
    return fmt::format("it has {} classes, expected {}: {}", given.size(), expected.size(),
                       DifferenceOf("classes", Joined(given), Joined(expected)));
  return DifferenceOf("classes", Joined(given), Joined(expected));
}

DataIdentity Identify(const DataSource& data) {
  return {{"observations", std::to_string(data.size())},
          {"layout", data.layout().ToString()},
          {"classes", Joined(data.classes())},
          {"labels", Hex(HashOfLabels(data))},
          {"contents", Hex(data.Fingerprint())}};
}

std::string Difference(const DataIdentity& given,
                       const std::map<std::string, std::string>& made_with,
                       std::string_view prefix) {
  for (const auto& [name, value] : given) {
    const auto found = made_with.find(std::string(prefix) + name);
    if (found != made_with.end() && value != found->second)
      return DifferenceOf(name, value, found->second);
  }
  return "";
}

std::string Name(const ValueRange& range) { return fmt::format("{} to {}", range.low, range.high); }

ValueRange ParseValueRange(std::string_view text) {
  constexpr std::string_view kTo = " to ";
  const size_t middle = text.find(kTo);
  ValueRange range;
  constexpr double kMost = std::numeric_limits<float>::max();
  const auto parse = [](std::string_view part, float& value) {
    const std::optional<double> number = ParseNumber<double>(part);
    if (!number || std::abs(*number) > kMost) return false;
    value = static_cast<float>(*number);
    return true;
  };
  if (middle == text.npos || !parse(text.substr(0, middle), range.low) ||
      !parse(text.substr(middle + kTo.size()), range.high) || !(range.low <= range.high))
    Fail("range of values '{}', expected two numbers as in '0 to 255'", text);
  return range;
}

std::string RangeWarning(const ValueRange& given, const ValueRange& trained, bool images) {
  const double width = double{trained.high} - trained.low, span = double{given.high} - given.low;
  const bool outside = given.high > trained.high + width || given.low < trained.low - width;
  const bool inside = images && span > 0 && span < width / 50;
  if (width == 0 || (!outside && !inside)) return "";
  return fmt::format("its values lie in {}, the network was trained on {}", Name(given),
                     Name(trained));
}

}  // namespace normkit
