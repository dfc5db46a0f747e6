#include "src/norm/cpu/nest.h"

namespace normkit::norm::cpu {

int64_t Loops::OffsetOfMany(int64_t index) const {
  int64_t offset = 0;
  for (int i = count_ - 1; i > 0; --i) {
    offset += index % loops_[i].size * loops_[i].stride;
    index /= loops_[i].size;
  }
  return offset + index * loops_[0].stride;
}

Nest MakeNest(const Plan& plan) {
  Nest nest;
  if (plan.levels.empty()) return nest;
  for (size_t i = 0; i + 1 < plan.levels.size(); ++i) {
    const Level& level = plan.levels[i];
    (level.kept ? nest.kept : nest.reduced).Add(level.size, level.x_stride);
  }
  nest.inner = plan.levels.back().size;
  nest.inner_kept = plan.levels.back().kept;
  return nest;
}

int64_t Pitch::Offset(int64_t at) const { return outer.Offset(at / run) + at % run; }

}  // namespace normkit::norm::cpu
