#include "src/train/micro_batches.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "normkit/core/batch_part.h"
#include "src/core/fail.h"

namespace normkit {

int MicroBatches(const TrainingOptions& options, int64_t observations) {
  if (options.micro_batch_size == 0) return 1;
  for (int parts = 1; parts <= BatchPart::kLeaves; parts *= 2)
    if ((observations + parts - 1) / parts <= options.micro_batch_size) return parts;
  const int64_t least = (observations + BatchPart::kLeaves - 1) / BatchPart::kLeaves;
  Fail("training options: micro_batch_size is {} with {} of {}, expected {} or more (a sixteenth)",
       options.micro_batch_size, options.solver == Solver::kLbfgs ? "a step" : "a mini_batch_size",
       observations, least);
}

void MicroReducer::BeginPart(int part) {
  part_ = part;
  next_ = 0;
  feeds_ = false;
}

void MicroReducer::Gather(std::span<const std::byte> own, std::span<std::byte> all) {
  const bool feeds = std::exchange(feeds_, false);
  if (next_ == calls_.size()) calls_.push_back({std::vector<std::byte>(all.size())});
  Call& call = calls_[next_++];
  if (call.given == part_) {  // not in an earlier walk
    std::ranges::copy(own, call.all.begin() + static_cast<ptrdiff_t>(own.size()) * part_);
    ++call.given;
  }
  if (call.given < parts_ && feeds) throw Paused();
  // Gradients of a part that is not the last are overwritten by those of the last.
  std::ranges::copy(call.all, all.begin());
}

}  // namespace normkit
