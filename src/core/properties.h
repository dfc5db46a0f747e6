// Options by name: one table of members per structure, {name, member, range, default, what it is},
// which files, checks, command lines and documents read. The default is that of the structure.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "src/core/names.h"
#include "src/core/numbers.h"

namespace normkit {

// Why a value cannot be: "PROPERTY[2] is GIVEN, expected EXPECTED".
struct Misfit {
  std::string part;  // "[2]", " height": which part of the value, or ""
  std::string given, expected;
};

// How values of one type are written, read and checked. `value` points at a member of that type.
class PropertyKind {
 public:
  virtual ~PropertyKind() = default;
  // As files have it; null: they cannot.
  virtual nlohmann::json ToJson(const void* value) const = 0;
  // Puts what a file says into `value`, or says why not.
  virtual std::optional<Misfit> FromJson(const nlohmann::json& json, void* value) const = 0;
  // The same for a word of a command line, whose numbers have to be in the range.
  virtual std::optional<Misfit> FromText(std::string_view text, const NumberRange<double>& range,
                                         void* value) const;
  // Whether all numbers in it are finite and in the range.
  virtual std::optional<Misfit> Check(const void* value, const NumberRange<double>& range) const;
  // What may stand there, for documents.
  virtual std::string Expected(const NumberRange<double>& range) const = 0;
};

// The kind of a type. Declared here for numbers, bool, texts, sizes and lists; for enumerations
// with EnumNames; modules specialize it for types of their own.
template <class T>
const PropertyKind& KindOf();
template <>
const PropertyKind& KindOf<double>();
template <>
const PropertyKind& KindOf<int>();
template <>
const PropertyKind& KindOf<int64_t>();
template <>
const PropertyKind& KindOf<uint64_t>();
template <>
const PropertyKind& KindOf<bool>();
template <>
const PropertyKind& KindOf<std::optional<int64_t>>();  // null or "auto": empty
template <>
const PropertyKind& KindOf<std::array<int64_t, 2>>();  // [height, width], or a number for both
template <>
const PropertyKind& KindOf<std::array<int64_t, 3>>();  // [height, width, channels]
template <>
const PropertyKind& KindOf<std::array<int64_t, 4>>();  // [depth, height, width, channels]
template <>
const PropertyKind& KindOf<std::vector<int64_t>>();  // a number for each dimension, or one for all
template <>
const PropertyKind& KindOf<std::vector<float>>();

// A value as it stands in a file, cut where it is long.
std::string Shown(const nlohmann::json& value);

// The whole number that `json` is, or nothing (beyond 2^53 a number of JSON is not exact).
std::optional<int64_t> ToInteger(const nlohmann::json& json);

// What numbers may be: "a whole number from 1 to 8", "a number above 0".
std::string ExpectedNumber(bool whole, const NumberRange<double>& range);

// Enumerations, by their values as numbers.
class EnumKindBase : public PropertyKind {
 public:
  explicit EnumKindBase(std::span<const std::string_view> names) : names_(names) {}
  nlohmann::json ToJson(const void* value) const override;
  std::optional<Misfit> FromJson(const nlohmann::json& json, void* value) const override;
  std::string Expected(const NumberRange<double>& range) const override;

 private:
  virtual int Get(const void* value) const = 0;
  virtual void Set(int index, void* value) const = 0;
  std::span<const std::string_view> names_;
};

template <class E>
class EnumKind : public EnumKindBase {
 public:
  EnumKind() : EnumKindBase(EnumNames<E>::kNames) {}

 private:
  int Get(const void* value) const override {
    return static_cast<int>(*static_cast<const E*>(value));
  }
  void Set(int index, void* value) const override { *static_cast<E*>(value) = E(index); }
};

template <class T>
const PropertyKind& KindOf() {
  static_assert(std::is_enum_v<T>, "the type needs a kind of its own");
  static const EnumKind<T> kind;
  return kind;
}

struct PropertyFacts {
  NumberRange<double> range = {};
  bool required = false;          // the default is no value that works
  bool structural = false;        // what an ONNX node of the layer says itself
  std::string_view toolbox = {};  // what the toolbox calls it, where the letters differ
  unsigned of = ~0u;              // bits: which members of a family have it
  std::string_view zero = {};     // the word for 0, where that stands for something: "auto", "inf"
  std::string_view meaning = {};  // what it stands for: "none"
};

// One row.
struct Property {
  std::string_view name;  // as in C++ and in files: snake_case
  void* (*member)(void* options);
  const PropertyKind* kind;
  std::string_view text;  // what it is
  PropertyFacts facts;

  const void* In(const void* options) const { return member(const_cast<void*>(options)); }
  bool Has(unsigned of) const { return (facts.of & of) != 0; }
};

template <class T>
struct MemberTraits;
template <class O, class T>
struct MemberTraits<T O::*> {
  using Options = O;
  using Value = T;
};

// Row<&Options::epsilon>("epsilon", "Added to the variance", {.range = ...}).
template <auto kMember, class Traits = MemberTraits<decltype(kMember)>>
Property Row(std::string_view name, std::string_view text, PropertyFacts facts = {},
             const PropertyKind& kind = KindOf<typename Traits::Value>()) {
  using Options = typename Traits::Options;
  void* (*member)(void*) = [](void* options) -> void* {
    return &(static_cast<Options*>(options)->*kMember);
  };
  return {name, member, &kind, text, facts};
}

struct PropertyTable {
  std::span<const Property> rows;
  const void* defaults;  // the structure as it is made
};

template <class Options>
PropertyTable TableOf(std::span<const Property> rows) {
  static const Options defaults{};
  return {rows, &defaults};
}

// Whether `options` and `others` have the same value. Values that files cannot have differ.
bool SameValue(const Property& property, const void* options, const void* others);

// "filter_size is 0, expected a whole number from 1 to 4096" for the first of the rows `of` that is
// wrong in `options`; "": none.
std::string FindWrong(const PropertyTable& table, const void* options, unsigned of = ~0u);

// The value as one word: "0.5", "red", or what 0 stands for.
std::string ToText(const Property& property, const void* options);

// What may stand there, the word for 0 as well.
std::string ExpectedText(const Property& property);

// Puts a word of a command line into the member. Throws Error "'rde' given, expected red, blue, did
// you mean 'red'?".
void ParseInto(const Property& property, std::string_view text, void* options);

// The rows of a document, "| `epsilon` | 1e-05 | a number above 0 | added to the variance |\n", of
// those that `of` has.
std::string DocumentRow(const Property& property, const PropertyTable& table);

}  // namespace normkit
