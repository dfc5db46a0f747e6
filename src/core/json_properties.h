// The properties of one object of a JSON file, read by the tables of properties.h.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/properties.h"

namespace normkit {

// Reads properties with checks, and remembers which were asked for: what is left over in the end is
// a spelling error. Names may be spelled as the toolbox does ("FilterSize"). Errors begin with
// "WHERE: ", which names file and layer.
class JsonProperties {
 public:
  JsonProperties(const nlohmann::json& object, std::string where);

  bool Has(std::string_view name) { return Find(name) != nullptr; }
  std::string Text(std::string_view name, const std::string& otherwise);
  std::string RequiredText(std::string_view name);
  // One text or a list; empty where none.
  std::vector<std::string> Texts(std::string_view name);

  // All but these, which are known then.
  nlohmann::json Others(std::span<const char* const> names);

  // Puts what stands here into the member. Throws where nothing does and the property is required,
  // unless the member has another value than the default.
  void Read(const Property& property, const PropertyTable& table, void* options);
  // Puts what stands here, if anything, into the member; false: nothing does.
  bool ReadIfThere(const Property& property, void* options);
  // The rows that `of` has.
  void ReadAll(const PropertyTable& table, unsigned of, void* options);
  // What WriteDifferences wrote: those of them that are not structural, each of which may lack.
  void ReadDifferences(const PropertyTable& table, unsigned of, void* options);

  // Throws Error on a property that nobody asked for.
  void CheckAllKnown() const;

  const std::string& where() const { return where_; }

 private:
  const nlohmann::json* Find(std::string_view name, bool listed = true);
  [[noreturn]] void FailMissing(std::string_view name) const;
  [[noreturn]] void FailType(std::string_view name, const std::string& given,
                             std::string_view expected) const;

  const nlohmann::json& object_;
  std::string where_;
  std::set<std::string> asked_;  // as they are spelled in the object, or would be here
};

// All rows of a table that files can have.
nlohmann::json WriteAll(const PropertyTable& table, const void* options);

// The rows of a table in which `options` differs from `plain`, but for structural ones.
nlohmann::json WriteDifferences(const PropertyTable& table, const void* options, const void* plain);

}  // namespace normkit
