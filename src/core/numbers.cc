#include "src/core/numbers.h"

#include <charconv>
#include <type_traits>

#include "src/core/fail.h"
#include "src/core/text.h"

namespace normkit {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// What from_chars reads and people do not mean: "010" (octal to many programs), "inf", "nan".
bool LooksDecimal(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.starts_with('.')) text.remove_prefix(1);
  if (text.empty() || !IsDigit(text[0])) return false;
  return !(text.size() > 1 && text[0] == '0' && IsDigit(text[1]));
}

}  // namespace

template <class T>
std::optional<T> ParseNumber(std::string_view text) {
  if (!LooksDecimal(text)) return std::nullopt;
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<double> ParseDecimal(std::string_view text) {
  text = Trimmed(text);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::string_view digits = text;
  if (digits.starts_with('-')) digits.remove_prefix(1);
  if (digits.starts_with('.')) digits.remove_prefix(1);
  if (digits.empty() || !IsDigit(digits[0])) return std::nullopt;
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

template <class T>
std::string NumberRange<T>::ToString() const {
  if constexpr (std::is_integral_v<T>)
    return fmt::format("a whole number from {} to {}", low, high);
  const bool below = low == std::numeric_limits<T>::lowest();
  if (high == std::numeric_limits<T>::max()) {
    if (below) return "a number";
    return open_low ? fmt::format("a number above {}", low)
                    : fmt::format("a number, {} or more", low);
  }
  return fmt::format("a number from {} to {}{}{}", low, high,
                     open_low ? fmt::format(" (more than {})", low) : "",
                     open_high ? fmt::format(" (less than {})", high) : "");
}

template <class T>
T ParseNumber(std::string_view text, const NumberRange<T>& range) {
  const std::optional<T> value = ParseNumber<T>(text);
  if (!value || !range.Contains(*value))
    Fail("{} given, expected {}", Quoted(text), range.ToString());
  return *value;
}

template std::optional<int> ParseNumber(std::string_view);
template std::optional<int64_t> ParseNumber(std::string_view);
template std::optional<uint64_t> ParseNumber(std::string_view);
template std::optional<double> ParseNumber(std::string_view);
template struct NumberRange<int>;
template struct NumberRange<int64_t>;
template struct NumberRange<uint64_t>;
template struct NumberRange<double>;
template int ParseNumber(std::string_view, const NumberRange<int>&);
template int64_t ParseNumber(std::string_view, const NumberRange<int64_t>&);
template uint64_t ParseNumber(std::string_view, const NumberRange<uint64_t>&);
template double ParseNumber(std::string_view, const NumberRange<double>&);

}  // namespace normkit
