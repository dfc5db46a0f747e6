#include "src/core/properties.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "src/core/fail.h"
#include "src/core/suggest.h"
#include "src/core/text.h"

namespace normkit {
namespace {

using nlohmann::json;

template <class T>
const T& As(const void* value) {
  return *static_cast<const T*>(value);
}

template <class T>
T& As(void* value) {
  return *static_cast<T*>(value);
}

// The whole numbers of a range.
template <class T>
NumberRange<T> WholeRange(const NumberRange<double>& range) {
  using Limits = std::numeric_limits<T>;
  const auto inside = [](double bound) {
    return bound <= static_cast<double>(Limits::lowest()) ? Limits::lowest()
           : bound >= static_cast<double>(Limits::max())  ? Limits::max()
                                                          : static_cast<T>(bound);
  };
  return {inside(range.low), inside(range.high)};
}

template <class T>
std::optional<Misfit> ParseWord(std::string_view text, const NumberRange<T>& range, void* value) {
  const std::optional<T> number = ParseNumber<T>(text);
  if (!number || !range.Contains(*number)) return Misfit{"", Quoted(text), range.ToString()};
  As<T>(value) = *number;
  return std::nullopt;
}

std::optional<Misfit> CheckNumber(double value, bool whole, const NumberRange<double>& range,
                                  const std::string& part = "") {
  if (range.Contains(value)) return std::nullopt;
  std::string expected = ExpectedNumber(whole, range);
  if (!std::isfinite(value)) expected.replace(0, std::string_view("a ").size(), "a finite ");
  return Misfit{part, fmt::format("{}", value), expected};
}

class DoubleKind : public PropertyKind {
 public:
  json ToJson(const void* value) const override { return As<double>(value); }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    if (!given.is_number()) return Misfit{"", Shown(given), "a number"};
    As<double>(value) = given.get<double>();
    return std::nullopt;
  }
  std::optional<Misfit> Check(const void* value, const NumberRange<double>& range) const override {
    return CheckNumber(As<double>(value), false, range);
  }
  std::optional<Misfit> FromText(std::string_view text, const NumberRange<double>& range,
                                 void* value) const override {
    return ParseWord<double>(text, range, value);
  }
  std::string Expected(const NumberRange<double>& range) const override {
    return ExpectedNumber(false, range);
  }
};

class BoolKind : public PropertyKind {
 public:
  json ToJson(const void* value) const override { return As<bool>(value); }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    if (!given.is_boolean()) return Misfit{"", Shown(given), "true or false"};
    As<bool>(value) = given.get<bool>();
    return std::nullopt;
  }
  std::string Expected(const NumberRange<double>&) const override { return "true or false"; }
};

template <class T>
class WholeKind : public PropertyKind {
 public:
  json ToJson(const void* value) const override { return As<T>(value); }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    if (std::is_unsigned_v<T> && given.is_number_unsigned()) {  // of any size
      As<T>(value) = given.get<T>();
      return std::nullopt;
    }
    const std::optional<int64_t> number = ToInteger(given);
    if (!number || !std::in_range<T>(*number)) return Misfit{"", Shown(given), "an integer"};
    As<T>(value) = static_cast<T>(*number);
    return std::nullopt;
  }
  std::optional<Misfit> FromText(std::string_view text, const NumberRange<double>& range,
                                 void* value) const override {
    return ParseWord<T>(text, WholeRange<T>(range), value);
  }
  std::optional<Misfit> Check(const void* value, const NumberRange<double>& range) const override {
    return CheckNumber(static_cast<double>(As<T>(value)), true, range);
  }
  std::string Expected(const NumberRange<double>& range) const override {
    return WholeRange<T>(range).ToString();
  }
};

class OptionalKind : public PropertyKind {
 public:
  using Type = std::optional<int64_t>;
  json ToJson(const void* value) const override {
    const Type& number = As<Type>(value);
    return number ? json(*number) : json("auto");
  }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    As<Type>(value) = ToInteger(given);
    if (As<Type>(value) || given == "auto") return std::nullopt;
    return Misfit{"", Shown(given), given.is_string() ? "an integer or \"auto\"" : "an integer"};
  }
  std::optional<Misfit> Check(const void* value, const NumberRange<double>& range) const override {
    const Type& number = As<Type>(value);
    return number ? CheckNumber(static_cast<double>(*number), true, range) : std::nullopt;
  }
  std::string Expected(const NumberRange<double>& range) const override {
    return ExpectedNumber(true, range) + ", or \"auto\"";
  }
};

// Sizes along the axes of space, and channels.
template <size_t kCount>
class SizesKind : public PropertyKind {
 public:
  using Type = std::array<int64_t, kCount>;
  json ToJson(const void* value) const override {
    const Type& sizes = As<Type>(value);
    return kCount == 2 && sizes[0] == sizes[1] ? json(sizes[0]) : json(sizes);
  }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    if (kCount == 2 && given.is_number()) {
      const std::optional<int64_t> size = ToInteger(given);
      if (!size) return Misfit{"", Shown(given), "an integer"};
      As<Type>(value).fill(*size);
      return std::nullopt;
    }
    if (!given.is_array() || given.size() != kCount) return Misfit{"", Shown(given), kShape};
    for (size_t i = 0; i < kCount; ++i) {
      const std::optional<int64_t> size = ToInteger(given[i]);
      if (!size) return Misfit{"", Shown(given[i]), "an integer"};
      As<Type>(value)[i] = *size;
    }
    return std::nullopt;
  }
  std::optional<Misfit> Check(const void* value, const NumberRange<double>& range) const override {
    constexpr std::array kParts{" depth", " height", " width", " channels"};
    for (size_t i = 0; i < kCount; ++i)
      if (auto misfit = CheckNumber(static_cast<double>(As<Type>(value)[i]), true, range,
                                    kCount > 2 ? kParts[kParts.size() - kCount + i] : ""))
        return misfit;
    return std::nullopt;
  }
  std::string Expected(const NumberRange<double>& range) const override {
    return fmt::format("{}, each {}", kShape, ExpectedNumber(true, range));
  }

 private:
  static constexpr const char* kShape = kCount == 2   ? "a number or [height, width]"
                                        : kCount == 3 ? "[height, width, channels]"
                                                      : "[depth, height, width, channels]";
};

// A number for each dimension of space, or one for all.
class SpaceKind : public PropertyKind {
 public:
  using Type = std::vector<int64_t>;
  json ToJson(const void* value) const override {
    const Type& sizes = As<Type>(value);
    const bool alike =
        std::ranges::adjacent_find(sizes, std::ranges::not_equal_to()) == sizes.end();
    return alike && !sizes.empty() ? json(sizes[0]) : json(sizes);
  }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    if (!given.is_number() && (!given.is_array() || given.empty() || given.size() > kMost))
      return Misfit{"", Shown(given), kShape};
    Type sizes;
    for (const json& one : given.is_array() ? given : json::array({given})) {
      const std::optional<int64_t> size = ToInteger(one);
      if (!size) return Misfit{"", Shown(one), "an integer"};
      sizes.push_back(*size);
    }
    As<Type>(value) = std::move(sizes);
    return std::nullopt;
  }
  std::optional<Misfit> Check(const void* value, const NumberRange<double>& range) const override {
    const Type& sizes = As<Type>(value);
    if (sizes.empty() || sizes.size() > kMost)
      return Misfit{"", sizes.empty() ? "missing" : Shown(json(sizes)), Expected(range)};
    for (const int64_t size : sizes)
      if (auto misfit = CheckNumber(static_cast<double>(size), true, range, "")) return misfit;
    return std::nullopt;
  }
  std::string Expected(const NumberRange<double>& range) const override {
    return fmt::format("{}, each {}", kShape, ExpectedNumber(true, range));
  }

 private:
  static constexpr size_t kMost = 3;
  static constexpr const char* kShape = "a number or [height, width]";
};

class FloatsKind : public PropertyKind {
 public:
  using Type = std::vector<float>;
  json ToJson(const void* value) const override { return As<Type>(value); }
  std::optional<Misfit> FromJson(const json& given, void* value) const override {
    if (!given.is_array()) return Misfit{"", Shown(given), "a list of numbers"};
    Type values;
    for (const json& item : given) {
      if (!item.is_number()) return Misfit{"", Shown(item), "a list of numbers"};
      if (!std::isfinite(item.get<float>()))  // which nobody meant
        return Misfit{"", Shown(item), "a list of numbers up to 3.4e38 (32-bit floats)"};
      values.push_back(item.get<float>());
    }
    As<Type>(value) = std::move(values);
    return std::nullopt;
  }
  std::optional<Misfit> Check(const void* value, const NumberRange<double>& range) const override {
    const Type& values = As<Type>(value);
    for (size_t i = 0; i < values.size(); ++i)
      if (auto misfit = CheckNumber(double{values[i]}, false, range, fmt::format("[{}]", i)))
        return misfit;
    return std::nullopt;
  }
  std::string Expected(const NumberRange<double>& range) const override {
    return "a list, each " + ExpectedNumber(false, range);
  }
};

template <class Kind>
const PropertyKind& Only() {
  static const Kind kind;
  return kind;
}

}  // namespace

std::optional<Misfit> PropertyKind::Check(const void*, const NumberRange<double>&) const {
  return std::nullopt;
}

std::optional<Misfit> PropertyKind::FromText(std::string_view text, const NumberRange<double>&,
                                             void* value) const {
  auto misfit = FromJson(std::string(text), value);
  if (misfit) misfit->given = Quoted(text);
  return misfit;
}

template <>
const PropertyKind& KindOf<double>() {
  return Only<DoubleKind>();
}
template <>
const PropertyKind& KindOf<int>() {
  return Only<WholeKind<int>>();
}
template <>
const PropertyKind& KindOf<int64_t>() {
  return Only<WholeKind<int64_t>>();
}
template <>
const PropertyKind& KindOf<uint64_t>() {
  return Only<WholeKind<uint64_t>>();
}
template <>
const PropertyKind& KindOf<bool>() {
  return Only<BoolKind>();
}
template <>
const PropertyKind& KindOf<std::optional<int64_t>>() {
  return Only<OptionalKind>();
}
template <>
const PropertyKind& KindOf<std::array<int64_t, 2>>() {
  return Only<SizesKind<2>>();
}
template <>
const PropertyKind& KindOf<std::array<int64_t, 3>>() {
  return Only<SizesKind<3>>();
}
template <>
const PropertyKind& KindOf<std::array<int64_t, 4>>() {
  return Only<SizesKind<4>>();
}
template <>
const PropertyKind& KindOf<std::vector<int64_t>>() {
  return Only<SpaceKind>();
}
template <>
const PropertyKind& KindOf<std::vector<float>>() {
  return Only<FloatsKind>();
}

std::string Shown(const json& value) {
  constexpr size_t kLongest = 40;
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() > kLongest ? text.substr(0, kLongest - 3) + "..." : text;
}

std::optional<int64_t> ToInteger(const json& given) {
  if (!given.is_number()) return std::nullopt;
  const auto number = given.get<double>();
  if (number != std::floor(number) || std::abs(number) > 0x1p53) return std::nullopt;
  return static_cast<int64_t>(number);
}

std::string ExpectedNumber(bool whole, const NumberRange<double>& range) {
  return whole ? WholeRange<int64_t>(range).ToString() : range.ToString();
}

json EnumKindBase::ToJson(const void* value) const {
  return names_[static_cast<size_t>(Get(value))];
}

std::optional<Misfit> EnumKindBase::FromJson(const json& given, void* value) const {
  const std::string text = given.is_string() ? given.get<std::string>() : "";
  const int found = FindName(text, names_);
  if (found < 0)
    return Misfit{"", Shown(given),
                  fmt::format("{}{}", fmt::join(names_, ", "),
                              DidYouMean(text, {names_.begin(), names_.end()}))};
  Set(found, value);
  return std::nullopt;
}

std::string EnumKindBase::Expected(const NumberRange<double>&) const {
  return fmt::format("{}", fmt::join(names_, ", "));
}

bool SameValue(const Property& property, const void* options, const void* others) {
  const json value = property.kind->ToJson(property.In(options));
  return !value.is_null() && value == property.kind->ToJson(property.In(others));
}

namespace {
bool IsZeroWord(const Property& property, const void* options) {
  return !property.facts.zero.empty() && property.kind->ToJson(property.In(options)) == 0;
}
}  // namespace

std::string FindWrong(const PropertyTable& table, const void* options, unsigned of) {
  for (const Property& property : table.rows) {
    if (!property.Has(of) || IsZeroWord(property, options)) continue;
    const auto& facts = property.facts;
    if (const auto misfit = property.kind->Check(property.In(options), facts.range))
      return fmt::format("{}{} is {}, expected {}{}", property.name, misfit->part, misfit->given,
                         misfit->expected,
                         facts.zero.empty() || facts.range.Contains(0)
                             ? ""
                             : fmt::format(", or 0 ({})", facts.meaning));
  }
  return "";
}

std::string ToText(const Property& property, const void* options) {
  if (IsZeroWord(property, options)) return std::string(property.facts.zero);
  const json value = property.kind->ToJson(property.In(options));
  return value.is_string()         ? value.get<std::string>()
         : value.is_number_float() ? fmt::format("{}", value.get<double>())
                                   : value.dump();
}

std::string ExpectedText(const Property& property) {
  return property.kind->Expected(property.facts.range) +
         (property.facts.zero.empty() ? "" : fmt::format(", or {}", property.facts.zero));
}

void ParseInto(const Property& property, std::string_view text, void* options) {
  const std::string_view zero = property.facts.zero;
  void* value = property.member(options);
  if (!zero.empty() && !SameLetters(text, {std::string(zero)}).empty()) {
    property.kind->FromJson(0, value);
  } else if (const auto misfit = property.kind->FromText(text, property.facts.range, value)) {
    Fail("{} given, expected {}{}", misfit->given, misfit->expected,
         zero.empty() ? "" : fmt::format(", or {}", zero));
  }
}

std::string DocumentRow(const Property& property, const PropertyTable& table) {
  const std::string text = ToText(property, table.defaults);
  return fmt::format("| `{}` | {} | {} | {} |\n", property.name,
                     property.facts.required || text == "[]" ? "" : text, ExpectedText(property),
                     property.text);
}

}  // namespace normkit
