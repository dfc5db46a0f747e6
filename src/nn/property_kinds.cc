#include "src/nn/property_kinds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "src/core/suggest.h"
#include "src/nn/properties.h"

namespace normkit {
namespace {

using nlohmann::json;

class InitializerKind : public PropertyKind {
 public:
  json ToJson(const void* value) const override {
    const auto kind = static_cast<size_t>(static_cast<const Initializer*>(value)->kind);
    return kind < std::size(kNames) ? json(kNames[kind]) : json();
  }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    const std::string text = given.is_string() ? given.get<std::string>() : "";
    const int found = FindName(text, kNames);
    if (found < 0)
      return Misfit{"", Shown(given),
                    fmt::format("{}{}", fmt::join(kNames, ", "),
                                DidYouMean(text, {std::begin(kNames), std::end(kNames)}))};
    *static_cast<Initializer*>(value) = static_cast<Initializer::Kind>(found);
    return std::nullopt;
  }
  std::string Expected(const NumberRange<double>&) const override {
    return fmt::format("{}", fmt::join(kNames, ", "));
  }

 private:
  static constexpr std::string_view kNames[] = {
      "zeros", "ones",           "narrow-normal", "glorot",
      "he",    "fan-in-uniform", "orthogonal",    "unit-forget-gate"};
};

class PaddingKind : public PropertyKind {
 public:
  json ToJson(const void* value) const override {
    const auto& [same, top, bottom, left, right, front, back, causal] =
        *static_cast<const Padding*>(value);
    if (same) return "same";
    if (causal) return "causal";
    if (top == bottom && top == left && top == right && front == top && back == top) return top;
    if (front == 0 && back == 0) return {top, bottom, left, right};
    return {front, back, top, bottom, left, right};
  }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    Padding& padding = *static_cast<Padding*>(value);
    if (given == "same") {
      padding = Padding::Same();
      return std::nullopt;
    }
    if (!given.is_number() && (!given.is_array() || (given.size() != 4 && given.size() != 6)))
      return Misfit{"", Shown(given), "\"same\", a number or [top, bottom, left, right]"};
    if (given.is_number()) {
      const std::optional<int64_t> number = ToInteger(given);
      if (!number) return Misfit{"", Shown(given), "an integer"};
      padding = Padding::All(*number);
      return std::nullopt;
    }
    int64_t sides[6] = {};  // front and back, which images have not, first
    for (size_t i = 0; i < given.size(); ++i) {
      const std::optional<int64_t> number = ToInteger(given[i]);
      if (!number) return Misfit{"", Shown(given[i]), "an integer"};
      sides[6 - given.size() + i] = *number;
    }
    padding = {false, sides[2], sides[3], sides[4], sides[5], sides[0], sides[1]};
    return std::nullopt;
  }
  std::optional<Misfit> Check(const void* value, const NumberRange<double>& range) const override {
    const auto& [same, top, bottom, left, right, front, back, causal] =
        *static_cast<const Padding*>(value);
    if (causal) return Misfit{"", "causal", Expected(range)};
    if (same) return std::nullopt;
    for (const int64_t side : {top, bottom, left, right, front, back})
      if (auto misfit = KindOf<int64_t>().Check(&side, range)) return misfit;
    return std::nullopt;
  }
  std::string Expected(const NumberRange<double>& range) const override {
    return fmt::format("\"same\", a number or [top, bottom, left, right], each {}",
                       ExpectedNumber(true, range));
  }
};

// Of time: in front and behind.
class TimePaddingKind : public PropertyKind {
 public:
  json ToJson(const void* value) const override {
    const Padding& padding = *static_cast<const Padding*>(value);
    if (padding.same || padding.causal) return padding.same ? "same" : "causal";
    return {padding.left, padding.right};
  }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    Padding& padding = *static_cast<Padding*>(value);
    padding = {.same = given == "same", .causal = given == "causal"};
    if (padding.same || padding.causal) return std::nullopt;
    const bool both = given.is_array() && given.size() == 2;
    const auto left = both ? ToInteger(given[0]) : std::nullopt,
               right = both ? ToInteger(given[1]) : std::nullopt;
    if (!left || !right) return Misfit{"", Shown(given), Words("")};
    padding.left = *left, padding.right = *right;
    return std::nullopt;
  }
  std::optional<Misfit> Check(const void* value, const NumberRange<double>& range) const override {
    const Padding& padding = *static_cast<const Padding*>(value);
    if (padding.same || padding.causal) return std::nullopt;
    for (const int64_t side : {padding.left, padding.right})
      if (auto misfit = KindOf<int64_t>().Check(&side, range)) return misfit;
    return std::nullopt;
  }
  std::string Expected(const NumberRange<double>& range) const override {
    return Words(", each " + ExpectedNumber(true, range));
  }

 private:
  static std::string Words(const std::string& each) {
    return "\"same\", \"causal\" or [in front, behind]" + each;
  }
};

// How many groups: a number, or one of two words that stand for negative ones.
class GroupsKind : public PropertyKind {
 public:
  json ToJson(const void* value) const override {
    const int64_t groups = *static_cast<const int64_t*>(value);
    for (const auto& [name, number] : kWords)
      if (number == groups) return name;
    return groups;
  }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    int64_t& groups = *static_cast<int64_t*>(value);
    const std::string text = given.is_string() ? given.get<std::string>() : "";
    for (const auto& [name, number] : kWords) {
      if (SameLetters(text, {name}).empty()) continue;
      groups = number;
      return std::nullopt;
    }
    if (!given.is_number())
      return Misfit{"", Shown(given), "a number, \"all-channels\" or \"channel-wise\""};
    return KindOf<int64_t>().FromJson(given, value);
  }
  std::optional<Misfit> Check(const void* value, const NumberRange<double>& range) const override {
    for (const auto& [name, number] : kWords)
      if (*static_cast<const int64_t*>(value) == number) return std::nullopt;
    auto misfit = KindOf<int64_t>().Check(value, range);
    if (misfit) misfit->expected = Expected(range);
    return misfit;
  }
  std::string Expected(const NumberRange<double>& range) const override {
    return ExpectedNumber(true, range) + ", all-channels or channel-wise";
  }

 private:
  static constexpr std::pair<const char*, int64_t> kWords[] = {{"all-channels", kAllChannels},
                                                               {"channel-wise", kChannelWise}};
};

}  // namespace

const PropertyKind& PaddingOfTime() {
  static const TimePaddingKind kind;
  return kind;
}

const PropertyKind& GroupsOfChannels() {
  static const GroupsKind kind;
  return kind;
}

template <>
const PropertyKind& KindOf<Initializer>() {
  static const InitializerKind kind;
  return kind;
}

template <>
const PropertyKind& KindOf<Padding>() {
  static const PaddingKind kind;
  return kind;
}

}  // namespace normkit
