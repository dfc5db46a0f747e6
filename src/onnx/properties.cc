#include "src/onnx/properties.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "src/core/fail.h"
#include "src/core/suggest.h"

namespace normkit {
namespace {

using nlohmann::json;

// In the order of Initializer::Kind; a function has no name, and is not written.
constexpr std::string_view kInitializers[] = {"zeros", "ones", "narrow-normal", "glorot", "he"};

[[noreturn]] void Refuse(const json& given, std::string_view expected) {
  constexpr size_t kLongest = 60;
  std::string text = given.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  Fail("{}, expected {}", text, expected);
}

}  // namespace

json ToJson(double value) { return value; }
json ToJson(bool value) { return value; }
json ToJson(int64_t value) { return value; }
json ToJson(const std::optional<int64_t>& value) { return value ? json(*value) : json(); }
json ToJson(const std::vector<float>& value) {
  for (float element : value)
    if (!std::isfinite(element)) Fail("value {} cannot be written, expected a finite one", element);
  return value;
}
json ToJson(const Initializer& value) {
  if (value.kind == Initializer::kFunction) return {};
  return kInitializers[value.kind];
}
json ToJson(OperationDimension value) { return Name(value); }
json ToJson(const Padding& value) {
  if (value.same) return "same";
  return {value.top, value.bottom, value.left, value.right};
}

void FromJson(const json& json, double* value) {
  if (!json.is_number()) Refuse(json, "a number");
  *value = json.get<double>();
}

void FromJson(const json& json, bool* value) {
  if (!json.is_boolean()) Refuse(json, "true or false");
  *value = json.get<bool>();
}

void FromJson(const json& json, int64_t* value) {
  if (!json.is_number_integer()) Refuse(json, "a whole number");
  *value = json.get<int64_t>();
}

void FromJson(const json& json, std::optional<int64_t>* value) {
  int64_t number = 0;
  FromJson(json, &number);
  *value = number;
}

void FromJson(const json& json, std::vector<float>* value) {
  if (!json.is_array()) Refuse(json, "an array of numbers");
  value->clear();
  for (const nlohmann::json& element : json) {
    double number = 0;
    FromJson(element, &number);
    if (!(std::abs(number) <= std::numeric_limits<float>::max())) Refuse(element, "an f32 number");
    value->push_back(static_cast<float>(number));
  }
}

void FromJson(const json& json, Initializer* value) {
  if (json.is_string())
    for (size_t kind = 0; kind < std::size(kInitializers); ++kind)
      if (json == kInitializers[kind]) {
        *value = static_cast<Initializer::Kind>(kind);
        return;
      }
  Refuse(json, fmt::format("{}", fmt::join(kInitializers, ", ")));
}

void FromJson(const json& json, OperationDimension* value) {
  using enum OperationDimension;
  std::vector<std::string_view> names;
  for (const OperationDimension dimension :
       {kBatchExcluded, kAuto, kChannelOnly, kSpatialChannel}) {
    names.push_back(Name(dimension));
    if (json == names.back()) {
      *value = dimension;
      return;
    }
  }
  Refuse(json, fmt::format("{}", fmt::join(names, ", ")));
}

void FromJson(const json& json, Padding* value) {
  if (json != "same") Refuse(json, "\"same\"");
  *value = Padding::Same();
}

void CheckNames(const json& json, const std::vector<std::string>& names) {
  for (const auto& [name, value] : json.items())
    if (std::find(names.begin(), names.end(), name) == names.end())
      Fail("property '{}' is unknown{}, expected {}", name, DidYouMean(name, names),
           fmt::join(names, ", "));
}

}  // namespace normkit
