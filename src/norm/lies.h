// How the elements of an array may lie in memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/core/dtype.h"
#include "normkit/core/layout.h"

namespace normkit::cases {

using Strides = std::vector<int64_t>;

// Ways for the elements of an array to lie; `seed` makes those of one call differ.
struct Lie {
  std::string_view name;
  Strides (*strides)(const Layout& layout, int64_t seed);
};

// Strides where `gap(axis)` elements lie behind each element of that axis.
template <class Gap>
Strides WithGaps(const Layout& layout, const Gap& gap) {
  Strides strides(static_cast<size_t>(layout.rank()));
  int64_t stride = 1;
  for (int i = layout.rank() - 1; i >= 0; --i) {
    stride += gap(i) * (i == layout.rank() - 1 ? 1 : stride);
    strides[static_cast<size_t>(i)] = stride;
    stride *= std::max<int64_t>(1, layout.axes()[static_cast<size_t>(i)].size);
  }
  return strides;
}

inline constexpr Lie kLies[] = {
    {"rows apart",
     [](const Layout& layout, int64_t seed) {
       return WithGaps(layout, [&](int axis) { return axis == 0 ? seed : 0; });
     }},
    {"inner rows apart",
     [](const Layout& layout, int64_t seed) {
       return WithGaps(layout, [&](int axis) { return axis == layout.rank() - 2 ? seed : 0; });
     }},
    {"all but the innermost apart",
     [](const Layout& layout, int64_t seed) {
       return WithGaps(layout, [&](int axis) { return axis < layout.rank() - 1 ? seed : 0; });
     }},
    {"elements apart",
     [](const Layout& layout, int64_t seed) {
       return WithGaps(layout, [&](int axis) { return axis == layout.rank() - 1 ? seed : 0; });
     }},
    {"outermost innermost",
     [](const Layout& layout, int64_t) {
       Strides strides(static_cast<size_t>(layout.rank()));
       int64_t stride = 1;
       for (size_t i = 0; i < strides.size(); ++i) {
         strides[i] = stride;
         stride *= layout.axes()[i].size;
       }
       return strides;
     }},
    {"the first two exchanged",
     [](const Layout& layout, int64_t) {
       Strides strides = WithGaps(layout, [](int) { return 0; });
       strides[0] = strides[1];
       strides[1] *= layout.axes()[0].size;
       return strides;
     }},
    {"the first of three slices",
     [](const Layout& layout, int64_t) {
       Strides strides = WithGaps(layout, [](int) { return 0; });
       strides[0] *= 3;
       return strides;
     }},
    {"rows of a longer pitch",
     [](const Layout& layout, int64_t seed) {
       Strides strides = WithGaps(layout, [](int) { return 0; });
       const int64_t n = std::max<int64_t>(1, layout.axes().back().size);
       for (size_t i = 0; i + 1 < strides.size(); ++i) strides[i] = strides[i] / n * (n + seed);
       return strides;
     }},
};

// Element by element, wherever it lies.
template <class F>
void ForElements(const Layout& layout, const Strides& strides, const F& f) {
  for (int64_t at = 0; at < layout.size(); ++at) {
    int64_t offset = 0, index = at;
    for (size_t i = strides.size(); i-- > 0; index /= layout.axes()[i].size)
      offset += index % layout.axes()[i].size * strides[i];
    f(at, offset);
  }
}

// An array that lies by strides, amid others' elements.
class StridedMemory {
 public:
  StridedMemory(const Layout& layout, DType dtype, Strides strides, const void* dense)
      : layout_(layout), bytes_(SizeOf(dtype)), strides_(std::move(strides)) {
    int64_t last = 0;
    ForElements(layout, strides_, [&](int64_t, int64_t offset) { last = std::max(last, offset); });
    memory_.assign((static_cast<size_t>(last) + 1) * bytes_ + kLine, kOthers);
    first_ = kLine - reinterpret_cast<uintptr_t>(memory_.data()) % kLine;
    if (dense)
      ForElements(layout, strides_, [&](int64_t at, int64_t offset) {
        std::memcpy(Element(offset), static_cast<const char*>(dense) + at * Bytes(), bytes_);
      });
  }
  void* data() { return Element(0); }
  const Strides& strides() const { return strides_; }
  std::string Dense() {
    std::string dense(static_cast<size_t>(layout_.size()) * bytes_, 0);
    ForElements(layout_, strides_, [&](int64_t at, int64_t offset) {
      std::memcpy(dense.data() + at * Bytes(), Element(offset), bytes_);
    });
    return dense;
  }
  bool OthersAreLeftAlone() {
    std::vector<char> memory = memory_;
    ForElements(layout_, strides_, [&](int64_t, int64_t offset) {
      std::memset(memory.data() + first_ + offset * Bytes(), kOthers, bytes_);
    });
    return std::ranges::all_of(memory, [](char c) { return c == kOthers; });
  }

 private:
  static constexpr char kOthers = -1;  // of which NaN are made
  static constexpr size_t kLine = 64;  // bytes: where arrays begin decides how they are written
  int64_t Bytes() const { return static_cast<int64_t>(bytes_); }
  char* Element(int64_t offset) { return memory_.data() + first_ + offset * Bytes(); }

  Layout layout_;
  size_t bytes_;
  Strides strides_;
  std::vector<char> memory_;
  size_t first_ = 0;
};

}  // namespace normkit::cases
