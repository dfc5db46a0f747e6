// Arrays of a call whose axes have distances of their own.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "normkit/norm/normalization.h"

namespace normkit {

// The arrays of the shape of x.
enum class NormArray : uint8_t {
  kX,
  kY,
  kResidual,
  kSum,
  kAddend,
  kGate,
  kDy,
  kDx,
  kDaddend,
  kDgate
};
inline constexpr size_t kNormArrays = 10;
std::string_view Name(NormArray array);  // "x", "daddend"

// How one of them lies in memory.
struct StridedArray {
  struct Axis {
    int64_t size, stride;
    bool operator==(const Axis&) const = default;
  };
  // Outermost first, neighbours that lie as one axis made one, none of size 1. Empty: dense.
  std::vector<Axis> axes;
  int64_t extent = 0;  // elements from the first to behind the last

  bool dense() const { return axes.empty(); }
};

// All of a problem.
class StridedArrays {
 public:
  // `layout` may have its channels split where the strides do not. Throws Error where there are
  // not as many strides as axes, one is negative, or elements of an array that is written overlap.
  StridedArrays(std::string_view title, const Layout& layout, const ArrayStrides& strides);

  const StridedArray& operator[](NormArray array) const {
    return arrays_[static_cast<size_t>(array)];
  }
  bool any() const { return any_; }  // that is not dense

 private:
  std::array<StridedArray, kNormArrays> arrays_;
  bool any_ = false;
};

// The given strides, one for each axis of the layout, of which the channels may be two. Throws
// Error where there are not as many.
std::vector<int64_t> StridesOfAxes(std::string_view title, std::string_view name,
                                   const Layout& layout, const std::vector<int64_t>& given);

// Those of each array, one for each axis of the layout: as given, else those of a dense array.
using StridesOfArrays = std::array<std::vector<int64_t>, kNormArrays>;
StridesOfArrays AllStrides(std::string_view title, const Layout& layout, const ArrayStrides& given);
ArrayStrides ToArrayStrides(const StridesOfArrays& strides);

// Whether no element of one array, which begins so many elements after the other, is one of the
// other's: for parts of packed arrays that lie side by side. False where that is not plain to see.
bool LieBetween(const StridedArray& a, const StridedArray& b, int64_t elements_after);

// Elements of `bytes` each, to and from the dense array; past the caches, where nobody reads them
// soon.
void ToDense(const StridedArray& array, size_t bytes, const void* from, void* dense);
void FromDense(const StridedArray& array, size_t bytes, const void* dense, void* to,
               bool past_caches = false);

}  // namespace normkit
