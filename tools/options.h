// What the options of all commands are made of, on the kinds of command.h. Values come to these
// functions as text, and each says the same of what it does not take: "--seed: '-1' given, expected
// a whole number from 0 to 18446744073709551615" (exit code 2).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "normkit/core/error.h"
#include "src/core/fail.h"
#include "src/core/numbers.h"
#include "src/core/properties.h"
#include "src/core/suggest.h"
#include "src/core/text.h"
#include "tools/command.h"

namespace normkit::tools {

// A word that an option takes for a number: "auto", "inf"; any case.
template <class T>
struct Word {
  const char* text = nullptr;
  T means{};
};

// What follows what is expected of each item of a list.
inline constexpr const char* kSeveral = ", with commas between them";

// "a, b or c".
std::string OneOf(const std::vector<std::string>& names);

// ---- Numbers ------------------------------------------------------------------------------------

namespace options_internal {

template <class T>
std::string Expected(const NumberRange<T>& range, const Word<T>& word) {
  return range.ToString() + (word.text ? std::string(", or ") + word.text : "");
}

template <class T>
T Parse(const std::string& text, const NumberRange<T>& range, const Word<T>& word,
        const char* several = "") {
  if (word.text && SameLetters(text, {word.text}) != "") return word.means;
  const std::optional<T> value = ParseNumber<T>(text);
  if (!value || !range.Contains(*value))
    Fail("{} given, expected {}{}", Quoted(text), Expected(range, word), several);
  return *value;
}

template <class T>
std::string Text(T value, const Word<T>& word) {
  return word.text && value == word.means ? word.text : fmt::format("{}", value);
}

}  // namespace options_internal

// A number of `range`, or the word. T is int, int64_t, uint64_t or double. Help shows the value
// that stands in `value` as the default.
template <class T>
requires std::is_arithmetic_v<T> Option AddNumber(const Command& command, const std::string& names,
                                                  T& value,
                                                  const std::type_identity_t<NumberRange<T>>& range,
                                                  const std::string& description,
                                                  std::type_identity_t<Word<T>> word = {}) {
  const char* kind = std::is_integral_v<T> ? "N" : "X";
  return AddValue(command, names, kind, options_internal::Expected(range, word), description,
                  [&value, range, word](const std::string& text) {
                    value = options_internal::Parse<T>(text, range, word);
                  })
      .Default(options_internal::Text<T>(value, word));
}

// The same where nothing is a value, too: what an option that is not given, or "auto", leaves.
template <class T>
Option AddNumber(const Command& command, const std::string& names, std::optional<T>& value,
                 const std::type_identity_t<NumberRange<T>>& range,
                 const std::string& description) {
  const char* kind = std::is_integral_v<T> ? "N" : "X";
  const std::string expected = range.ToString() + ", or auto";
  return AddValue(command, names, kind, expected, description,
                  [&value, range, expected](const std::string& text) {
                    value.reset();
                    if (SameLetters(text, {"auto"}) != "") return;
                    value = ParseNumber<T>(text);
                    if (!value || !range.Contains(*value))
                      Fail("{} given, expected {}", Quoted(text), expected);
                  })
      .Default("auto");
}

// Several numbers; with `count`, exactly as many.
template <class T>
Option AddNumbers(const Command& command, const std::string& names, std::vector<T>& values,
                  const std::type_identity_t<NumberRange<T>>& range, const std::string& description,
                  std::type_identity_t<Word<T>> word = {}, size_t count = 0) {
  const std::string each = options_internal::Expected(range, word);
  const std::string expected = count > 0 ? fmt::format("{} values, each {}", count, each) : each;
  std::vector<std::string> defaults;
  for (const T value : values) defaults.push_back(options_internal::Text<T>(value, word));
  return AddList(command, names, "N,N,...", expected, description,
                 [&values, range, word, count, expected](const std::vector<std::string>& texts) {
                   if (count > 0 && texts.size() != count)
                     Fail("{} given, expected {}", Quoted(fmt::format("{}", fmt::join(texts, ","))),
                          expected);
                   values.clear();
                   for (const std::string& text : texts)
                     values.push_back(options_internal::Parse<T>(text, range, word, kSeveral));
                 })
      .Default(fmt::format("{}", fmt::join(defaults, ",")));
}

// ---- Texts --------------------------------------------------------------------------------------

// The choice that is meant; throws Error "'x' given, expected a, b or c".
std::string Choose(const std::string& text, const std::vector<std::string>& choices);

// One of `choices`. Help shows the value that stands in `value`, if any, as the default.
Option AddChoice(const Command& command, const std::string& names, std::string& value,
                 const std::vector<std::string>& choices, const std::string& description);

// Several of `choices`.
Option AddChoices(const Command& command, const std::string& names,
                  std::vector<std::string>& values, const std::vector<std::string>& choices,
                  const std::string& description);

// A row of a table of options; what stands in `options` is the default that help shows.
Option AddProperty(const Command& command, const std::string& names, const Property& property,
                   void* options);

// --threads of every command, and the list of them; 0: all processors.
inline constexpr NumberRange<int> kThreads{0, 1024};
inline constexpr Word<int> kAllProcessors{"auto", 0};
Option AddThreadsOption(const Command& command, int& threads);

// Runs a check of the library on the value of an option: its Error becomes a wrong command line.
template <class Check>
auto Checked(const std::string& option, const Check& check) {
  try {
    return check();
  } catch (const Error& error) {
    FailUsage(option, error.what());
  }
}

}  // namespace normkit::tools
