// Labelled dimensions: what each axis of a tensor means, and in which order the axes lie in memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/core/export.h"

namespace normkit {

// B observations, T time, S space, and channels split into G groups of C channels each. A format
// has only C; SplitChannels makes a G axis of it. An axis may have no label: weights, shapes.
enum Dim : uint8_t { kB = 1, kT = 2, kS = 4, kG = 8, kC = 16, kNoLabel = 32 };

// A set of Dim, or-ed together.
using Dims = uint8_t;

struct Axis {
  Dim label;
  int64_t size;
  bool operator==(const Axis&) const = default;
};

// The axes of a dense tensor, outermost first: NCHW is BCSS, NHWC is BSSC. The toolbox writes the
// same memory innermost first (its 'SSCB' is BCSS read backwards).
class NORMKIT_API Layout {
 public:
  Layout() = default;
  explicit Layout(
      std::vector<Axis> axes);  // throws Error on a negative size or an overflowing product

  // MakeLayout("BCSS", {8,64,28,28}): letters of B, T, S, C, one an axis; B, T and C at most once.
  static Layout Make(std::string_view format, std::span<const int64_t> shape);
  // The same where any letter may stand more than once: axes that a view has put apart.
  static Layout MakeView(std::string_view format, std::span<const int64_t> shape);
  // Axes without labels: "** [3,4]".
  static Layout Unlabelled(std::span<const int64_t> shape);

  const std::vector<Axis>& axes() const { return axes_; }
  int rank() const { return static_cast<int>(axes_.size()); }
  int64_t size() const;               // product of all axes; 1 for rank 0
  int64_t SizeOf(Dims labels) const;  // product over axes with one of these labels; 1 if none
  bool Has(Dim label) const;
  // Whether the first axis is time, of all observations: rows of sequences, packed (batch_part.h).
  // Of TBC, which has a batch, it is not.
  bool packed() const { return !axes_.empty() && axes_[0].label == kT && !Has(kB); }
  int64_t channels() const { return SizeOf(kG | kC); }
  // Whether the innermost axis of size > 1 is a channel, or none is, or there is one channel only:
  // then it may as well be the last.
  bool channels_last() const;
  std::vector<int64_t> shape() const;  // sizes, outermost first (G and C merged into one)
  std::string format() const;          // "BCSS" (G and C merged into C)
  std::string ToString() const;        // "BCSS [8,64,28,28]"

  // The same memory with the channel axis cut into `groups` G x (channels / groups) C.
  // Throws Error where groups does not divide the channels.
  Layout SplitChannels(int64_t groups) const;
  // The same with B, or the packed T, of this size.
  Layout WithBatch(int64_t size) const { return WithBatch(size, size); }
  Layout WithBatch(int64_t observations, int64_t rows) const;

  bool operator==(const Layout&) const = default;

 private:
  std::vector<Axis> axes_;
};

}  // namespace normkit
