#include "src/onnx/properties.h"

#include <cmath>

#include "src/core/fail.h"

namespace normkit {

using nlohmann::json;

json ToJson(double value) {
  if (!std::isfinite(value)) Fail("model file: a property is {}, expected a finite number", value);
  return value;
}

json ToJson(const std::vector<float>& value) {
  for (const float element : value) ToJson(double{element});
  return value;
}

json ToJson(bool value) { return value; }
json ToJson(int64_t value) { return value; }
json ToJson(const std::optional<int64_t>& value) { return value ? json(*value) : json(); }
json ToJson(OperationDimension value) { return Name(value); }

json ToJson(const Initializer& value) {
  const char* name = InitializerName(value.kind);
  return name ? json(name) : json();
}

json ToJson(const Padding& value) {
  if (value.same) return "same";
  return {value.top, value.bottom, value.left, value.right};
}

void ReadProperty(JsonProperties& properties, const char* name, double* value) {
  *value = properties.Number(name, *value);
}

void ReadProperty(JsonProperties& properties, const char* name, bool* value) {
  *value = properties.Flag(name, *value);
}

void ReadProperty(JsonProperties& properties, const char* name, int64_t* value) {
  *value = properties.Integer(name, *value);
}

void ReadProperty(JsonProperties& properties, const char* name, std::optional<int64_t>* value) {
  *value = properties.OptionalInteger(name);
}

void ReadProperty(JsonProperties& properties, const char* name, std::vector<float>* value) {
  *value = properties.Floats(name);
}

void ReadProperty(JsonProperties& properties, const char* name, Initializer* value) {
  *value = properties.Begin(name, value->kind);
}

void ReadProperty(JsonProperties& properties, const char* name, OperationDimension* value) {
  const std::string text = properties.Text(name, std::string(Name(*value)));
  try {
    *value = ParseOperationDimension(text);
  } catch (const Error& error) {
    Fail("{}: {}", properties.where(), error.what());
  }
}

void ReadProperty(JsonProperties& properties, const char* name, Padding* value) {
  if (const Padding given = properties.Window(name); properties.Has(name)) *value = given;
}

}  // namespace normkit
