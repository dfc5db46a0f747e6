#include "src/graph/memory.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "src/core/fail.h"

namespace normkit {
namespace {

constexpr size_t kLine = 64;

size_t RoundUp(size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

// Above this many blocks the better placement would take too long: it looks at every pair.
constexpr size_t kMostBySize = 4096;

bool AliveTogether(const Block& a, const Block& b) {
  return a.first <= b.last && b.first <= a.last;
}

size_t PlaceBySize(std::vector<Block>& blocks) {
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

// The gaps of an arena that grows at its end.
class Gaps {
 public:
  // The smallest gap that holds this many, or more at the end.
  size_t Take(size_t bytes) {
    const auto fitting = by_size_.lower_bound({bytes, 0});
    if (fitting == by_size_.end()) return Grow(bytes);
    const auto [size, offset] = *fitting;
    Remove(by_offset_.find(offset));
    if (size > bytes) Insert(offset + bytes, size - bytes);
    return offset;
  }

  void Give(size_t offset, size_t bytes) {
    if (bytes == 0) return;
    auto next = by_offset_.lower_bound(offset);
    if (next != by_offset_.end() && next->first == offset + bytes) {
      bytes += next->second;
      next = Remove(next);
    }
    if (next != by_offset_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == offset) {
        offset = before->first;
        bytes += before->second;
        Remove(before);
      }
    }
    Insert(offset, bytes);
  }

  size_t end() const { return end_; }

 private:
  using ByOffset = std::map<size_t, size_t>;

  size_t Grow(size_t bytes) {
    size_t offset = end_;
    if (!by_offset_.empty()) {
      const auto last = std::prev(by_offset_.end());
      if (last->first + last->second == end_) {
        offset = last->first;
        Remove(last);
      }
    }
    end_ = offset + bytes;
    return offset;
  }
  void Insert(size_t offset, size_t bytes) {
    by_offset_.emplace(offset, bytes);
    by_size_.emplace(bytes, offset);
  }
  ByOffset::iterator Remove(ByOffset::iterator gap) {
    by_size_.erase({gap->second, gap->first});
    return by_offset_.erase(gap);
  }

  ByOffset by_offset_;                           // sizes
  std::set<std::pair<size_t, size_t>> by_size_;  // size, offset
  size_t end_ = 0;
};

size_t PlaceByTime(std::vector<Block>& blocks) {
  std::vector<size_t> first(blocks.size());
  std::iota(first.begin(), first.end(), size_t{0});
  std::vector<size_t> last = first;
  std::ranges::stable_sort(first, {}, [&](size_t i) { return blocks[i].first; });
  std::ranges::stable_sort(last, {}, [&](size_t i) { return blocks[i].last; });
  Gaps gaps;
  size_t ended = 0;
  for (const size_t index : first) {
    for (; blocks[last[ended]].last < blocks[index].first; ++ended)
      gaps.Give(blocks[last[ended]].offset, RoundUp(blocks[last[ended]].bytes));
    blocks[index].offset = gaps.Take(RoundUp(blocks[index].bytes));
  }
  return gaps.end();
}

}  // namespace

double MachineMemory() {
  static const double physical =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
  return physical;
}

void CheckMemory(double bytes, std::string_view what) {
  const double physical = MachineMemory();
  if (bytes > physical)
    Fail("{} need {:.1f} GB of memory, this machine has {:.1f} GB", what, bytes / 1e9,
         physical / 1e9);
}

size_t PlaceBlocks(std::vector<Block>& blocks) {
  return blocks.size() <= kMostBySize ? PlaceBySize(blocks) : PlaceByTime(blocks);
}

}  // namespace normkit
