#include "src/nn/json_properties.h"

#include <cmath>

#include "src/core/fail.h"
#include "src/core/suggest.h"

namespace normkit {
namespace {

using nlohmann::json;

// A value as it stands in the file, cut where it is long.
std::string Shown(const json& value) {
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() > 40 ? text.substr(0, 37) + "..." : text;
}

const std::pair<const char*, Initializer::Kind> kInitializers[] = {
    {"zeros", Initializer::kZeros},
    {"ones", Initializer::kOnes},
    {"narrow-normal", Initializer::kNarrowNormal},
    {"glorot", Initializer::kGlorot},
    {"he", Initializer::kHe},
    {"fan-in-uniform", Initializer::kFanInUniform}};

}  // namespace

JsonProperties::JsonProperties(const json& object, std::string where)
    : object_(object), where_(std::move(where)) {}

const json* JsonProperties::Find(const char* name) {
  asked_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() ? nullptr : &*found;
}

const json& JsonProperties::Get(const char* name) {
  const json* value = Find(name);
  if (value) return *value;
  // Missing, or there under another name: what nobody asks for and looks like it.
  for (const auto& [given, ignored] : object_.items())
    if (!asked_.count(given) && !DidYouMean(given, {name}).empty())
      Fail("{}: property '{}' is unknown{}", where_, given, DidYouMean(given, {name}));
  Fail("{}: property '{}' is missing", where_, name);
}

void JsonProperties::FailType(const char* name, const json& value,
                              std::string_view expected) const {
  Fail("{}: property '{}' is {}, expected {}", where_, name, Shown(value), expected);
}

int64_t JsonProperties::ToInteger(const char* name, const json& value) const {
  // 2^53: beyond it a JSON number is not exact everywhere.
  if (!value.is_number() || value.get<double>() != std::floor(value.get<double>()) ||
      std::abs(value.get<double>()) > 0x1p53)
    FailType(name, value, "an integer");
  return static_cast<int64_t>(value.get<double>());
}

std::string JsonProperties::Text(const char* name, const std::string& otherwise) {
  const json* value = Find(name);
  if (!value) return otherwise;
  if (!value->is_string()) FailType(name, *value, "a text");
  return value->get<std::string>();
}

std::string JsonProperties::RequiredText(const char* name) {
  Get(name);
  return Text(name, "");
}

bool JsonProperties::Flag(const char* name, bool otherwise) {
  const json* value = Find(name);
  if (!value) return otherwise;
  if (!value->is_boolean()) FailType(name, *value, "true or false");
  return value->get<bool>();
}

double JsonProperties::Number(const char* name, double otherwise) {
  const json* value = Find(name);
  if (!value) return otherwise;
  if (!value->is_number()) FailType(name, *value, "a number");
  return value->get<double>();
}

int64_t JsonProperties::Integer(const char* name) { return ToInteger(name, Get(name)); }

int64_t JsonProperties::Integer(const char* name, int64_t otherwise) {
  return OptionalInteger(name).value_or(otherwise);
}

std::optional<int64_t> JsonProperties::OptionalInteger(const char* name) {
  const json* value = Find(name);
  if (!value) return std::nullopt;
  return ToInteger(name, *value);
}

std::array<int64_t, 2> JsonProperties::Pair(const char* name) {
  const json& value = Get(name);
  if (value.is_number()) {
    const int64_t n = ToInteger(name, value);
    return {n, n};
  }
  if (!value.is_array() || value.size() != 2) FailType(name, value, "a number or [height, width]");
  return {ToInteger(name, value[0]), ToInteger(name, value[1])};
}

std::array<int64_t, 2> JsonProperties::Pair(const char* name, std::array<int64_t, 2> otherwise) {
  return Find(name) ? Pair(name) : otherwise;
}

std::array<int64_t, 3> JsonProperties::Triple(const char* name) {
  const json& value = Get(name);
  if (!value.is_array() || value.size() != 3) FailType(name, value, "[height, width, channels]");
  return {ToInteger(name, value[0]), ToInteger(name, value[1]), ToInteger(name, value[2])};
}

Padding JsonProperties::Window(const char* name) {
  const json* value = Find(name);
  if (!value) return {};
  if (*value == "same") return Padding::Same();
  if (value->is_number()) return Padding::All(ToInteger(name, *value));
  if (!value->is_array() || value->size() != 4)
    FailType(name, *value, "\"same\", a number or [top, bottom, left, right]");
  const auto side = [&](size_t i) { return ToInteger(name, (*value)[i]); };
  return {false, side(0), side(1), side(2), side(3)};
}

Initializer JsonProperties::Begin(const char* name, Initializer::Kind otherwise) {
  const json* value = Find(name);
  if (!value) return otherwise;
  std::vector<std::string> names;
  for (const auto& [text, kind] : kInitializers) {
    if (*value == text) return kind;
    names.emplace_back(text);
  }
  const std::string given = value->is_string() ? value->get<std::string>() : "";
  FailType(name, *value, fmt::format("{}{}", fmt::join(names, ", "), DidYouMean(given, names)));
}

int64_t JsonProperties::Groups() {
  const json& value = Get("num_groups");
  if (value == "all-channels") return GroupNormalizationOptions::kAllChannels;
  if (value == "channel-wise") return GroupNormalizationOptions::kChannelWise;
  if (!value.is_number())
    FailType("num_groups", value, "a number, \"all-channels\" or \"channel-wise\"");
  return ToInteger("num_groups", value);
}

std::vector<float> JsonProperties::Floats(const char* name) {
  const json* value = Find(name);
  if (!value) return {};
  if (!value->is_array()) FailType(name, *value, "a list of numbers");
  std::vector<float> values;
  for (const json& item : *value) {
    if (!item.is_number()) FailType(name, item, "a list of numbers");
    if (!std::isfinite(item.get<float>()))  // which nobody meant
      FailType(name, item, "a list of numbers up to 3.4e38 (32-bit floats)");
    values.push_back(item.get<float>());
  }
  return values;
}

std::vector<std::string> JsonProperties::Texts(const char* name) {
  const json* value = Find(name);
  if (!value) return {};
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array()) FailType(name, *value, "a name or a list of names");
  std::vector<std::string> texts;
  for (const json& item : *value) {
    if (!item.is_string()) FailType(name, item, "a name or a list of names");
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

void JsonProperties::CheckAllKnown() const {
  const std::vector<std::string> known(asked_.begin(), asked_.end());
  for (const auto& [name, value] : object_.items())
    if (!asked_.count(name))
      Fail("{}: property '{}' is unknown, expected {}{}", where_, name, fmt::join(known, ", "),
           DidYouMean(name, known));
}

const char* InitializerName(Initializer::Kind given) {
  for (const auto& [name, kind] : kInitializers)
    if (kind == given) return name;
  return nullptr;
}

}  // namespace normkit
