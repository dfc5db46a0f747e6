// Text of others (paths, names, command lines) in lines of our own.
#pragma once

#include <string>
#include <string_view>

namespace normkit {

// `text` on one line and harmless to a terminal: control characters and bytes that are not UTF-8
// become escapes, "\n", "\t", "\x1b", "\xff"; letters of any language stay. Done twice it changes
// nothing more.
std::string OneLine(std::string_view text);

// "'text'" for messages, as OneLine; of a long text its beginning and how many bytes there are.
std::string Quoted(std::string_view text);

// Any bytes as UTF-8 and back, for files that hold nothing else: text stays as it is, each byte
// that is none becomes a letter for private use, U+10FE00 and on.
std::string BytesAsUtf8(std::string_view bytes);
std::string Utf8AsBytes(std::string_view text);

// `text` without blanks at its ends.
std::string_view Trimmed(std::string_view text);

}  // namespace normkit
