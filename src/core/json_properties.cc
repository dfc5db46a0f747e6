#include "src/core/json_properties.h"

#include "src/core/fail.h"
#include "src/core/suggest.h"

namespace normkit {

using nlohmann::json;

JsonProperties::JsonProperties(const json& object, std::string where)
    : object_(object), where_(std::move(where)) {}

// Names that are not listed are no part of what errors say is expected.
const json* JsonProperties::Find(std::string_view name, bool listed) {
  const json* found = nullptr;
  for (const auto& [given, value] : object_.items()) {
    if (given != name && SameLetters(given, {std::string(name)}).empty()) continue;
    if (found) Fail("{}: property '{}' stands twice, in two spellings", where_, name);
    asked_.insert(given);
    found = &value;
  }
  if (listed) asked_.insert(std::string(name));
  return found;
}

void JsonProperties::FailMissing(std::string_view name) const {
  // There under another name: what nobody asks for and looks like it.
  for (const auto& [given, ignored] : object_.items())
    if (!asked_.count(given) && !DidYouMean(given, {std::string(name)}).empty())
      Fail("{}: property '{}' is unknown{}", where_, given, DidYouMean(given, {std::string(name)}));
  Fail("{}: property '{}' is missing", where_, name);
}

void JsonProperties::FailType(std::string_view name, const std::string& given,
                              std::string_view expected) const {
  Fail("{}: property '{}' is {}, expected {}", where_, name, given, expected);
}

std::string JsonProperties::Text(std::string_view name, const std::string& otherwise) {
  const json* value = Find(name);
  if (!value) return otherwise;
  if (!value->is_string()) FailType(name, Shown(*value), "a text");
  return value->get<std::string>();
}

std::string JsonProperties::RequiredText(std::string_view name) {
  if (!Find(name)) FailMissing(name);
  return Text(name, "");
}

std::vector<std::string> JsonProperties::Texts(std::string_view name) {
  const json* value = Find(name);
  if (!value) return {};
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array()) FailType(name, Shown(*value), "a name or a list of names");
  std::vector<std::string> texts;
  for (const json& item : *value) {
    if (!item.is_string()) FailType(name, Shown(item), "a name or a list of names");
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

json JsonProperties::Others(std::span<const char* const> names) {
  json others = json::object();
  for (const auto& [name, value] : object_.items()) {
    if (std::ranges::find(names, name) != names.end()) continue;
    others[name] = value;
    asked_.insert(name);
  }
  return others;
}

void JsonProperties::Read(const Property& property, const PropertyTable& table, void* options) {
  if (!ReadIfThere(property, options) && property.facts.required &&
      SameValue(property, options, table.defaults))
    FailMissing(property.name);
}

bool JsonProperties::ReadIfThere(const Property& property, void* options) {
  const json* value = Find(property.name);
  if (!value && !property.facts.toolbox.empty()) value = Find(property.facts.toolbox, false);
  if (!value) return false;
  if (const auto misfit = property.kind->FromJson(*value, property.member(options)))
    FailType(property.name, misfit->given, misfit->expected);
  return true;
}

void JsonProperties::ReadAll(const PropertyTable& table, unsigned of, void* options) {
  for (const Property& property : table.rows)
    if (property.Has(of)) Read(property, table, options);
}

void JsonProperties::ReadDifferences(const PropertyTable& table, unsigned of, void* options) {
  for (const Property& property : table.rows)
    if (property.Has(of) && !property.facts.structural) ReadIfThere(property, options);
}

void JsonProperties::CheckAllKnown() const {
  const std::vector<std::string> known(asked_.begin(), asked_.end());
  for (const auto& [name, value] : object_.items())
    if (!asked_.count(name))
      Fail("{}: property '{}' is unknown, expected {}{}", where_, name, fmt::join(known, ", "),
           DidYouMean(name, known));
}

json WriteAll(const PropertyTable& table, const void* options) {
  json all = json::object();
  for (const Property& property : table.rows)
    if (json value = property.kind->ToJson(property.In(options)); !value.is_null())
      all[std::string(property.name)] = std::move(value);
  return all;
}

json WriteDifferences(const PropertyTable& table, const void* options, const void* plain) {
  json differences = json::object();
  for (const Property& property : table.rows) {
    json value = property.kind->ToJson(property.In(options));
    const bool same = value == property.kind->ToJson(property.In(plain));
    if (!property.facts.structural && !same && !value.is_null())
      differences[std::string(property.name)] = std::move(value);
  }
  return differences;
}

}  // namespace normkit
