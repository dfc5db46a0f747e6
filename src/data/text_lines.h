// Texts of others, line by line, and the numbers in them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "src/core/numbers.h"

namespace normkit {

// The lines of a text, whatever ends them ("\n", "\r\n", "\r" of old), without a mark of the byte
// order.
class TextLines {
 public:
  explicit TextLines(std::string_view text) : rest_(text) {
    if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
  }

  bool Next() {
    if (rest_.empty()) return false;
    const size_t end = rest_.find_first_of("\r\n");
    line_ = rest_.substr(0, end);
    rest_.remove_prefix(end == rest_.npos                       ? rest_.size()
                        : rest_.substr(end).starts_with("\r\n") ? end + 2
                                                                : end + 1);
    ++number_;
    return true;
  }
  std::string_view line() const { return line_; }
  int64_t number() const { return number_; }  // from 1

 private:
  std::string_view rest_, line_;
  int64_t number_ = 0;
};

// The part of `text` before the next `separator`, which is taken away with it; all of it, and
// `more` becomes false, where there is none.
inline std::string_view TakePart(std::string_view& text, char separator, bool& more) {
  const size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  more = end != text.npos;
  text.remove_prefix(more ? end + 1 : text.size());
  return part;
}

// A number that an f32 holds, or nothing.
inline std::optional<float> ParseFloat(std::string_view text) {
  constexpr double kMost = 3.4028234663852886e38;
  const std::optional<double> value = ParseDecimal(text);
  if (!value || *value > kMost || *value < -kMost) return std::nullopt;
  return static_cast<float>(*value);
}

}  // namespace normkit
