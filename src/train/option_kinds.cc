// Options that are more than a number or a name, as texts.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "src/core/suggest.h"
#include "src/core/text.h"
#include "src/train/option_table.h"

namespace normkit {
namespace {

using nlohmann::json;

std::vector<std::string_view> CutAtCommas(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(Trimmed(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return parts;
}

// What a file or a command line says as one text, read and written by functions of T.
template <class T>
class TextKind : public PropertyKind {
 public:
  json ToJson(const void* value) const override { return Write(*static_cast<const T*>(value)); }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    std::optional<T> read;
    if (given.is_string()) read = Read(given.get<std::string>());
    if (!read) return Misfit{"", Shown(given), Expected({})};
    *static_cast<T*>(value) = std::move(*read);
    return std::nullopt;
  }

 private:
  virtual std::string Write(const T& value) const = 0;
  virtual std::optional<T> Read(std::string_view text) const = 0;  // nothing: it is wrong
};

class ChainKind : public TextKind<std::vector<ScheduleStretch>> {
 public:
  std::string Expected(const NumberRange<double>&) const override {
    return "schedules with their epochs, such as none:2,cosine:8, or none";
  }

 private:
  std::string Write(const std::vector<ScheduleStretch>& chain) const override {
    std::string text;
    for (const auto& [schedule, epochs] : chain)
      text += fmt::format("{}{}:{}", text.empty() ? "" : ",", Name(schedule), epochs);
    return text.empty() ? "none" : text;
  }
  std::optional<std::vector<ScheduleStretch>> Read(std::string_view text) const override {
    std::vector<ScheduleStretch> chain;
    if (text == "none") return chain;
    for (const std::string_view part : CutAtCommas(text)) {
      const size_t colon = std::min(part.find(':'), part.size());
      const int schedule = FindName(part.substr(0, colon), EnumNames<Schedule>::kNames);
      const auto epochs = ParseNumber<int64_t>(part.substr(std::min(colon + 1, part.size())));
      if (schedule < 0 || !epochs || *epochs < 1 || *epochs > kMostEpochs) return std::nullopt;
      chain.push_back({Schedule(schedule), *epochs});
    }
    return chain;
  }
};

class WeightsKind : public TextKind<ClassWeights> {
 public:
  std::string Expected(const NumberRange<double>&) const override {
    return "none, balanced, or a number above 0 for each class, such as 1,2.5";
  }

 private:
  std::string Write(const ClassWeights& weights) const override {
    if (weights.balanced) return "balanced";
    return weights.values.empty() ? "none" : fmt::format("{}", fmt::join(weights.values, ","));
  }
  std::optional<ClassWeights> Read(std::string_view text) const override {
    if (!SameLetters(text, {"none"}).empty()) return ClassWeights{};
    if (!SameLetters(text, {"balanced"}).empty()) return ClassWeights{.balanced = true};
    ClassWeights weights;
    for (const std::string_view part : CutAtCommas(text)) {
      const auto weight = ParseNumber<double>(part);
      if (!weight || !(*weight > 0) || !std::isfinite(*weight)) return std::nullopt;
      weights.values.push_back(*weight);
    }
    if (weights.values.size() < 2) return std::nullopt;  // as many as there are classes
    return weights;
  }
};

}  // namespace

template <>
const PropertyKind& KindOf<std::vector<ScheduleStretch>>() {
  static const ChainKind kind;
  return kind;
}
template <>
const PropertyKind& KindOf<ClassWeights>() {
  static const WeightsKind kind;
  return kind;
}

}  // namespace normkit
