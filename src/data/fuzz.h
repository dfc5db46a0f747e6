// What the fuzzers of this folder share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "normkit/core/error.h"

namespace normkit {

// Reads the bytes; anything but a result or an Error is a bug.
template <class Read>
int Fuzz(const uint8_t* data, size_t size, const Read& read) {
  try {
    read(std::string_view(reinterpret_cast<const char*>(data), size));
  } catch (const Error&) {
  }
  return 0;
}

}  // namespace normkit
