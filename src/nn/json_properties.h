// The properties of one layer in a network file.
#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "normkit/nn/layers.h"

namespace normkit {

// Reads properties with checks, and remembers which were asked for: what is left over in the end is
// a spelling error. Errors begin with "WHERE: ", which names file and layer.
class JsonProperties {
 public:
  JsonProperties(const nlohmann::json& object, std::string where);

  bool Has(const char* name) const { return object_.contains(name); }
  std::string Text(const char* name, const std::string& otherwise);
  std::string RequiredText(const char* name);
  bool Flag(const char* name, bool otherwise);
  double Number(const char* name, double otherwise);
  int64_t Integer(const char* name);  // required
  int64_t Integer(const char* name, int64_t otherwise);
  std::optional<int64_t> OptionalInteger(const char* name);
  // [height, width], or one number for both.
  std::array<int64_t, 2> Pair(const char* name);  // required
  std::array<int64_t, 2> Pair(const char* name, std::array<int64_t, 2> otherwise);
  std::array<int64_t, 3> Triple(const char* name);  // required
  Padding Window(const char* name);                 // "same", a number, or [top,bottom,left,right]
  Initializer Begin(const char* name, Initializer::Kind otherwise);
  int64_t Groups();  // "num_groups", required: a number, "all-channels" or "channel-wise"
  std::vector<float> Floats(const char* name);       // empty where there is none
  std::vector<std::string> Texts(const char* name);  // one text or a list; empty where none

  // Throws Error on a property that nobody asked for.
  void CheckAllKnown() const;

  const std::string& where() const { return where_; }

 private:
  const nlohmann::json* Find(const char* name);
  const nlohmann::json& Get(const char* name);  // required
  int64_t ToInteger(const char* name, const nlohmann::json& value) const;
  [[noreturn]] void FailType(const char* name, const nlohmann::json& value,
                             std::string_view expected) const;

  const nlohmann::json& object_;
  std::string where_;
  std::set<std::string> asked_;
};

// "zeros", "ones", ...; null for a function, which has no name.
const char* InitializerName(Initializer::Kind kind);

}  // namespace normkit
