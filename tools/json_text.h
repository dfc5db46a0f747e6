// JSON as the program prints it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace normkit::tools {

// Valid whatever the paths and names in it: bytes that are not UTF-8 become U+FFFD. On one line
// without an indent.
template <class Json>
std::string JsonText(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace normkit::tools
