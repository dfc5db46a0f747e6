// Fingerprints of bytes: to tell "the same" from "changed", not against forgery.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace normkit {

// 64 bits of all that was added, in order. Each step is a bijection of the state, so that two
// inputs of the same length that differ in one word never agree; a word of 8 bytes takes about 6
// cycles.
class Hash {
 public:
  void Add(uint64_t word) {
    state_ = (state_ ^ word) * 0x9e3779b97f4a7c15u;
    state_ ^= state_ >> 32;
  }
  void Add(std::string_view text) { Add(text.data(), text.size()); }
  template <class T>
  void Add(std::span<const T> values) {
    static_assert(std::is_arithmetic_v<T>);
    Add(values.data(), values.size_bytes());
  }

  uint64_t value() const {
    Hash last = *this;
    last.Add(uint64_t{1});
    last.Add(uint64_t{0});
    return last.state_;
  }

 private:
  void Add(const void* bytes, size_t size) {
    const char* at = static_cast<const char*>(bytes);
    Add(uint64_t{size});
    for (; size > 0; at += sizeof(uint64_t)) {
      uint64_t word = 0;
      const size_t part = size < sizeof(word) ? size : sizeof(word);
      std::memcpy(&word, at, part);
      Add(word);
      size -= part;
    }
  }

  uint64_t state_ = 0x243f6a8885a308d3u;
};

}  // namespace normkit
