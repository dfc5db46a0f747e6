// A mini-batch a part at a time, with the bytes of all of it at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "normkit/train/options.h"
#include "src/core/gathering_reducer.h"

namespace normkit {

// In how many parts `observations` of a step go: the fewest, of 1, 2, 4, 8 and 16, that have
// micro_batch_size of them at most. Throws Error where a sixteenth has more.
int MicroBatches(const TrainingOptions& options, int64_t observations);

// Joins the parts as ranks that run one after the other. What goes into gradients of parameters
// alone waits until the last part comes; what other values follow from (Feeds: the statistics of
// batch normalization, and the sums of their gradients) is needed at once. There a part stops, by
// Paused, until all have come as far: they begin again, and find what they waited for. A network
// with n such places takes n + 1 walks, each a place longer than the one before.
class MicroReducer : public GatheringReducer {
 public:
  struct Paused {};

  explicit MicroReducer(int parts) : parts_(parts) {}
  void BeginMiniBatch() { calls_.clear(); }
  void BeginPart(int part);

  int ranks() const override { return parts_; }
  int rank() const override { return part_; }
  void Feeds() override { feeds_ = true; }
  void Gather(std::span<const std::byte> own, std::span<std::byte> all) override;

 private:
  struct Call {
    std::vector<std::byte> all;
    int given = 0;  // parts, in order
  };

  int parts_, part_ = 0;
  size_t next_ = 0;  // call of this part
  bool feeds_ = false;
  std::vector<Call> calls_;
};

}  // namespace normkit
