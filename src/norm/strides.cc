#include "src/norm/strides.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "src/core/fail.h"
#include "src/core/parallel.h"
#include "src/core/strided_loops.h"
#include "src/simd/stream_copy.h"

namespace normkit {
namespace {

using Level = StridedArray::Axis;

constexpr std::string_view kNames[kNormArrays] = {"x",    "y",  "residual", "sum",     "addend",
                                                  "gate", "dy", "dx",       "daddend", "dgate"};

const std::vector<int64_t>& Given(const ArrayStrides& strides, size_t array) {
  const std::vector<int64_t>* all[] = {
      &strides.x,    &strides.y,  &strides.residual, &strides.sum,     &strides.addend,
      &strides.gate, &strides.dy, &strides.dx,       &strides.daddend, &strides.dgate};
  return *all[array];
}

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

template <class F>
void ForElementsOf(size_t bytes, const F& f) {
  if (bytes == 2)
    f(uint16_t());
  else if (bytes == 4)
    f(uint32_t());
  else
    f(uint64_t());
}

constexpr int64_t kWorthStreaming = 192;  // bytes of a run: most of its lines are whole

// Elements of an array that lies as `from` says to where `to` says.
void CopyRuns(const std::vector<int64_t>& shape, size_t bytes, const char* source,
              const Strides& from, char* target, const Strides& to, bool past_caches) {
  const StridedLoops<2> loops(shape, {from, to});
  const int64_t from_step = loops.stride(0), to_step = loops.stride(1);
  loops.ForRuns([&](const auto& offsets, int64_t n) {
    const char* in = source + offsets[0] * static_cast<int64_t>(bytes);
    char* out = target + offsets[1] * static_cast<int64_t>(bytes);
    const int64_t length = n * static_cast<int64_t>(bytes);
    if (from_step == 1 && to_step == 1 && past_caches && length >= kWorthStreaming)
      simd::StreamCopy(in, 0, 1, length, out, 0);
    else if (from_step == 1 && to_step == 1)
      std::memcpy(out, in, static_cast<size_t>(length));
    else
      ForElementsOf(bytes, [&](auto element) {
        CopyElements<decltype(element)>(in, from_step, out, to_step, n);
      });
  });
}

// An axis whose elements are neighbours in one array, as those of the last axis are in the other.
std::optional<size_t> FindTurned(const std::vector<int64_t>& shape, const Strides& from,
                                 const Strides& to) {
  if (shape.empty() || shape.back() == 1 || (from.back() == 1) == (to.back() == 1)) return {};
  const Strides& other = from.back() == 1 ? to : from;
  for (size_t i = 0; i + 1 < shape.size(); ++i)
    if (other[i] == 1 && shape[i] > 1) return i;
  return {};
}

// The same where elements are neighbours along one axis in the source and along another in the
// target, by squares: what is fetched of either is used while it is in the cache.
class TurnedCopy {
 public:
  TurnedCopy(const std::vector<int64_t>& shape, size_t turned, const Strides& from,
             const Strides& to) {
    const size_t last = shape.size() - 1;
    for (size_t i = 0; i < last; ++i)
      if (i != turned) outer_.push_back({shape[i], from[i], to[i]});
    read_ = {shape[turned], from[turned], to[turned]},
    written_ = {shape[last], from[last], to[last]};
    if (read_.from != 1) std::swap(read_, written_);
  }
  template <class Bytes>
  void Run(const Bytes* source, Bytes* target, bool past_caches) const {
    int64_t count = 1;
    for (const Axis& axis : outer_) count *= axis.size;
    const int64_t bands = (read_.size + kBand - 1) / kBand;
    const bool threads = count * read_.size * written_.size >= kWorthThreads;
    ParallelFor(count * bands, threads, [&](int64_t i) {
      const int64_t begin = i % bands * kBand;
      int64_t from = begin, to = begin * read_.to, index = i / bands;
      for (size_t axis = outer_.size(); axis-- > 0; index /= outer_[axis].size) {
        from += index % outer_[axis].size * outer_[axis].from;
        to += index % outer_[axis].size * outer_[axis].to;
      }
      Band(source + from, target + to, std::min(kBand, read_.size - begin), past_caches);
    });
  }

 private:
  static constexpr int64_t kSide = 16;
  static constexpr int64_t kBand = 64;               // some lines in a row of what lies pages apart
  static constexpr int64_t kWorthThreads = 1 << 15;  // elements
  struct Axis {
    int64_t size, from, to;
  };
  // `n` of read_, all of written_. By way of squares of their own, for lines that lie a power of
  // two apart drive each other out of a cache.
  template <class Bytes>
  void Band(const Bytes* source, Bytes* target, int64_t n, bool past_caches) const {
    const int64_t size = written_.size, from = written_.from, to = read_.to;
    for (int64_t begin = 0; begin < size; begin += kSide) {
      const int64_t count = std::min(kSide, size - begin);
      for (int64_t k = begin + kSide; k < std::min(begin + 2 * kSide, size); ++k)
        for (int64_t i = 0; i < n; i += kSide) Fetch(source + k * from + i);
      for (int64_t i = 0; i < n; i += kSide)
        Square(source + begin * from + i, std::min(kSide, n - i), count, target + i * to + begin,
               past_caches);
    }
  }
  template <class Bytes>
  using Turned = Bytes[kSide][kSide];

  // n of read_, `count` of written_.
  template <class Bytes>
  void Square(const Bytes* source, int64_t n, int64_t count, Bytes* target,
              bool past_caches) const {
    if (n == kSide && count == kSide) {
      alignas(64) Turned<Bytes> square;
      TurnWhole(source, square);
      return Put(square, n, count, target, past_caches);
    }
    alignas(64) Turned<Bytes> square = {};
    for (int64_t k = 0; k < count; ++k)
      for (int64_t i = 0; i < n; ++i)
        std::memcpy(&square[i][k], source + k * written_.from + i, sizeof(Bytes));
    Put(square, n, count, target, past_caches);
  }
  template <class Bytes>
  void TurnWhole(const Bytes* source, Turned<Bytes>& square) const {
    if constexpr (sizeof(Bytes) == 4) {
      for (int64_t k = 0; k < kSide; k += 4)
        for (int64_t i = 0; i < kSide; i += 4)
          TurnFour(source + k * written_.from + i, written_.from, &square[i][k]);
    } else {
      for (int64_t k = 0; k < kSide; ++k)
        for (int64_t i = 0; i < kSide; ++i)
          std::memcpy(&square[i][k], source + k * written_.from + i, sizeof(Bytes));
    }
  }
  // Four by four, in registers.
  static void TurnFour(const uint32_t* source, int64_t step, uint32_t* to) {
    using Four = uint32_t __attribute__((vector_size(16)));
    const auto load = [&](int64_t row) {
      Four four;
      std::memcpy(&four, source + row * step, sizeof(four));
      return four;
    };
    const Four a = load(0), b = load(1), c = load(2), d = load(3);
    const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5),
               cd = __builtin_shufflevector(c, d, 0, 4, 1, 5),
               ab_behind = __builtin_shufflevector(a, b, 2, 6, 3, 7),
               cd_behind = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    const Four turned[] = {__builtin_shufflevector(ab, cd, 0, 1, 4, 5),
                           __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
                           __builtin_shufflevector(ab_behind, cd_behind, 0, 1, 4, 5),
                           __builtin_shufflevector(ab_behind, cd_behind, 2, 3, 6, 7)};
    for (int64_t row = 0; row < 4; ++row) std::memcpy(to + row * kSide, &turned[row], sizeof(Four));
  }
  template <class Bytes>
  void Put(const Turned<Bytes>& square, int64_t n, int64_t count, Bytes* target,
           bool past_caches) const {
    constexpr auto kBytes = static_cast<int64_t>(sizeof(Bytes));
    if (past_caches && count * kBytes >= 64)
      return simd::StreamCopy(square, kSide * kBytes, n, count * kBytes, target, read_.to * kBytes);
    for (int64_t i = 0; i < n; ++i)
      std::memcpy(target + i * read_.to, square[i], static_cast<size_t>(count) * sizeof(Bytes));
  }
  // Processors do not see lines coming that lie pages apart.
  static void Fetch(const void* at) { __builtin_prefetch(at); }
  std::vector<Axis> outer_;
  Axis read_, written_;  // along which elements of the source, of the target are neighbours
};

void Copy(const std::vector<int64_t>& shape, size_t bytes, const void* source, const Strides& from,
          void* target, const Strides& to, bool past_caches = false) {
  const auto* in = static_cast<const char*>(source);
  auto* out = static_cast<char*>(target);
  if (const auto turned = FindTurned(shape, from, to))
    ForElementsOf(bytes, [&](auto element) {
      using Bytes = decltype(element);
      TurnedCopy(shape, *turned, from, to)
          .Run(reinterpret_cast<const Bytes*>(in), reinterpret_cast<Bytes*>(out), past_caches);
    });
  else
    CopyRuns(shape, bytes, in, from, out, to, past_caches);
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

StridesOfArrays AllStrides(std::string_view title, const Layout& layout,
                           const ArrayStrides& given) {
  std::vector<int64_t> sizes;
  for (const Axis& axis : layout.axes()) sizes.push_back(axis.size);
  StridesOfArrays all;
  for (size_t i = 0; i < kNormArrays; ++i) {
    const std::vector<int64_t>& one = Given(given, i);
    all[i] = one.empty() ? DenseStrides(sizes)
                         : StridesOfAxes(title, Name(static_cast<NormArray>(i)), layout, one);
  }
  return all;
}

ArrayStrides ToArrayStrides(const StridesOfArrays& s) {
  return {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9]};
}

StridedArrays::StridedArrays(std::string_view title, const Layout& layout,
                             const ArrayStrides& strides) {
  for (size_t i = 0; i < kNormArrays; ++i)
    arrays_[i] = MakeArray(title, static_cast<NormArray>(i), layout, Given(strides, i));
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

void FromDense(const StridedArray& array, size_t bytes, const void* dense, void* to,
               bool past_caches) {
  const ShapeAndStrides lies(array);
  Copy(lies.shape, bytes, dense, DenseStrides(lies.shape), to, lies.strides, past_caches);
}

}  // namespace normkit
