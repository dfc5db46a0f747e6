// What a file is, by its first bytes.
#pragma once

#include <string_view>

namespace normkit {

// "a HEIC picture", "an HTML page", "compressed with gzip", ...; "" for what is not known here.
std::string_view FileKind(std::string_view bytes);

}  // namespace normkit
