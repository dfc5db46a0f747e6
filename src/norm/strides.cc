#include "src/norm/strides.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>

#include "src/core/fail.h"
#include "src/core/parallel.h"

namespace normkit {
namespace {

using Level = StridedArray::Axis;

constexpr std::string_view kNames[kNormArrays] = {"x",    "y",  "residual", "sum",     "addend",
                                                  "gate", "dy", "dx",       "daddend", "dgate"};

bool IsWritten(NormArray array) {
  return array == NormArray::kY || array == NormArray::kSum || array == NormArray::kDx ||
         array == NormArray::kDaddend || array == NormArray::kDgate;
}

// One for each axis of the layout, of which the channels may be two.
std::vector<int64_t> OfAxes(std::string_view title, std::string_view name, const Layout& layout,
                            const std::vector<int64_t>& given) {
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
  const std::vector<int64_t> strides = OfAxes(title, name, layout, given);
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
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(to + i * to_step * static_cast<int64_t>(sizeof(Bytes)),
                from + i * from_step * static_cast<int64_t>(sizeof(Bytes)), sizeof(Bytes));
}

// The two directions.
struct Pack {
  char* dense;
  const char* strided;
  void operator()(int64_t at, int64_t offset, int64_t n, int64_t stride, int64_t bytes) const {
    const char* from = strided + offset * bytes;
    char* to = dense + at * bytes;
    if (stride == 1) return (void)std::memcpy(to, from, static_cast<size_t>(n * bytes));
    if (bytes == 2) return CopyElements<uint16_t>(from, stride, to, 1, n);
    if (bytes == 4) return CopyElements<uint32_t>(from, stride, to, 1, n);
    CopyElements<uint64_t>(from, stride, to, 1, n);
  }
};
struct Unpack {
  const char* dense;
  char* strided;
  void operator()(int64_t at, int64_t offset, int64_t n, int64_t stride, int64_t bytes) const {
    const char* from = dense + at * bytes;
    char* to = strided + offset * bytes;
    if (stride == 1) return (void)std::memcpy(to, from, static_cast<size_t>(n * bytes));
    if (bytes == 2) return CopyElements<uint16_t>(from, 1, to, stride, n);
    if (bytes == 4) return CopyElements<uint32_t>(from, 1, to, stride, n);
    CopyElements<uint64_t>(from, 1, to, stride, n);
  }
};

// copy(place in the dense array, offset, n, stride, bytes) for every run of the innermost axis.
template <class Copy>
void ForRuns(const StridedArray& array, size_t bytes, const Copy& copy) {
  constexpr int64_t kWorthThreads = 1 << 16, kTask = 1 << 14;  // elements
  const Level& inner = array.axes.back();
  const std::span outer(array.axes.data(), array.axes.size() - 1);
  int64_t runs = 1;
  for (const Level& axis : outer) runs *= axis.size;
  const int64_t each = std::max<int64_t>(1, kTask / inner.size);
  ParallelFor((runs + each - 1) / each, runs * inner.size >= kWorthThreads, [&](int64_t task) {
    for (int64_t run = task * each; run < std::min(runs, (task + 1) * each); ++run) {
      int64_t offset = 0, index = run;
      for (size_t i = outer.size(); i-- > 0; index /= outer[i].size)
        offset += index % outer[i].size * outer[i].stride;
      copy(run * inner.size, offset, inner.size, inner.stride, static_cast<int64_t>(bytes));
    }
  });
}

}  // namespace

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
  ForRuns(array, bytes, Pack{static_cast<char*>(dense), static_cast<const char*>(from)});
}

void FromDense(const StridedArray& array, size_t bytes, const void* dense, void* to) {
  ForRuns(array, bytes, Unpack{static_cast<const char*>(dense), static_cast<char*>(to)});
}

}  // namespace normkit
