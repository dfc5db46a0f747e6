// Properties of layers that ONNX nodes cannot carry, from and to JSON: one table of members per
// options structure, for both directions.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "normkit/nn/layers.h"
#include "src/nn/json_properties.h"

namespace normkit {

template <class Options>
using Member =
    std::variant<double Options::*, bool Options::*, int64_t Options::*,
                 std::optional<int64_t> Options::*, std::vector<float> Options::*,
                 Initializer Options::*, OperationDimension Options::*, Padding Options::*>;

// A property and its name in the file (the same as in C++ and in network files).
template <class Options>
struct Property {
  const char* name;
  Member<Options> member;
};

// One value to JSON. Throws Error on a number that is not finite.
nlohmann::json ToJson(double value);
nlohmann::json ToJson(bool value);
nlohmann::json ToJson(int64_t value);
nlohmann::json ToJson(const std::optional<int64_t>& value);
nlohmann::json ToJson(const std::vector<float>& value);
nlohmann::json ToJson(const Initializer& value);  // null for a function
nlohmann::json ToJson(OperationDimension value);
nlohmann::json ToJson(const Padding& value);

// One value from JSON; stays as it is where there is none.
void ReadProperty(JsonProperties& properties, const char* name, double* value);
void ReadProperty(JsonProperties& properties, const char* name, bool* value);
void ReadProperty(JsonProperties& properties, const char* name, int64_t* value);
void ReadProperty(JsonProperties& properties, const char* name, std::optional<int64_t>* value);
void ReadProperty(JsonProperties& properties, const char* name, std::vector<float>* value);
void ReadProperty(JsonProperties& properties, const char* name, Initializer* value);
void ReadProperty(JsonProperties& properties, const char* name, OperationDimension* value);
void ReadProperty(JsonProperties& properties, const char* name, Padding* value);

// The properties in which `options` differs from `plain`, what the nodes alone would be read as.
template <class Options>
nlohmann::json WriteProperties(std::span<const Property<Options>> table, const Options& options,
                               const Options& plain) {
  nlohmann::json json = nlohmann::json::object();
  for (const Property<Options>& property : table) {
    std::visit(
        [&](auto member) {
          nlohmann::json value = ToJson(options.*member);
          if (value != ToJson(plain.*member) && !value.is_null())
            json[property.name] = std::move(value);
        },
        property.member);
  }
  return json;
}

// Puts the properties that stand in `properties` into `options`; refuses those that the table
// lacks.
template <class Options>
void ReadProperties(std::span<const Property<Options>> table, JsonProperties properties,
                    Options* options) {
  for (const Property<Options>& property : table)
    std::visit([&](auto member) { ReadProperty(properties, property.name, &(options->*member)); },
               property.member);
  properties.CheckAllKnown();
}

}  // namespace normkit
