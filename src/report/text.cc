#include "src/report/text.h"

#include <cctype>

namespace normkit {
namespace {

bool StartsLetter(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

size_t CountLetters(std::string_view text) {
  size_t letters = 0;
  for (const char c : text) letters += StartsLetter(c);
  return letters;
}

std::string_view FirstLetters(std::string_view text, size_t letters) {
  size_t seen = 0;
  for (size_t i = 0; i < text.size(); ++i)
    if (StartsLetter(text[i]) && seen++ == letters) return text.substr(0, i);
  return text;
}

bool LooksNumeric(std::string_view cell) {
  if (cell == "nan" || cell == "inf" || cell == "-inf") return true;
  size_t i = 0;
  if (i < cell.size() && (cell[i] == '-' || cell[i] == '+')) ++i;
  const size_t first = i;
  bool digits = false;
  for (; i < cell.size(); ++i) {
    const char c = cell[i];
    const bool exponent_sign = (c == '-' || c == '+') && i > first && cell[i - 1] == 'e';
    const bool exponent = c == 'e' && digits && i + 1 < cell.size() &&
                          (IsDigit(cell[i + 1]) || cell[i + 1] == '-' || cell[i + 1] == '+');
    if (!IsDigit(c) && c != '.' && c != ',' && c != ':' && !exponent && !exponent_sign) break;
    digits = digits || IsDigit(c);
  }
  if (!digits) return false;
  if (i == cell.size()) return true;
  // A unit, with or without a space: "98.2 %", "1.3x", "12 MiB", "53 GB/s".
  if (cell[i] == ' ') ++i;
  if (cell.size() - i > 5 || i == cell.size()) return false;
  for (; i < cell.size(); ++i)
    if (IsDigit(cell[i]) || cell[i] == ' ') return false;
  return true;
}

}  // namespace normkit
