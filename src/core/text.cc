#include "src/core/text.h"

#include <fmt/format.h>

#include <cstdint>

namespace normkit {
namespace {

// A letter of UTF-8 at the beginning of a text: how many bytes it has (0: no letter), and which.
struct Utf8Letter {
  size_t size = 0;
  uint32_t code = 0;
};

Utf8Letter FirstLetter(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {1, first};
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return {};
  uint32_t code = first & (0x7fu >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  // Longer than need be, surrogates, and what lies behind the last letter.
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[size] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff) return {};
  return {size, code};
}

// C0, delete, C1, and the two separators that some terminals and readers break lines at.
bool IsControl(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
}

// The letters of BytesAsUtf8: 256 from here on, and how all of them begin.
constexpr uint32_t kPrivate = 0x10fe00;
constexpr std::string_view kPrivateStart = "\xf4\x8f";

std::string Escape(std::string_view bytes) {
  if (bytes == "\n") return "\\n";
  if (bytes == "\t") return "\\t";
  if (bytes == "\r") return "\\r";
  std::string escape;
  for (const char c : bytes) escape += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return escape;
}

}  // namespace

std::string OneLine(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const Utf8Letter letter = FirstLetter(text);
    const std::string_view bytes = text.substr(0, letter.size > 0 ? letter.size : 1);
    const bool shown = letter.size > 0 && !IsControl(letter.code);
    line += shown ? std::string(bytes) : Escape(bytes);
    text.remove_prefix(bytes.size());
  }
  return line;
}

std::string Quoted(std::string_view text) {
  constexpr size_t kMost = 80, kBeginning = 40;
  if (text.size() <= kMost) return fmt::format("'{}'", OneLine(text));
  size_t end = kBeginning;  // not in the middle of a letter
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return fmt::format("'{}...' ({} bytes)", OneLine(text.substr(0, end)), text.size());
}

std::string BytesAsUtf8(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const Utf8Letter letter = FirstLetter(bytes);
    const std::string_view part = bytes.substr(0, letter.size > 0 ? letter.size : 1);
    const bool plain = letter.size > 0 && (letter.code & ~0xffu) != kPrivate;
    if (plain) text += part;
    for (size_t i = 0; i < part.size() && !plain; ++i) {
      const auto byte = static_cast<unsigned char>(part[i]);
      text += kPrivateStart;
      text += static_cast<char>(0xb8 | byte >> 6);
      text += static_cast<char>(0x80 | (byte & 0x3f));
    }
    bytes.remove_prefix(part.size());
  }
  return text;
}

std::string Utf8AsBytes(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const Utf8Letter letter = FirstLetter(text);
    const std::string_view part = text.substr(0, letter.size > 0 ? letter.size : 1);
    if (letter.size > 0 && (letter.code & ~0xffu) == kPrivate)
      bytes += static_cast<char>(letter.code & 0xff);
    else
      bytes += part;
    text.remove_prefix(part.size());
  }
  return bytes;
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace normkit
