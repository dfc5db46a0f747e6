// Fail("scale has {} values, expected {}", n, m) throws normkit::Error with a formatted line.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <utility>

#include "normkit/core/error.h"

namespace normkit {

template <class... Args>
[[noreturn]] void Fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace normkit
