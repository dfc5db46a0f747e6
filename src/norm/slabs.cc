#include "src/norm/slabs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "src/core/parallel.h"
#include "src/norm/array_copies.h"
#include "src/simd/stream_copy.h"

namespace normkit {
namespace {

constexpr int64_t kWorthThreads = 1 << 15;  // elements

// How many neighbours along an axis are a slab, of which as many go into it without rest: at most
// `bytes` of them; else the fewest. Two at least, for a statistic that stands alone may be another
// plan. 0 where none do.
int64_t NeighboursOf(int64_t size, int64_t bytes_each, int64_t bytes) {
  for (int64_t n = std::min(size / 2, bytes / bytes_each); n >= 2; --n)
    if (size % n == 0) return n;
  for (int64_t n = 2; n * n <= size; ++n)
    if (size % n == 0) return n;
  return 0;
}

bool HasKept(const NormSpec& spec, std::span<const Axis> axes) {
  return std::ranges::any_of(
      axes, [&](const Axis& axis) { return axis.size > 1 && !(axis.label & spec.reduce); });
}

// Whether so many neighbours along an axis, with what is in them, are worth a copy of their own.
bool LieTogether(int64_t n, std::span<const Axis> inner) {
  for (const Axis& axis : inner) n *= axis.size;
  return n >= 16;
}

// So much of x is a slab: with all that belongs to it in the L2 cache of a core. Smaller ones would
// wait for calls to begin.
int64_t most_bytes = int64_t{256} << 10;
// Where two neighbours are more than that: beyond this all threads would better share whole copies.
constexpr int64_t kLargest = int64_t{4} << 20;

// Of an array that is more than that nothing is read from the caches later.
constexpr int64_t kFar = int64_t{2} << 20;

}  // namespace

int64_t WantSlabsOf(int64_t bytes) { return std::exchange(most_bytes, bytes); }

Slabs::Slabs(const Problem& whole, const NormBackend& backend, const NormImplementation& made,
             bool copied)
    : whole_(whole) {
  const NormOptions& options = whole.options;
  if (!copied || options.tree || options.reducer || whole.quantizes()) return;
  if (whole.spec.running && whole.layout.SizeOf(whole.spec.running) != whole.plan.num_stat) return;
  const auto element = static_cast<int64_t>(SizeOf(whole.dtype));
  if (whole.plan.size * element <= most_bytes) return;
  const StridesOfArrays strides = AllStrides(whole.Title(), whole.layout, options.strides);
  std::vector<Axis> axes = whole.layout.axes();
  int64_t left = whole.plan.size, statistics = whole.plan.num_stat,
          parameters = whole.plan.num_param;
  own_parameters_ = true;
  for (size_t i = 0; i < axes.size() && one_ == nullptr; ++i) {
    Axis& axis = axes[i];
    const bool affine = axis.label & whole.spec.affine;
    if (axis.size == 1) continue;
    if (axis.label & whole.spec.reduce) {
      if (affine) break;  // a slab's parameters would not be neighbours
      continue;
    }
    left /= axis.size;
    // Singly, where they are large and what is in one can be cut.
    const bool deeper =
        left * element > most_bytes && HasKept(whole.spec, std::span(axes).subspan(i + 1));
    const int64_t n = deeper ? 0 : NeighboursOf(axis.size, left * element, most_bytes);
    if (n == 0 && !deeper) break;
    if (n > 0 && n * left * element > kLargest) break;
    if (n > 0 && !LieTogether(n, std::span(axes).subspan(i + 1))) break;
    const int64_t count = n > 0 ? axis.size / n : axis.size;
    statistics /= count;
    if (affine) parameters /= count;
    own_parameters_ &= affine;
    Cut cut{count, {}, statistics, affine ? parameters : 0};
    for (size_t k = 0; k < kNormArrays; ++k)
      cut.bytes[k] = strides[k][i] * (axis.size / count) * element;
    cuts_.push_back(cut);
    count_ *= count;
    axis.size /= count;
    if (n > 0) {
      NormOptions own = options;
      own.strides = ToArrayStrides(strides);
      one_ = std::make_unique<Problem>(whole.spec, Layout(axes), whole.dtype, own);
    }
  }
  if (one_) {
    one_->Silence();  // the whole speaks
    made_ = backend.make(*one_);
    cells_ = made_->Form() == "cells";
  }
  if (!one_ || made_->Form() != made.Form()) count_ = 1;
}

std::string Slabs::ToString(NormPass pass) const {
  const bool backward = pass == NormPass::kBackward;
  if (!any() || (backward && !cells_)) return "";
  std::vector<int64_t> sizes;
  for (const Axis& axis : one_->layout.axes()) sizes.push_back(axis.size);
  return fmt::format(", by {} slabs of [{}]{}", count_, fmt::join(sizes, ","),
                     backward && !own_parameters_ ? " without gradients of parameters" : "");
}

Slabs::Place Slabs::At(int64_t slab) const {
  Place place;
  for (auto cut = cuts_.rbegin(); cut != cuts_.rend(); ++cut) {
    const int64_t i = slab % cut->count;
    slab /= cut->count;
    for (size_t k = 0; k < kNormArrays; ++k) place.bytes[k] += i * cut->bytes[k];
    place.statistics += i * cut->statistics;
    place.parameters += i * cut->parameters;
  }
  return place;
}

template <class F>
void Slabs::ForEach(const F& f) const {
  ParallelFor(count_, whole_.plan.size >= kWorthThreads, [&](int64_t slab) { f(At(slab)); });
}

template <class Args, class F>
void Slabs::WithCopies(Args args, const Place& place, const F& f) const {
  const auto bytes = static_cast<int64_t>(SizeOf(ParameterDType(whole_.dtype)));
  for (const void** array : {&args.gamma, &args.beta}) MoveBy(*array, place.parameters * bytes);
  ArrayCopies copies(*one_, *made_);
  f(copies.In(MovedBy(args, 1, place.bytes), /*reads_last=*/false));
  const bool far = whole_.plan.size * static_cast<int64_t>(SizeOf(whole_.dtype)) > kFar;
  copies.Finish(far);
  if (far) simd::EndStreams();
}

void Slabs::Forward(const NormForwardArgs& args) const {
  whole_.WarnOfOneValue(static_cast<double>(whole_.plan.num_reduced));
  ForEach([&](const Place& place) {
    NormForwardArgs own = args;
    for (double** array : {&own.saved.mean, &own.saved.rstd, &own.saved.variance})
      if (*array) *array += place.statistics;
    WithCopies(own, place, [&](const NormForwardArgs& ready) { made_->Forward(ready); });
  });
}

void Slabs::Inference(const NormForwardArgs& args, const GivenStatistics& given) const {
  const auto bytes = static_cast<int64_t>(SizeOf(ParameterDType(whole_.dtype)));
  ForEach([&](const Place& place) {
    GivenStatistics own = given;
    for (const void** array : {&own.mean, &own.variance}) MoveBy(*array, place.statistics * bytes);
    WithCopies(args, place, [&](const NormForwardArgs& ready) { made_->Inference(ready, own); });
  });
}

void Slabs::Backward(const NormBackwardArgs& args) const {
  const auto bytes = static_cast<int64_t>(SizeOf(whole_.parameter_dtype()));
  ForEach([&](const Place& place) {
    NormBackwardArgs own = args;
    for (const double** array : {&own.mean, &own.rstd})
      if (*array) *array += place.statistics;
    for (void** array : {&own.dgamma, &own.dbeta}) MoveBy(*array, place.parameters * bytes);
    WithCopies(own, place, [&](const NormBackwardArgs& ready) { made_->Backward(ready); });
  });
}

}  // namespace normkit
