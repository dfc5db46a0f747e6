// Fail("scale has {} values, expected {}", n, m) throws normkit::Error with a formatted line: one,
// whatever paths and names from files stand in it (OneLine).
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <utility>

#include "normkit/core/error.h"
#include "src/core/text.h"

namespace normkit {

template <class E = Error, class... Args>
[[noreturn]] void Fail(fmt::format_string<Args...> format, Args&&... args) {
  throw E(OneLine(fmt::format(format, std::forward<Args>(args)...)));
}

}  // namespace normkit
