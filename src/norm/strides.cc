#include "src/norm/strides.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "src/core/fail.h"
#include "src/core/strided_loops.h"

namespace normkit {
namespace {

using Level = StridedArray::Axis;

constexpr std::string_view kNames[kNormArrays] = {"x",    "y",  "residual", "sum",     "addend",
                                                  "gate", "dy", "dx",       "daddend", "dgate"};

bool IsWritten(NormArray array) {
  return array == NormArray::kY || array == NormArray::kSum || array == NormArray::kDx ||
         array == NormArray::kDaddend || array == NormArray::kDgate;
}

// From the first element to behind the last.
int64_t ExtentOf(std::string_view title, std::string_view name, const std::vector<Level>& axes) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 16;  // bytes fit
  int64_t extent = 1;
  for (const Level& axis : axes) {
    int64_t span;
    if (__builtin_mul_overflow(axis.stride, axis.size - 1, &span) || span > kMost - extent)
      Fail("{}: a stride of {} is {}, beyond what memory can be", title, name, axis.stride);
    extent += span;
  }
  return extent;
}

// Sorted by strides, each element of an axis has to begin behind all of those further in.
bool ElementsOverlap(std::vector<Level> axes) {
  std::ranges::sort(axes, {}, &Level::stride);
  int64_t extent = 1;
  for (const Level& axis : axes) {
    if (axis.stride < extent) return true;
    extent += axis.stride * (axis.size - 1);
  }
  return false;
}

StridedArray MakeArray(std::string_view title, NormArray array, const Layout& layout,
                       const std::vector<int64_t>& given) {
  StridedArray result;
  result.extent = layout.size();
  if (given.empty()) return result;
  const std::string_view name = Name(array);
  const std::vector<int64_t> strides = StridesOfAxes(title, name, layout, given);
  for (const int64_t stride : strides)
    if (stride < 0)
      Fail("{}: a stride of {} is {}, expected 0 or more: backwards is not supported", title, name,
           stride);
  if (layout.size() == 0) return result;
  std::vector<Level>& axes = result.axes;
  for (size_t i = 0; i < strides.size(); ++i) {
    const int64_t size = layout.axes()[i].size;
    if (size == 1) continue;
    Level* outer = axes.empty() ? nullptr : &axes.back();
    int64_t span;
    if (outer && !__builtin_mul_overflow(strides[i], size, &span) && span == outer->stride)
      *outer = {outer->size * size, strides[i]};
    else
      axes.push_back({size, strides[i]});
  }
  result.extent = ExtentOf(title, name, axes);
  if (IsWritten(array) && ElementsOverlap(axes))
    Fail("{}: strides {} of {}, which is written, expected elements apart", title,
         fmt::join(given, ","), name);
  if (axes.empty() || axes == std::vector<Level>{{layout.size(), 1}}) axes.clear();
  return result;
}

template <class Bytes>
void CopyElements(const char* from, int64_t from_step, char* to, int64_t to_step, int64_t n) {
  constexpr auto kBytes = static_cast<int64_t>(sizeof(Bytes));
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(to + i * to_step * kBytes, from + i * from_step * kBytes, sizeof(Bytes));
}

// Elements of an array that lies as `from` says to where `to` says.
void Copy(const std::vector<int64_t>& shape, size_t bytes, const void* source, const Strides& from,
          void* target, const Strides& to) {
  const StridedLoops<2> loops(shape, {from, to});
  const int64_t from_step = loops.stride(0), to_step = loops.stride(1);
  loops.ForRuns([&](const auto& offsets, int64_t n) {
    const char* in = static_cast<const char*>(source) + offsets[0] * static_cast<int64_t>(bytes);
    char* out = static_cast<char*>(target) + offsets[1] * static_cast<int64_t>(bytes);
    if (from_step == 1 && to_step == 1)
      std::memcpy(out, in, static_cast<size_t>(n) * bytes);
    else if (bytes == 2)
      CopyElements<uint16_t>(in, from_step, out, to_step, n);
    else if (bytes == 4)
      CopyElements<uint32_t>(in, from_step, out, to_step, n);
    else
      CopyElements<uint64_t>(in, from_step, out, to_step, n);
  });
}

struct ShapeAndStrides {
  std::vector<int64_t> shape;
  Strides strides;

  explicit ShapeAndStrides(const StridedArray& array) {
    for (const Level& axis : array.axes) {
      shape.push_back(axis.size);
      strides.push_back(axis.stride);
    }
  }
};

}  // namespace

std::vector<int64_t> StridesOfAxes(std::string_view title, std::string_view name,
                                   const Layout& layout, const std::vector<int64_t>& given) {
  const std::vector<Axis>& axes = layout.axes();
  if (given.size() == axes.size()) return given;
  const auto group = std::ranges::find(axes, kG, &Axis::label);
  const bool split = group != axes.end() && group + 1 != axes.end() && group[1].label == kC;
  if (!split || given.size() + 1 != axes.size())
    Fail("{}: {} strides of {} given, expected {}", title, given.size(), name,
         split ? axes.size() - 1 : axes.size());
  std::vector<int64_t> strides;
  for (auto axis = axes.begin(); axis != axes.end(); ++axis) {
    const int64_t stride = given[strides.size() - (axis > group ? 1 : 0)];
    if (axis == group &&
        stride > std::numeric_limits<int64_t>::max() / std::max<int64_t>(1, group[1].size))
      Fail("{}: a stride of {} is {}, beyond what memory can be", title, name, stride);
    strides.push_back(axis == group ? stride * group[1].size : stride);
  }
  return strides;
}

std::string_view Name(NormArray array) { return kNames[static_cast<size_t>(array)]; }

StridedArrays::StridedArrays(std::string_view title, const Layout& layout,
                             const ArrayStrides& strides) {
  const std::vector<int64_t>* given[] = {
      &strides.x,    &strides.y,  &strides.residual, &strides.sum,     &strides.addend,
      &strides.gate, &strides.dy, &strides.dx,       &strides.daddend, &strides.dgate};
  for (size_t i = 0; i < kNormArrays; ++i)
    arrays_[i] = MakeArray(title, static_cast<NormArray>(i), layout, *given[i]);
  any_ = std::ranges::any_of(arrays_, [](const StridedArray& array) { return !array.dense(); });
}

// Where both repeat after so many elements, they have to lie apart within them only.
bool LieBetween(const StridedArray& a, const StridedArray& b, int64_t elements_after) {
  const auto within = [](const StridedArray& array, int64_t period) -> int64_t {
    if (array.dense()) return array.extent;
    int64_t extent = 1;
    for (const Level& axis : array.axes)
      if (axis.stride < period)
        extent += axis.stride * (axis.size - 1);
      else if (axis.stride % period != 0)
        return period + 1;
    return extent;
  };
  for (const StridedArray* array : {&a, &b})
    for (const Level& axis : array->axes) {
      const int64_t period = axis.stride;
      if (period <= 0) continue;
      const int64_t after = (elements_after % period + period) % period;
      if (within(a, period) <= after && after + within(b, period) <= period) return true;
    }
  return false;
}

void ToDense(const StridedArray& array, size_t bytes, const void* from, void* dense) {
  const ShapeAndStrides lies(array);
  Copy(lies.shape, bytes, from, lies.strides, dense, DenseStrides(lies.shape));
}

void FromDense(const StridedArray& array, size_t bytes, const void* dense, void* to) {
  const ShapeAndStrides lies(array);
  Copy(lies.shape, bytes, dense, DenseStrides(lies.shape), to, lies.strides);
}

}  // namespace normkit
