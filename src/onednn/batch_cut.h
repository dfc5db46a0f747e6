// How a batch is cut into pieces that run on one thread each.
#pragma once

#include <algorithm>
#include <cstdint>

namespace normkit {

// At most `max_count` pieces of the same length (the last may be shorter), by the batch size alone.
class BatchCut {
 public:
  BatchCut(int64_t batch, int64_t max_count)
      : batch_(batch),
        length_((batch + max_count - 1) / max_count),
        count_((batch + length_ - 1) / length_) {}
  int64_t count() const { return count_; }
  int64_t begin(int64_t i) const { return i * length_; }
  int64_t length(int64_t i) const { return std::min(batch_, begin(i) + length_) - begin(i); }
  int64_t longest() const { return length_; }

 private:
  int64_t batch_, length_, count_;
};

}  // namespace normkit
