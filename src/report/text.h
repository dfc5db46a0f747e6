// Small questions about text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "src/report/report.h"

namespace normkit {

// How many columns UTF-8 text takes on a terminal, were all letters of width one.
size_t CountLetters(std::string_view text);

// The first `letters` letters of UTF-8 text.
std::string_view FirstLetters(std::string_view text, size_t letters);

// Whether a table's cell is a number, maybe with a unit: "12", "-1.5e-3", "98.2 %", "3.1 s",
// "00:01:12", "1,024", "nan".
bool LooksNumeric(std::string_view cell);

// For each column of a table, whether all its cells are numbers (empty ones and "-" aside).
std::vector<bool> NumericColumns(const Table& table);

}  // namespace normkit
