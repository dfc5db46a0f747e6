// Numbers in texts: one way to read them, for command lines, files and the environment alike.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace normkit {

// The number that all of `text` is, or nothing. Decimal: "010", "+1", "0x10", "1 ", "nan" and what
// T cannot hold are no numbers; "1.5" and "1e-3" are where T has fractions. For int, int64_t,
// uint64_t and double.
template <class T>
std::optional<T> ParseNumber(std::string_view text);

// The number that all of `text` is as tables write it: between blanks, with a plus sign or zeros in
// front where they like ("+007.5", ".5", "5."). Nothing for what no double holds, NaN and
// infinities among it.
std::optional<double> ParseDecimal(std::string_view text);

// The numbers that are allowed somewhere, low to high; without a bound that is `open`.
template <class T>
struct NumberRange {
  T low = std::numeric_limits<T>::lowest();
  T high = std::numeric_limits<T>::max();
  bool open_low = false, open_high = false;

  bool Contains(T value) const {  // false for NaN
    return (open_low ? value > low : value >= low) && (open_high ? value < high : value <= high);
  }
  // "a whole number from 1 to 1024", "a number above 0", "a number from 0 to 1 (less than 1)".
  std::string ToString() const;
};

// Throws Error "'010' given, expected a whole number from 1 to 1024".
template <class T>
T ParseNumber(std::string_view text, const NumberRange<T>& range);

extern template std::optional<int> ParseNumber(std::string_view);
extern template std::optional<int64_t> ParseNumber(std::string_view);
extern template std::optional<uint64_t> ParseNumber(std::string_view);
extern template std::optional<double> ParseNumber(std::string_view);
extern template struct NumberRange<int>;
extern template struct NumberRange<int64_t>;
extern template struct NumberRange<uint64_t>;
extern template struct NumberRange<double>;
extern template int ParseNumber(std::string_view, const NumberRange<int>&);
extern template int64_t ParseNumber(std::string_view, const NumberRange<int64_t>&);
extern template uint64_t ParseNumber(std::string_view, const NumberRange<uint64_t>&);
extern template double ParseNumber(std::string_view, const NumberRange<double>&);

}  // namespace normkit
