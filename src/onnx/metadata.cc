#include "src/onnx/metadata.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "src/core/fail.h"
#include "src/core/text.h"

namespace normkit {
namespace {

using nlohmann::json;

constexpr std::string_view kPrefix = "normkit.", kFormat = "normkit.format",
                           kClasses = "normkit.classes", kLayers = "normkit.layers",
                           kFacts = "normkit.facts", kNetwork = "normkit.network",
                           kInput = "normkit.input_normalization", kVersion = "1";
constexpr int kDeepest = 4;  // a property that is an array, in a layer, in "normkit.layers"

void Add(std::string_view key, std::string value, onnx::ModelProto* model) {
  onnx::StringStringEntryProto* entry = model->add_metadata_props();
  entry->set_key(std::string(key));
  entry->set_value(std::move(value));
}

bool IsUtf8(const std::string& text) {
  try {
    static_cast<void>(json(text).dump());
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

void CheckText(const std::string& what, const std::string& text) {
  if (!IsUtf8(text))
    Fail("model file: {} {} cannot stand there, expected UTF-8: give it another name", what,
         Quoted(text));
}

void CheckFacts(const std::map<std::string, std::string>& facts) {
  for (const auto& [name, fact] : facts) {
    CheckText("fact", name);
    CheckText(name, fact);
  }
}

json Parse(const std::string& text, const std::string& where) {
  const auto check_depth = [&](int depth, json::parse_event_t, json&) {
    if (depth > kDeepest) Fail("{}: is nested deeper than {} levels", where, kDeepest);
    return true;
  };
  try {
    return json::parse(text, check_depth);
  } catch (const json::exception& error) {
    Fail("{}: is not JSON: {}", where, error.what());
  }
}

std::string Text(const json& value, const std::string& where) {
  if (!value.is_string()) Fail("{}: holds a {}, expected texts", where, value.type_name());
  return value.get<std::string>();
}

void ReadEntry(std::string_view key, const std::string& text, const std::string& where,
               Metadata* metadata) {
  if (key == kFormat) {
    if (text != kVersion)
      Fail("{}: is '{}', expected '{}' (a newer normkit wrote the file)", where, text, kVersion);
    return;
  }
  if (key == kInput) {
    metadata->input_normalization = text;
    return;
  }
  if (key != kClasses && key != kLayers && key != kNetwork && key != kFacts)
    Fail("{}: is unknown, expected {}, {}, {}, {}, {} or {}", where, kFormat, kInput, kClasses,
         kLayers, kNetwork, kFacts);
  const json value = Parse(text, where);
  const bool array = key == kClasses;
  if (array ? !value.is_array() : !value.is_object())
    Fail("{}: is {}, expected {}", where, value.type_name(), array ? "an array" : "an object");
  if (key == kClasses) {
    for (const json& name : value) metadata->classes.push_back(Text(name, where));
  } else if (key == kFacts) {
    for (const auto& [name, fact] : value.items()) metadata->facts[name] = Text(fact, where);
  } else if (key == kNetwork) {
    metadata->network = value;
  } else {
    for (const auto& [name, properties] : value.items())
      if (!properties.is_object())
        Fail("{}: layer '{}' is a {}, expected an object", where, name, properties.type_name());
    metadata->layers = value;
  }
}

}  // namespace

void WriteMetadata(const Metadata& metadata, onnx::ModelProto* model) {
  for (const std::string& name : metadata.classes) CheckText("class", name);
  CheckFacts(metadata.facts);
  Add(kFormat, std::string(kVersion), model);
  Add(kInput, metadata.input_normalization, model);
  if (!metadata.classes.empty()) Add(kClasses, json(metadata.classes).dump(), model);
  if (!metadata.layers.empty()) Add(kLayers, metadata.layers.dump(), model);
  if (!metadata.network.is_null()) Add(kNetwork, metadata.network.dump(), model);
  if (!metadata.facts.empty()) Add(kFacts, json(metadata.facts).dump(), model);
}

void ReplaceFacts(const Metadata& metadata, onnx::ModelProto* model) {
  for (const std::string& name : metadata.classes) CheckText("class", name);
  CheckFacts(metadata.facts);
  auto& entries = *model->mutable_metadata_props();
  for (int i = entries.size(); i-- > 0;)
    if (entries[i].key() == kClasses || entries[i].key() == kFacts) entries.DeleteSubrange(i, 1);
  if (!metadata.classes.empty()) Add(kClasses, json(metadata.classes).dump(), model);
  if (!metadata.facts.empty()) Add(kFacts, json(metadata.facts).dump(), model);
}

void WriteFacts(const std::map<std::string, std::string>& facts, onnx::ModelProto* model) {
  CheckFacts(facts);
  for (const auto& [name, fact] : facts) Add(name, fact, model);
}

Metadata ReadMetadata(const onnx::ModelProto& model, const std::string& file) {
  Metadata metadata;
  std::set<std::string_view> keys;
  for (const onnx::StringStringEntryProto& entry : model.metadata_props()) {
    if (!entry.key().starts_with(kPrefix)) continue;
    const std::string where = fmt::format("{}: metadata '{}'", file, entry.key());
    if (!keys.insert(entry.key()).second) Fail("{}: stands twice, expected once", where);
    ReadEntry(entry.key(), entry.value(), where, &metadata);
  }
  return metadata;
}

bool IsName(const std::string& text) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), is_control)) return false;
  return IsUtf8(text);
}

}  // namespace normkit
