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

// The parts of an augmentation: how strong they are where only their name is given, and at most.
struct AugmentPart {
  std::string_view name;
  double Augmentation::*strength;
  double usual, most;
};
constexpr AugmentPart kAugmentParts[] = {
    {"flip", &Augmentation::flip, 0.5, 1},      {"crop", &Augmentation::crop, 0.2, 0.9},
    {"shift", &Augmentation::shift, 0.1, 1},    {"scale", &Augmentation::scale, 0.1, 0.9},
    {"rotate", &Augmentation::rotate, 15, 180}, {"erase", &Augmentation::erase, 0.3, 1}};

class AugmentKind : public TextKind<Augmentation> {
 public:
  std::string Expected(const NumberRange<double>&) const override {
    std::string parts;
    for (const AugmentPart& part : kAugmentParts)
      parts += fmt::format("{}{}", parts.empty() ? "" : ", ", part.name);
    return fmt::format("some of {} (each with its strength, if another: rotate:30), or none",
                       parts);
  }
  std::optional<Misfit> Check(const void* value, const NumberRange<double>&) const override {
    for (const AugmentPart& part : kAugmentParts) {
      const NumberRange<double> range{0, part.most};
      const double strength = static_cast<const Augmentation*>(value)->*part.strength;
      if (!range.Contains(strength))
        return Misfit{fmt::format(".{}", part.name), fmt::format("{}", strength), range.ToString()};
    }
    return std::nullopt;
  }

 private:
  std::string Write(const Augmentation& augment) const override {
    std::string text;
    for (const AugmentPart& part : kAugmentParts) {
      const double strength = augment.*part.strength;
      if (strength == 0) continue;
      text += fmt::format("{}{}", text.empty() ? "" : ",", part.name);
      if (strength != part.usual) text += fmt::format(":{}", strength);
    }
    return text.empty() ? "none" : text;
  }
  std::optional<Augmentation> Read(std::string_view text) const override {
    Augmentation augment;
    if (text == "none") return augment;
    for (const std::string_view word : CutAtCommas(text)) {
      const size_t colon = std::min(word.find(':'), word.size());
      const auto* part =
          std::ranges::find(kAugmentParts, word.substr(0, colon), &AugmentPart::name);
      if (part == std::end(kAugmentParts)) return std::nullopt;
      double& strength = augment.*part->strength;
      strength = part->usual;
      if (colon == word.size()) continue;
      const auto given = ParseNumber<double>(word.substr(colon + 1));
      if (!given || !(*given > 0) || *given > part->most) return std::nullopt;
      strength = *given;
    }
    return augment;
  }
};

}  // namespace

template <>
const PropertyKind& KindOf<Augmentation>() {
  static const AugmentKind kind;
  return kind;
}
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
