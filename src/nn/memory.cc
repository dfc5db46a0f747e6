#include "src/nn/memory.h"

#include <unistd.h>

#include <algorithm>
#include <numeric>

#include "src/core/fail.h"

namespace normkit {
namespace {

constexpr size_t kLine = 64;

size_t RoundUp(size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

bool AliveTogether(const Block& a, const Block& b) {
  return a.first <= b.last && b.first <= a.last;
}

}  // namespace

void CheckMemory(double bytes, std::string_view what) {
  static const double physical =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
  if (bytes > physical)
    Fail("{} need {:.1f} GB of memory, this machine has {:.1f} GB", what, bytes / 1e9,
         physical / 1e9);
}

size_t PlaceBlocks(std::vector<Block>& blocks) {
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return blocks[a].bytes > blocks[b].bytes; });

  std::vector<size_t> placed;  // by offset
  size_t end = 0;
  for (const size_t index : order) {
    Block& block = blocks[index];
    const size_t bytes = RoundUp(block.bytes);
    size_t offset = 0;
    for (const size_t other : placed) {
      const Block& taken = blocks[other];
      if (!AliveTogether(block, taken)) continue;
      if (offset + bytes <= taken.offset) break;
      offset = std::max(offset, taken.offset + RoundUp(taken.bytes));
    }
    block.offset = offset;
    end = std::max(end, offset + bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), index,
                         [&](size_t a, size_t b) { return blocks[a].offset < blocks[b].offset; }),
        index);
  }
  return end;
}

}  // namespace normkit
