// Arrays with strides as the kernels walk them.
#pragma once

#include <memory>

#include "src/norm/cpu/nest.h"
#include "src/norm/strides.h"

namespace normkit::norm::cpu {

// Null for an array that is dense, or that is copied.
inline std::unique_ptr<const Pitch> MakePitch(const StridedArray& array, int64_t longest_run) {
  if (array.dense() || array.axes.size() > Loops::kMaxLoops) return nullptr;
  const StridedArray::Axis& inner = array.axes.back();
  if (inner.stride != 1 || inner.size % longest_run != 0) return nullptr;
  Loops outer;
  for (size_t i = 0; i + 1 < array.axes.size(); ++i)
    outer.Add(array.axes[i].size, array.axes[i].stride);
  return std::make_unique<Pitch>(inner.size, outer);
}

}  // namespace normkit::norm::cpu
