#include "src/norm/plan.h"

#include <algorithm>

namespace normkit {

std::string Plan::ToString() const {
  std::string text;
  for (const Level& level : levels) {
    const char letter = level.kept ? 'K' : 'R';
    if (text.empty() || text.back() != letter) text += letter;
  }
  return text.empty() ? "K" : text;
}

bool Plan::StatisticsAreRuns() const {
  const auto reduced = std::ranges::find(levels, false, &Level::kept);
  return reduced != levels.end() &&
         std::none_of(reduced, levels.end(), [](const Level& level) { return level.kept; });
}

Plan MakePlan(const Layout& layout, Dims kept, Dims affine) {
  Plan plan;
  plan.size = layout.size();
  plan.num_stat = layout.SizeOf(kept);
  plan.num_param = layout.SizeOf(affine);
  plan.num_reduced = layout.SizeOf(static_cast<Dims>(~kept));
  int64_t x_stride = 1, stat_stride = 1, param_stride = 1;
  for (auto axis = layout.axes().rbegin(); axis != layout.axes().rend(); ++axis) {
    const int64_t size = axis->size;
    if (size == 1) continue;
    const bool is_kept = kept & axis->label, is_affine = affine & axis->label;
    Level* inner = plan.levels.empty() ? nullptr : &plan.levels.back();
    if (inner && inner->kept == is_kept && (inner->param_stride != 0) == is_affine)
      inner->size *= size;
    else
      plan.levels.push_back(
          {size, x_stride, is_kept ? stat_stride : 0, is_affine ? param_stride : 0, is_kept});
    // An empty axis must not make the strides of outer ones 0, which means "does not move".
    const int64_t step = std::max<int64_t>(size, 1);
    x_stride *= step;
    if (is_kept) stat_stride *= step;
    if (is_affine) param_stride *= step;
  }
  std::reverse(plan.levels.begin(), plan.levels.end());
  return plan;
}

}  // namespace normkit
