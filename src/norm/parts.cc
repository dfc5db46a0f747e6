#include "src/norm/parts.h"

#include <algorithm>
#include <bit>

#include "src/core/fail.h"
#include "src/core/scratch.h"
#include "src/norm/weighted.h"

namespace normkit {
namespace {

struct MomentsTag;
struct SumsTag;
struct PieceTag;
struct MeanTag;
struct RstdTag;

constexpr int64_t kWorthThreads = 1 << 15;  // elements

Layout WithRows(const Layout& layout, int64_t rows) {
  std::vector<Axis> axes = layout.axes();
  axes[0].size = rows;
  return Layout(std::move(axes));
}

NormOptions OfLeaf(NormOptions options) {
  options.tree = false;
  return options;
}

void MergeMoments(Moments* into, const Moments* from, int64_t n) {
  for (int64_t s = 0; s < n; ++s) into[s].Merge(from[s]);
}

// The node that waits and that the tree merges `leaf` into next; null: the leaf waits itself.
template <class T>
T* NodeBefore(const LeafArrays<T>& waiting, int leaf) {
  for (int half = 1; leaf & half; half *= 2)
    if (T* before = waiting[static_cast<size_t>(leaf / (2 * half) * (2 * half))]) return before;
  return nullptr;
}

template <class T>
T* Behind(T* array, int64_t bytes) {
  using Byte = std::conditional_t<std::is_const_v<T>, const std::byte, std::byte>;
  return array ? reinterpret_cast<Byte*>(array) + bytes : nullptr;
}

}  // namespace

Parts::Made::Made(const Problem& whole, int64_t rows, const NormBackend& backend)
    : problem(whole.spec, WithRows(whole.layout, rows), whole.dtype, OfLeaf(whole.options)),
      implementation(backend.make(problem)) {
  problem.Silence();  // the whole speaks
  problem.whole_bytes = whole.plan.size * static_cast<int64_t>(SizeOf(whole.dtype));
  problem.is_leaf = true;
}

Parts::Parts(const Problem& whole, const NormBackend& backend, const NormImplementation& made)
    : problem_(whole), made_(made) {
  const Axis& outermost = whole.layout.axes()[0];
  whole_.whole = outermost.size;
  joins_ = whole.spec.reduce & outermost.label;
  for (size_t i = 1; i < whole.layout.axes().size(); ++i)
    row_elements_ *= whole.layout.axes()[i].size;
  row_bytes_ = row_elements_ * static_cast<int64_t>(SizeOf(whole.dtype));
  if (!joins_ && outermost.size > 0) row_statistics_ = whole.plan.num_stat / outermost.size;
  if (!whole.options.tree) return;
  if (whole.spec.affine & outermost.label)
    Fail("{}: a tree over the outermost axis, which has parameters, expected one without",
         whole.Title());
  if (whole.options.reducer)
    Fail("{}: a tree and a reducer, expected one of them (Gather, and a join of your own)",
         whole.Title());
  MakeLengths(backend);
  whole_applies_ = joins_ && std::ranges::all_of(lengths_, [&](const auto& of_rows) {
                     return !of_rows || of_rows->implementation->Form() == made.Form();
                   });
}

void Parts::MakeLengths(const NormBackend& backend) {
  if (problem_.options.uneven) {
    for (int64_t rows = 1; rows <= whole_.whole; rows *= 2)
      lengths_.push_back(std::make_unique<Made>(problem_, rows, backend));
    return;
  }
  lengths_.resize(2);
  for (int leaf = 0; leaf < BatchPart::kLeaves; ++leaf) {
    const int64_t rows = whole_.leaf_begin(leaf + 1) - whole_.leaf_begin(leaf);
    std::unique_ptr<Made>& of_rows = lengths_[static_cast<size_t>(rows % 2)];
    if (rows > 0 && !of_rows) of_rows = std::make_unique<Made>(problem_, rows, backend);
  }
}

template <class F>
void Parts::ForPiecesOfLeaf(const BatchPart& part, int64_t leaf, const F& f) const {
  const int index = part.first_leaf + static_cast<int>(leaf);
  int64_t begin = part.leaf_begin(index) - part.begin();
  auto rows = static_cast<uint64_t>(part.leaf_begin(index + 1) - part.leaf_begin(index));
  if (rows == 0) return f(Piece{leaf, begin, nullptr, true});
  if (!problem_.options.uneven)
    return f(Piece{leaf, begin, lengths_[rows % 2]->implementation.get(), true});
  for (bool first = true; rows > 0; first = false) {
    const uint64_t length = std::bit_floor(rows);
    const auto& made = lengths_[static_cast<size_t>(std::countr_zero(length))];
    f(Piece{leaf, begin, made->implementation.get(), first});
    begin += static_cast<int64_t>(length);
    rows -= length;
  }
}

template <class F>
void Parts::ForPieces(const BatchPart& part, const F& f) const {
  if (!problem_.options.tree) return f(Piece{0, 0, &made_, true});
  const int64_t leaves = num_leaves(part);
  ParallelFor(leaves, Shares(part, leaves), [&](int64_t leaf) { ForPiecesOfLeaf(part, leaf, f); });
}

template <class T, class F, class Combine>
void Parts::Collect(T* to, bool add, int64_t size, const F& f, const Combine& combine) const {
  if (!add) return f(to);
  const TrimScratchAtEnd trim;
  T* own = Scratch<PieceTag, T>(static_cast<size_t>(size));
  f(own);
  LeafArrays<T> both{to, own};
  JoinPart(both, whole_, size, combine);
}

bool Parts::Shares(const BatchPart& part, int64_t tasks) const {
  return part.size() * row_bytes_ >= kWorthThreads * 4 && tasks >= NumThreads();
}

int64_t Parts::Runs(int64_t bytes) const {
  constexpr int64_t kFew = int64_t{4} << 20;
  if (bytes * BatchPart::kLeaves <= kFew) return BatchPart::kLeaves;
  const auto threads = static_cast<uint64_t>(NumThreads());
  // Runs are powers of two: some more where threads are not.
  const uint64_t busy = std::bit_ceil(std::has_single_bit(threads) ? threads : 2 * threads);
  const auto runs = static_cast<int64_t>(std::min<uint64_t>(busy, BatchPart::kLeaves));
  const bool fits = runs * KeptOfRun(runs) * bytes <= static_cast<int64_t>(kKeptScratchBytes);
  return fits && whole_.whole >= runs && Shares(whole_, runs) ? runs : 1;
}

int64_t Parts::KeptOfRun(int64_t runs) const {
  const int64_t rows = (whole_.whole + runs - 1) / runs;
  const int64_t leaves = std::clamp<int64_t>(rows, 1, BatchPart::kLeaves / runs);
  if (leaves == 1) return 1;
  // Of each level of the tree one node waits. The last leaf of a run is added to one of them, but
  // for one of pieces, or one that waits for a leaf without rows.
  const bool adds = runs == 1 || whole_.whole >= BatchPart::kLeaves;
  return std::bit_width(static_cast<uint64_t>(leaves - 1)) + (problem_.options.uneven || !adds);
}

template <class T, class Args, class Combine>
T* Parts::FoldRun(const BatchPart& run, const Args& args, int64_t size, T* nodes,
                  const Combine& combine) const {
  LeafArrays<T> waiting{};  // one behind the other in `nodes`
  for (int leaf = run.first_leaf; leaf < run.last_leaf; ++leaf) {
    const auto rows = static_cast<uint64_t>(run.leaf_begin(leaf + 1) - run.leaf_begin(leaf));
    if (rows > 0) {
      const bool one = !problem_.options.uneven || std::has_single_bit(rows);
      T* before = one ? NodeBefore(waiting, leaf) : nullptr;
      const int64_t behind = BatchPart::kLeaves - std::ranges::count(waiting, nullptr);
      T* to = before ? before : nodes + behind * size;
      ForPiecesOfLeaf(whole_, leaf, [&](const Piece& piece) {
        GatherPiece(piece, args, to, before || !piece.first);
      });
      if (!before) waiting[static_cast<size_t>(leaf)] = to;
    }
    if (leaf > run.first_leaf)
      JoinPart(waiting, {run.whole, run.first_leaf, leaf + 1}, size, combine);
  }
  return waiting[static_cast<size_t>(run.first_leaf)];
}

template <class Tag, class T, class Args, class Combine>
T* Parts::Fold(const Args& args, int64_t size, const Combine& combine) const {
  const int64_t runs = Runs(size * int64_t{sizeof(T)}), kept = KeptOfRun(runs) * size;
  T* nodes = Scratch<Tag, T>(static_cast<size_t>(runs * kept));
  LeafArrays<T> roots{};
  ParallelFor(runs, Shares(whole_, runs), [&](int64_t i) {
    const BatchPart run =
        BatchPart::OfRank(whole_.whole, static_cast<int>(i), static_cast<int>(runs));
    roots[static_cast<size_t>(run.first_leaf)] =
        FoldRun(run, args, size, nodes + i * kept, combine);
  });
  JoinPart(roots, whole_, size, combine);
  if (!roots[0]) std::fill_n(nodes, size, T{});
  return roots[0] ? roots[0] : nodes;
}

NormForwardArgs Parts::From(const NormForwardArgs& args, int64_t row) const {
  NormForwardArgs from = args;
  for (auto* array : {&from.x, &from.residual, &from.addend, &from.gate})
    *array = Behind(*array, row * row_bytes_);
  for (auto* array : {&from.y, &from.sum}) *array = Behind(*array, row * row_bytes_);
  for (auto* array : {&from.saved.mean, &from.saved.rstd, &from.saved.variance})
    if (*array) *array += row * row_statistics_;
  return from;
}

NormBackwardArgs Parts::From(const NormBackwardArgs& args, int64_t row) const {
  NormBackwardArgs from = args;
  for (auto* array : {&from.x, &from.dy, &from.y, &from.addend, &from.gate})
    *array = Behind(*array, row * row_bytes_);
  for (auto* array : {&from.dx, &from.daddend, &from.dgate})
    *array = Behind(*array, row * row_bytes_);
  for (auto* array : {&from.mean, &from.rstd})
    if (*array) *array += row * row_statistics_;
  return from;
}

GradientSums Parts::SumsAt(double* sums) const {
  const int64_t parameters = problem_.plan.num_param, statistics = problem_.plan.num_stat;
  double* w = sums + 2 * parameters;
  return {w, w + statistics, sums, sums + parameters};
}

void Parts::GatherPiece(const Piece& piece, const NormForwardArgs& args, Moments* to,
                        bool add) const {
  Collect(
      to, add, problem_.plan.num_stat,
      [&](Moments* own) { piece.made->Gather(From(args, piece.begin), own); }, MergeMoments);
}

void Parts::Gather(const BatchPart& part, const NormForwardArgs& args, Moments* moments) const {
  const int64_t n = problem_.plan.num_stat;
  ForPieces(part, [&](const Piece& piece) {
    Moments* to = moments + (joins_ ? piece.leaf * n : piece.begin * row_statistics_);
    if (piece.made && !joins_)
      piece.made->Gather(From(args, piece.begin), to);
    else if (piece.made)
      GatherPiece(piece, args, to, !piece.first);
    else if (joins_)
      std::fill_n(to, n, Moments{});
  });
}

// Merges rows of all leaves, by the tree, into the first. Which of uneven ones have rows is not
// known: the others' are zeros.
template <class T, class Combine>
void Parts::JoinRows(T* rows, int64_t size, const Combine& combine) const {
  if (!problem_.options.tree) return;
  LeafArrays<T> arrays{};
  for (int leaf = 0; leaf < BatchPart::kLeaves; ++leaf)
    if (problem_.options.uneven || whole_.leaf_begin(leaf) < whole_.leaf_begin(leaf + 1))
      arrays[static_cast<size_t>(leaf)] = rows + leaf * size;
  JoinPart(arrays, whole_, size, combine);
  if (arrays[0] && arrays[0] != rows) std::copy_n(arrays[0], size, rows);
}

void Parts::GatherWeighted(const BatchPart& part, const NormForwardArgs& args,
                           Moments* moments) const {
  const auto gather = [&](int64_t begin, int64_t rows, Moments* to) {
    const Layout layout = WithRows(problem_.layout, rows);
    const int64_t row_weights = NumWeights(WithRows(problem_.layout, 1));
    normkit::GatherWeighted(problem_, layout, From(args, begin).x, args.weights,
                            begin * row_weights, to);
  };
  if (!problem_.options.tree) return gather(0, part.size(), moments);
  const int64_t leaves = part.last_leaf - part.first_leaf;
  for (int64_t leaf = 0; leaf < leaves; ++leaf) {
    const int index = part.first_leaf + static_cast<int>(leaf);
    const int64_t begin = part.leaf_begin(index) - part.begin();
    const int64_t rows = part.leaf_begin(index + 1) - part.leaf_begin(index);
    gather(begin, rows,
           moments + (joins_ ? leaf * problem_.plan.num_stat : begin * row_statistics_));
  }
}

void Parts::Join(Moments* moments) const {
  if (!joins_) return;
  JoinRows(moments, problem_.plan.num_stat, MergeMoments);
}

void Parts::Join(double* sums) const { JoinRows(sums, num_sums(), AddUp()); }

void Parts::Finish(std::span<const Moments> moments, const SavedStatistics& saved) const {
  // Weights that add up to 1 are not one value, which does not deviate.
  const bool deviates = !moments.empty() && problem_.spec.center && moments[0].m2 != 0;
  if (!moments.empty() && !deviates) problem_.WarnOfOneValue(moments[0].n);
  for (size_t s = 0; s < moments.size(); ++s) {
    if (moments[s].n == 0) continue;  // an empty batch leaves everything alone
    const double variance = VarianceOf(moments[s], problem_.spec.divisor);
    if (saved.mean) saved.mean[s] = moments[s].mean;
    if (saved.rstd) saved.rstd[s] = RstdOf(variance, problem_.epsilon());
    if (saved.variance) saved.variance[s] = variance;
  }
}

void Parts::Apply(const BatchPart& part, const NormForwardArgs& args) const {
  if (part.is_whole() && whole_applies_) return made_.Apply(args);
  ForPieces(part, [&](const Piece& piece) {
    if (piece.made) piece.made->Apply(From(args, piece.begin));
  });
}

void Parts::CheckFromX(const NormBackwardArgs& args) const {
  if (joins_ && FromY(problem_, args))
    Fail("{}: parts of a backward pass from y, expected x", problem_.Title());
}

void Parts::GatherGradient(const BatchPart& part, const NormBackwardArgs& args,
                           double* sums) const {
  CheckFromX(args);
  ForPieces(part, [&](const Piece& piece) {
    double* to = sums + piece.leaf * num_sums();
    if (!piece.made) return (void)std::fill_n(to, num_sums(), 0.0);
    GatherPiece(piece, args, to, !piece.first);
  });
}

void Parts::GatherPiece(const Piece& piece, const NormBackwardArgs& args, double* to,
                        bool add) const {
  const NormBackwardArgs from = From(args, piece.begin);
  if (!joins_) return piece.made->BackwardWithSums(from, SumsAt(to).dgamma, SumsAt(to).dbeta, add);
  Collect(
      to, add, num_sums(), [&](double* own) { piece.made->GatherGradient(from, SumsAt(own)); },
      AddUp());
}

void Parts::ApplyGradient(const BatchPart& part, const NormBackwardArgs& args,
                          const double* sums) const {
  const GradientSums from = SumsAt(const_cast<double*>(sums));
  problem_.StoreGradients(args, from.dgamma, from.dbeta);
  if (!joins_ || !args.dx) return;
  const auto count = static_cast<double>(problem_.plan.num_reduced);
  if (part.is_whole() && whole_applies_) return made_.ApplyGradient(args, from, count);
  ForPieces(part, [&](const Piece& piece) {
    if (piece.made) piece.made->ApplyGradient(From(args, piece.begin), from, count);
  });
}

void Parts::Forward(const NormForwardArgs& args) const {
  if (!joins_) {
    problem_.WarnOfOneValue(static_cast<double>(problem_.plan.num_reduced));
    return ForPieces(whole_, [&](const Piece& piece) {
      if (piece.made) piece.made->Forward(From(args, piece.begin));
    });
  }
  const TrimScratchAtEnd trim;
  const auto n = static_cast<size_t>(problem_.plan.num_stat);
  NormForwardArgs with = args;
  if (!with.saved.mean) with.saved.mean = Scratch<MeanTag, double>(n);
  if (!with.saved.rstd) with.saved.rstd = Scratch<RstdTag, double>(n);
  const Moments* moments = Fold<MomentsTag, Moments>(with, problem_.plan.num_stat, MergeMoments);
  Finish({moments, problem_.plan.size > 0 ? n : 0}, with.saved);
  Apply(whole_, with);
}

void Parts::Backward(const NormBackwardArgs& args) const {
  const TrimScratchAtEnd trim;
  CheckFromX(args);
  const double* sums = Fold<SumsTag, double>(args, num_sums(), AddUp());
  ApplyGradient(whole_, args, sums);
}

}  // namespace normkit
