// Properties of layers that ONNX nodes cannot carry, from and to JSON: one table of members per
// options structure, for both directions.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/nn/layers.h"

namespace normkit {

template <class Options>
using Member =
    std::variant<double Options::*, bool Options::*, int64_t Options::*,
                 std::optional<int64_t> Options::*, std::vector<float> Options::*,
                 Initializer Options::*, OperationDimension Options::*, Padding Options::*>;

// A property and its name in the file (the same as in C++).
template <class Options>
struct Property {
  std::string_view name;
  Member<Options> member;
};

// One value from and to JSON. Reading throws Error "... is GIVEN, expected ...".
nlohmann::json ToJson(double value);
nlohmann::json ToJson(bool value);
nlohmann::json ToJson(int64_t value);
nlohmann::json ToJson(const std::optional<int64_t>& value);
nlohmann::json ToJson(const std::vector<float>& value);
nlohmann::json ToJson(const Initializer& value);
nlohmann::json ToJson(OperationDimension value);
nlohmann::json ToJson(const Padding& value);
void FromJson(const nlohmann::json& json, double* value);
void FromJson(const nlohmann::json& json, bool* value);
void FromJson(const nlohmann::json& json, int64_t* value);
void FromJson(const nlohmann::json& json, std::optional<int64_t>* value);
void FromJson(const nlohmann::json& json, std::vector<float>* value);
void FromJson(const nlohmann::json& json, Initializer* value);
void FromJson(const nlohmann::json& json, OperationDimension* value);
void FromJson(const nlohmann::json& json, Padding* value);

// Refuses members of `json` that are none of `names`.
void CheckNames(const nlohmann::json& json, const std::vector<std::string>& names);

// The properties in which `options` differs from `plain`, what the nodes alone would be read as.
template <class Options>
nlohmann::json WriteProperties(std::span<const Property<Options>> table, const Options& options,
                               const Options& plain) {
  nlohmann::json json = nlohmann::json::object();
  for (const Property<Options>& property : table) {
    std::visit(
        [&](auto member) {
          nlohmann::json value = ToJson(options.*member);
          if (value != ToJson(plain.*member)) json[std::string(property.name)] = std::move(value);
        },
        property.member);
  }
  return json;
}

// Puts the properties that stand in `json` into `options`.
template <class Options>
void ReadProperties(std::span<const Property<Options>> table, const nlohmann::json& json,
                    Options* options) {
  std::vector<std::string> names;
  for (const Property<Options>& property : table) {
    names.emplace_back(property.name);
    const auto found = json.find(names.back());
    if (found == json.end()) continue;
    try {
      std::visit([&](auto member) { FromJson(*found, &(options->*member)); }, property.member);
    } catch (const Error& error) {
      throw Error("property '" + names.back() + "' is " + error.what());
    }
  }
  CheckNames(json, names);
}

}  // namespace normkit
