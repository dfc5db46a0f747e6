#include "src/norm/slabs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "src/core/ceil_divide.h"
#include "src/core/parallel.h"
#include "src/core/scratch.h"
#include "src/norm/array_copies.h"
#include "src/simd/stream_copy.h"

namespace normkit {
namespace {

constexpr int64_t kWorthThreads = 1 << 15;  // elements

// How many neighbours along an axis are a slab: at most `most` bytes of them, without rest if that
// is not half as many; `least`, and of a rest, too. 0 where that does not suit.
int64_t NeighboursOf(int64_t size, int64_t bytes_each, int64_t most, int64_t least) {
  const int64_t fit = std::max(least, std::min(size / 2, most / bytes_each));
  for (int64_t n = fit; n >= std::max(least, fit / 2); --n)
    if (n < size && size % n == 0) return n;
  for (int64_t n = fit; n < size; ++n)
    if (size % n == 0 || size % n >= least) return n;
  return 0;
}

// Whether some of these axes, outermost first, could be cut.
bool HasKept(const NormSpec& spec, std::span<const Axis> axes) {
  bool turned = false;
  for (const Axis& axis : axes) {
    if (axis.size == 1) continue;
    const bool affine = axis.label & spec.affine;
    if (!(axis.label & spec.reduce)) return !(turned && affine);
    turned |= affine;
  }
  return false;
}

int64_t Elements(std::span<const Axis> axes) {
  int64_t n = 1;
  for (const Axis& axis : axes) n *= axis.size;
  return n;
}

// So much of x is a slab: with all that belongs to it in the L2 cache of a core. Smaller ones would
// wait for calls to begin.
int64_t most_bytes = int64_t{256} << 10;
// Where two neighbours are more than that: beyond this all threads would better share whole copies.
constexpr int64_t kLargest = int64_t{4} << 20;
// What counts for a cell, of which about as much is kept and more.
constexpr int64_t kCellBytes = 16;
// So many bytes of sums of cells are kept before they are added up.
constexpr int64_t kSums = int64_t{4} << 20;
// Elements of a slab that lie together: as many as are worth a copy; as many as are columns whose
// rows are not joined (RowsJoined), or their sums would have other bits.
constexpr int64_t kCopied = 16, kColumns = 64;

// Of an array that is more than that nothing is read from the caches later.
constexpr int64_t kFar = int64_t{2} << 20;

struct CellsTag;
struct SumsTag;
struct GroupCellsTag;
struct GroupSumsTag;
struct GammaTag;
struct BetaTag;
struct DgammaTag;
struct DbetaTag;

}  // namespace

int64_t WantSlabsOf(int64_t bytes) { return std::exchange(most_bytes, bytes); }

Slabs::Slabs(const Problem& whole, const NormBackend& backend, const NormImplementation& made,
             bool copied)
    : whole_(whole), whole_made_(made), copied_(copied), copies_(copied) {
  const NormOptions& options = whole.options;
  if (options.tree || options.reducer) return;
  if (whole.spec.running && whole.layout.SizeOf(whole.spec.running) != whole.plan.num_stat) return;
  if (whole.plan.size * static_cast<int64_t>(SizeOf(whole.dtype)) <= most_bytes) return;
  if (!copied && made.num_cells() * kCellBytes <= 4 * most_bytes) return;
  const std::vector<Kept> kept = KeptAxes();
  for (size_t n = kept.size(); n > 0 && !one_.made; --n) {
    if (const int64_t neighbours = NeighboursAlong(kept[n - 1]))
      CutAlong(std::span(kept).first(n), neighbours, backend);
    cells_ = made.Form() == "cells" && made.num_cells() > 0 &&
             (!kept[n - 1].turned || pieces_.count > 1);
  }
  const auto alike = [&](const Maker& maker) {
    if (!maker.made) return true;
    copies_ |= !ArrayCopies::Names(*maker.problem, *maker.made).empty();
    const bool may_copy = copied || pieces_.count > 1 || whole.quantizes();
    return maker.made->Form() == made.Form() && (!copies_ || may_copy);
  };
  if (!one_.made || !alike(one_) || !alike(last_)) count_ = 1;
}

std::vector<Slabs::Kept> Slabs::KeptAxes() const {
  const std::vector<Axis>& axes = whole_.layout.axes();
  std::vector<Kept> kept;
  Kept at = {.elements = whole_.plan.size,
             .cells = whole_made_.num_cells(),
             .statistics = whole_.plan.num_stat,
             .parameters = whole_.plan.num_param};
  for (; at.axis < axes.size(); ++at.axis) {
    at.size = axes[at.axis].size;
    at.affine = axes[at.axis].label & whole_.spec.affine;
    if (at.size == 1) continue;
    if (axes[at.axis].label & whole_.spec.reduce) {
      at.apart = true;
      at.turned |= at.affine;
      continue;
    }
    const auto inner = std::span(axes).subspan(at.axis + 1);
    const bool lies_apart = at.turned && at.affine;
    if (lies_apart && (!kept.empty() || Elements(inner) > 1)) break;
    at.elements /= at.size, at.cells /= at.size, at.statistics /= at.size;
    if (at.affine) at.parameters /= at.size;
    kept.push_back(at);
    if (lies_apart || BytesOf(at) <= most_bytes || !HasKept(whole_.spec, inner)) break;
  }
  return kept;
}

int64_t Slabs::BytesOf(const Kept& one) const {
  return std::max(one.elements * static_cast<int64_t>(SizeOf(whole_.dtype)),
                  copied_ ? 0 : one.cells * kCellBytes);
}

int64_t Slabs::NeighboursAlong(const Kept& axis) const {
  int64_t together = copied_ ? kCopied : 1;
  if (axis.apart) {
    const int64_t part = most_bytes / 16 / static_cast<int64_t>(SizeOf(whole_.dtype));
    const bool few = copied_ || (axis.turned && axis.affine);
    together = std::max(kColumns, few ? 1 : part);
  }
  const int64_t of_one = Elements(std::span(whole_.layout.axes()).subspan(axis.axis + 1));
  // Two at least: a statistic that stands alone may be another plan.
  const int64_t least = std::max<int64_t>(2, CeilDivide(together, of_one));
  const int64_t n = NeighboursOf(axis.size, BytesOf(axis), most_bytes, least);
  return n * BytesOf(axis) > kLargest ? 0 : n;
}

void Slabs::CutAlong(std::span<const Kept> kept, int64_t neighbours, const NormBackend& backend) {
  const StridesOfArrays strides = AllStrides(whole_.Title(), whole_.layout, whole_.options.strides);
  std::vector<Axis> axes = whole_.layout.axes();
  for (const Kept& at : kept) {
    const int64_t n = &at == &kept.back() ? neighbours : 1;
    Cut cut{CeilDivide(at.size, n),
            {},
            n * at.statistics,
            at.affine ? n * at.parameters : 0,
            n * at.cells};
    if (!at.affine) shares_ *= cut.count;
    if (at.affine && at.turned) {
      cut.parameters = n;
      pieces_ = {at.parameters, at.size};
    }
    for (size_t k = 0; k < kNormArrays; ++k) {
      const size_t bytes = whole_.ElementBytes(static_cast<NormArray>(k));
      cut.bytes[k] = strides[k][at.axis] * n * static_cast<int64_t>(bytes);
    }
    cuts_.push_back(cut);
    count_ *= cut.count;
    axes[at.axis].size = n;
  }
  one_ = Make(backend, axes, strides);
  axes[kept.back().axis].size = kept.back().size % neighbours;
  if (axes[kept.back().axis].size > 0) last_ = Make(backend, axes, strides);
}

Slabs::Maker Slabs::Make(const NormBackend& backend, const std::vector<Axis>& axes,
                         const StridesOfArrays& strides) const {
  NormOptions own = whole_.options;
  own.strides = ToArrayStrides(strides);
  auto problem = std::make_unique<Problem>(whole_.spec, Layout(axes), whole_.dtype, own);
  problem->Silence();  // the whole speaks
  if (!copied_)
    problem->whole_bytes = whole_.plan.size * static_cast<int64_t>(SizeOf(whole_.dtype));
  auto made = backend.make(*problem);
  return {std::move(problem), std::move(made)};
}

std::string Slabs::ToString(NormPass pass) const {
  if (!any() || (pass == NormPass::kBackward && !cells_)) return "";
  const bool given = Gains(pass, false), ones = Gains(pass, true);
  if (!given && !ones) return "";
  std::vector<int64_t> sizes;
  for (const Axis& axis : one_.problem->layout.axes()) sizes.push_back(axis.size);
  return fmt::format(", by {} slabs of [{}]{}", count_, fmt::join(sizes, ","),
                     given ? "" : " where gamma or beta are not given");
}

Slabs::Place Slabs::At(int64_t slab) const {
  Place place{.maker = &one_};
  if (last_.made && slab % cuts_.back().count == cuts_.back().count - 1) place.maker = &last_;
  for (auto cut = cuts_.rbegin(); cut != cuts_.rend(); ++cut) {
    const int64_t i = slab % cut->count;
    slab /= cut->count;
    for (size_t k = 0; k < kNormArrays; ++k) place.bytes[k] += i * cut->bytes[k];
    place.statistics += i * cut->statistics;
    place.parameters += i * cut->parameters;
    place.cells += i * cut->cells;
  }
  return place;
}

template <class F>
void Slabs::ForEach(int64_t first, int64_t last, const F& f) const {
  ParallelFor(last - first, whole_.plan.size >= kWorthThreads,
              [&](int64_t i) { f(At(first + i)); });
}

template <class Tag>
void* Slabs::Together(const void* values, const Place& place, size_t bytes) const {
  if (!values) return nullptr;
  const auto rows = static_cast<size_t>(pieces_.count);
  const size_t row = bytes * static_cast<size_t>(place.maker->problem->plan.num_param) / rows;
  char* together = Scratch<Tag, char>(row * rows);
  const char* from = static_cast<const char*>(values) + place.parameters * bytes;
  for (size_t i = 0; i < rows; ++i)
    std::memcpy(together + i * row, from + i * bytes * static_cast<size_t>(pieces_.pitch), row);
  return together;
}

void Slabs::Apart(const void* together, const Place& place, size_t bytes, void* values) const {
  if (!values) return;
  const auto rows = static_cast<size_t>(pieces_.count);
  const size_t row = bytes * static_cast<size_t>(place.maker->problem->plan.num_param) / rows;
  char* to = static_cast<char*>(values) + place.parameters * bytes;
  for (size_t i = 0; i < rows; ++i)
    std::memcpy(to + i * bytes * static_cast<size_t>(pieces_.pitch),
                static_cast<const char*>(together) + i * row, row);
}

template <class Args, class F>
void Slabs::WithArrays(Args args, const Place& place, const F& f) const {
  const size_t bytes = SizeOf(ParameterDType(whole_.dtype));
  if (pieces_.count > 1) {
    args.gamma = Together<GammaTag>(args.gamma, place, bytes);
    args.beta = Together<BetaTag>(args.beta, place, bytes);
  } else {
    for (const void** array : {&args.gamma, &args.beta})
      MoveBy(*array, place.parameters * static_cast<int64_t>(bytes));
  }
  const Args moved = MovedBy(args, 1, place.bytes);
  const NormImplementation& made = *place.maker->made;
  if (!copies_) return f(made, moved);
  ArrayCopies copies(*place.maker->problem, made);
  f(made, copies.In(moved, Half::kBoth));
  const bool far = whole_.plan.size * static_cast<int64_t>(SizeOf(whole_.dtype)) > kFar;
  copies.Finish(far);
  if (far) simd::EndStreams();
}

void Slabs::Forward(const NormForwardArgs& args) const {
  whole_.WarnOfOneValue(static_cast<double>(whole_.plan.num_reduced));
  ForEach(0, count_, [&](const Place& place) {
    NormForwardArgs own = args;
    for (double** array : {&own.saved.mean, &own.saved.rstd, &own.saved.variance})
      if (*array) *array += place.statistics;
    if (own.scales) own.scales += place.statistics;
    WithArrays(own, place, [](const NormImplementation& made, const NormForwardArgs& ready) {
      made.Forward(ready);
    });
  });
}

void Slabs::Inference(const NormForwardArgs& args, const GivenStatistics& given) const {
  const auto bytes = static_cast<int64_t>(SizeOf(ParameterDType(whole_.dtype)));
  ForEach(0, count_, [&](const Place& place) {
    GivenStatistics own = given;
    for (const void** array : {&own.mean, &own.variance}) MoveBy(*array, place.statistics * bytes);
    NormForwardArgs moved = args;
    if (moved.scales) moved.scales += place.statistics;
    WithArrays(moved, place, [&](const NormImplementation& made, const NormForwardArgs& ready) {
      made.Inference(ready, own);
    });
  });
}

template <class F>
void Slabs::BackwardSome(const NormBackwardArgs& args, int64_t first, int64_t last,
                         const F& f) const {
  ForEach(first, last, [&](const Place& place) { BackwardOf(args, place, f); });
}

template <class F>
void Slabs::BackwardOf(NormBackwardArgs own, const Place& place, const F& f) const {
  for (const double** array : {&own.mean, &own.rstd})
    if (*array) *array += place.statistics;
  WithArrays(own, place, [&](const NormImplementation& made, const NormBackwardArgs& ready) {
    f(made, ready, place);
  });
}

void Slabs::Backward(const NormBackwardArgs& args) const {
  if (shares_ > 1 && (args.dgamma || args.dbeta))
    return GroupsGain() ? BackwardGroups(args) : BackwardShared(args);
  const auto bytes = static_cast<int64_t>(SizeOf(whole_.parameter_dtype()));
  BackwardSome(args, 0, count_,
               [&](const NormImplementation& made, NormBackwardArgs ready, const Place& place) {
                 if (pieces_.count > 1) return BackwardApart(made, ready, place);
                 for (void** array : {&ready.dgamma, &ready.dbeta})
                   MoveBy(*array, place.parameters * bytes);
                 made.Backward(ready);
               });
}

void Slabs::BackwardApart(const NormImplementation& made, NormBackwardArgs args,
                          const Place& place) const {
  const size_t bytes = SizeOf(whole_.parameter_dtype());
  void* const dgamma = args.dgamma;
  void* const dbeta = args.dbeta;
  args.dgamma = Together<DgammaTag>(dgamma, place, bytes);  // what is added to
  args.dbeta = Together<DbetaTag>(dbeta, place, bytes);
  made.Backward(args);
  Apart(args.dgamma, place, bytes, dgamma);
  Apart(args.dbeta, place, bytes, dbeta);
}

// Slabs with the same parameters lie apart: group by group memory is read less well, but sums of
// parameters stay in a cache, and those of very many are not kept.
bool Slabs::GroupsGain() const {
  return count_ / shares_ >= NumThreads() && whole_.plan.num_param * kCellBytes > 8 * most_bytes;
}

int64_t Slabs::SlabOf(int64_t group, int64_t turn) const {
  int64_t slab = 0, step = 1;
  for (auto cut = cuts_.rbegin(); cut != cuts_.rend(); step *= cut++->count) {
    int64_t& left = cut->parameters > 0 ? group : turn;
    slab += left % cut->count * step;
    left /= cut->count;
  }
  return slab;
}

void Slabs::BackwardGroups(const NormBackwardArgs& args) const {
  const TrimScratchAtEnd trim;
  NormBackwardArgs without = args;
  without.dgamma = without.dbeta = nullptr;
  const int64_t arrays = whole_.dtype == DType::kF64 ? 4 : 2;
  ParallelFor(count_ / shares_, whole_.plan.size >= kWorthThreads, [&](int64_t group) {
    const Place first = At(SlabOf(group, 0));
    const int64_t params = first.maker->problem->plan.num_param;
    double* sums = Scratch<GroupSumsTag, double>(static_cast<size_t>(arrays * params));
    std::fill_n(sums, arrays * params, 0.0);
    for (int64_t turn = 0; turn < shares_; ++turn)
      BackwardOf(without, At(SlabOf(group, turn)),
                 [&](const NormImplementation& made, const NormBackwardArgs& ready, const Place&) {
                   const int64_t cells = made.num_cells();
                   double* dy = Scratch<GroupCellsTag, double>(static_cast<size_t>(2 * cells));
                   made.BackwardOfCells(ready, dy, dy + cells);
                   made.AddCells(0, cells, dy, dy + cells, sums, turn == shares_ - 1);
                 });
    whole_.StoreGradients(args, first.parameters, params, sums, sums + params);
  });
}

void Slabs::BackwardShared(const NormBackwardArgs& args) const {
  const TrimScratchAtEnd trim;
  const int64_t params = whole_.plan.num_param, arrays = whole_.dtype == DType::kF64 ? 4 : 2;
  double* sums = Scratch<SumsTag, double>(static_cast<size_t>(arrays * params));
  std::fill_n(sums, arrays * params, 0.0);
  // Sums of cells are kept for some slabs, of which all threads have one.
  const int64_t cells = one_.made->num_cells();
  const int64_t some = std::min<int64_t>(
      count_, std::clamp<int64_t>(kSums / (16 * cells), NumThreads(), 16 * NumThreads()));
  const int64_t room = some * cells;
  double* dy = Scratch<CellsTag, double>(static_cast<size_t>(2 * room));
  NormBackwardArgs without = args;
  without.dgamma = without.dbeta = nullptr;
  for (int64_t slab = 0; slab < count_; slab += some) {
    const int64_t end = std::min(slab + some, count_), first = At(slab).cells;
    const int64_t last = end < count_ ? At(end).cells : whole_made_.num_cells();
    BackwardSome(
        without, slab, end,
        [&](const NormImplementation& made, const NormBackwardArgs& ready, const Place& place) {
          double* to = dy + place.cells - first;
          made.BackwardOfCells(ready, to, to + room);
        });
    whole_made_.AddCells(first, last - first, dy, dy + room, sums, end == count_);
  }
  whole_.StoreGradients(args, sums, sums + params);
}

}  // namespace normkit
