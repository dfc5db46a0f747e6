// JSON as the program prints it. What takes the compiler long, parsing and printing, is compiled
// once, in json_text.cc.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "normkit/train/train.h"

namespace normkit::tools {

// Valid whatever the paths and names in it: bytes that are not UTF-8 become U+FFFD. On one line
// without an indent.
std::string JsonText(const nlohmann::json& value, int indent = -1);
std::string JsonText(const nlohmann::ordered_json& value, int indent = -1);

// Nothing (null) where `text` is no JSON.
nlohmann::json ParseJson(const std::string& text);

nlohmann::json GapsToJson(const std::vector<StatisticsGap>& gaps);

}  // namespace normkit::tools
