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

InvariantDivisor::InvariantDivisor(int64_t by, int64_t most) : by_(by) {
  constexpr uint64_t kAll = ~uint64_t{0};
  const auto d = static_cast<uint64_t>(by);
  if (by > 1 && static_cast<uint64_t>(most) <= kAll / d) inverse_ = kAll / d + 1;
}

Pitch::Pitch(int64_t run, const Loops& outer)
    : run_(run), outer_(outer), by_run_(run, run * outer.size()) {
  const auto loops = outer_.loops();
  for (size_t i = 0; i < loops.size(); ++i) by_size_[i] = {loops[i].size, outer.size()};
}

int64_t Pitch::Offset(int64_t at) const {
  const auto loops = outer_.loops();
  int64_t index = by_run_.Quotient(at), offset = at - index * run_;
  for (size_t i = loops.size(); i-- > 1;) {
    const int64_t rest = by_size_[i].Quotient(index);
    offset += (index - rest * loops[i].size) * loops[i].stride;
    index = rest;
  }
  return loops.empty() ? offset : offset + index * loops[0].stride;
}

int64_t Pitch::Step(int64_t n) const {
  const auto loops = outer_.loops();
  return run_ > n || loops.empty() ? n : loops.back().stride;
}

int64_t Pitch::SteadyRows(int64_t at, int64_t n) const {
  const int64_t run = by_run_.Quotient(at);
  if (run_ > n) return (run_ - (at - run * run_)) / n;
  return outer_.PassFrom(run).size;
}

}  // namespace normkit::norm::cpu
