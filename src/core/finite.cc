#include "src/core/finite.h"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace normkit {
namespace {

// All bits of the exponent are set in NaN and infinities, and in nothing else.
constexpr uint32_t kExponent = 0x7f800000;

bool IsFinite(float value) { return (std::bit_cast<uint32_t>(value) & kExponent) != kExponent; }

}  // namespace

size_t FirstNonFinite(std::span<const float> x) {
  constexpr size_t kBlock = 512;  // without a branch in it, so that compilers make vectors of it
  for (size_t begin = 0; begin < x.size(); begin += kBlock) {
    const std::span<const float> block = x.subspan(begin, std::min(kBlock, x.size() - begin));
    uint32_t bad = 0;
    for (const float value : block) bad |= IsFinite(value) ? 0u : 1u;
    if (bad)
      return begin + static_cast<size_t>(std::find_if_not(block.begin(), block.end(), IsFinite) -
                                         block.begin());
  }
  return x.size();
}

}  // namespace normkit
