#include "src/norm/padded.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "src/core/fail.h"
#include "src/core/scratch.h"
#include "src/core/strided_loops.h"

namespace normkit {
namespace {

struct PaddedMomentsTag;
struct PaddedSumsTag;
struct PaddedSavedTag;
struct PaddedStatisticsTag;

constexpr int64_t kWorthThreads = 1 << 15;  // elements

int64_t SizeOfAxis(const Layout& layout, Dim label) {
  const auto found = std::ranges::find(layout.axes(), label, &Axis::label);
  return found == layout.axes().end() ? 1 : found->size;
}

NormOptions OfObservation(NormOptions options, const ArrayStrides& strides) {
  options.reducer = nullptr;
  options.strides = strides;
  return options;
}

// Zeros at all places of these axes.
void Zero(std::byte* at, std::span<const StridedArray::Axis> axes, int64_t bytes) {
  if (axes.empty()) return (void)std::memset(at, 0, static_cast<size_t>(bytes));
  const auto [size, stride] = axes[0];
  if (axes.size() == 1 && stride == 1)
    return (void)std::memset(at, 0, static_cast<size_t>(size * bytes));
  for (int64_t i = 0; i < size; ++i) Zero(at + i * stride * bytes, axes.subspan(1), bytes);
}

}  // namespace

Padded::Made::Made(const Problem& whole, const Layout& layout, const ArrayStrides& strides,
                   const NormBackend& backend)
    : problem(whole.spec, layout, whole.dtype, OfObservation(whole.options, strides)),
      implementation(backend.make(problem)) {
  problem.Silence();  // the whole speaks
  if (!(whole.spec.reduce & kB)) return;
  problem.whole_bytes = whole.plan.size * static_cast<int64_t>(SizeOf(whole.dtype));
  problem.is_leaf = true;
}

template <class Args, class F>
void Padded::Made::WithArrays(const Args& args, const F& f, Half half) const {
  ArrayCopies copies(problem, *implementation);
  f(copies.In(args, half));
  copies.Finish();
}

void Padded::CheckLengths(const int64_t* lengths) const {
  const Layout& x = whole_.layout;
  const auto count = [&](Dim label) { return std::ranges::count(x.axes(), label, &Axis::label); };
  if (count(kT) != 1 || count(kB) > 1)
    Fail("{}: lengths of x {} given, expected a time axis, and one of observations at most",
         whole_.Title(), x.ToString());
  if (joins() && !(whole_.spec.reduce & kT))
    Fail("{}: lengths where statistics join observations, but not time", whole_.Title());
  if (whole_.spec.affine & (kB | kT))
    Fail(
        "{}: lengths with parameters of observations or steps, expected those of channels or space",
        whole_.Title());
  if (whole_.options.tree || whole_.options.reducer)
    Fail("{}: lengths with a {}, expected none", whole_.Title(),
         whole_.options.tree ? "tree" : "reducer");
  if (whole_.quantizes()) Fail("{}: lengths with y in 8 bits, expected its dtype", whole_.Title());
  const int64_t steps = SizeOfAxis(x, kT);
  for (int64_t i = 0; i < SizeOfAxis(x, kB); ++i)
    if (lengths[i] < 1 || lengths[i] > steps)
      Fail("{}: lengths[{}] is {}, expected 1 to {} (steps of x, {})", whole_.Title(), i,
           lengths[i], steps, x.ToString());
}

std::shared_ptr<const Padded::Made> Padded::Find(int64_t length) const {
  const std::lock_guard lock(mutex_);
  if (const auto found = made_.find(length); found != made_.end()) return found->second;
  if (made_.size() >= kMost) made_.clear();
  std::vector<Axis> axes = whole_.layout.axes();
  for (Axis& axis : axes)
    if (axis.label & (kB | kT)) axis.size = axis.label == kB ? 1 : length;
  const StridesOfArrays of = AllStrides(whole_.Title(), whole_.layout, whole_.options.strides);
  auto made = std::make_shared<Made>(whole_, Layout(std::move(axes)), ToArrayStrides(of), backend_);
  const auto& all = whole_.layout.axes();
  if (const auto batch = std::ranges::find(all, kB, &Axis::label); batch != all.end())
    for (size_t i = 0; i < kNormArrays; ++i)
      made->next[i] = of[i][static_cast<size_t>(batch - all.begin())] *
                      static_cast<int64_t>(SizeOf(whole_.dtype));
  return made_[length] = std::move(made);
}

Padded::Observations Padded::FindAll(const int64_t* lengths) const {
  CheckLengths(lengths);
  Observations made;
  for (int64_t i = 0; i < SizeOfAxis(whole_.layout, kB); ++i) {
    made.push_back(Find(lengths[i]));
    if (!joins()) whole_.WarnOfOneValue(static_cast<double>(made.back()->problem.plan.num_reduced));
  }
  return made;
}

// On threads where there are enough; else those of each observation are.
template <class F>
void Padded::ForEach(const Observations& made, const F& f) const {
  const auto count = std::ssize(made);
  ParallelFor(count, count >= NumThreads() && whole_.plan.size >= kWorthThreads, [&](int64_t i) {
    const TrimScratchAtEnd trim;
    f(i, *made[static_cast<size_t>(i)]);
  });
}

// The order is that of the axes of x that are kept.
class Padded::Statistics {
 public:
  Statistics(const Problem& whole, const Problem& one, int64_t observation) {
    for (size_t i = 0; i < whole.layout.axes().size(); ++i) {
      const Axis &all = whole.layout.axes()[i], &own = one.layout.axes()[i];
      if (all.label & whole.spec.reduce) continue;
      for (int64_t& stride : strides_) stride *= all.size;
      begin_ *= all.size;
      if (all.label == kB) begin_ += observation;
      sizes_.push_back(own.size), strides_.push_back(1);
    }
    const Strides dense = DenseStrides(sizes_);
    for (size_t i = 0; i < sizes_.size(); ++i) {
      size_ *= sizes_[i];
      apart_ |= sizes_[i] > 1 && strides_[i] != dense[i];
    }
  }
  int64_t size() const { return size_; }
  bool apart() const { return apart_; }
  int64_t begin() const { return begin_; }
  template <class T>
  void Gather(const T* all, T* own) const {
    Copy(all + begin_, strides_, own, DenseStrides(sizes_));
  }
  void Scatter(const double* own, double* all) const {
    Copy(own, DenseStrides(sizes_), all + begin_, strides_);
  }

 private:
  template <class T>
  void Copy(const T* from, const Strides& from_strides, T* to, const Strides& to_strides) const {
    const StridedLoops<2> loops(sizes_, {from_strides, to_strides});
    const int64_t from_step = loops.stride(0), to_step = loops.stride(1);
    loops.ForRuns(
        [&](const auto& offsets, int64_t n) {
          for (int64_t i = 0; i < n; ++i)
            to[offsets[1] + i * to_step] = from[offsets[0] + i * from_step];
        },
        /*threads=*/false);
  }

  std::vector<int64_t> sizes_;
  Strides strides_;
  int64_t size_ = 1, begin_ = 0;
  bool apart_ = false;
};

void Padded::Forward(const NormForwardArgs& args) const {
  const TrimScratchAtEnd trim;
  const Observations made = FindAll(args.lengths);
  if (whole_.plan.size == 0) return;
  const SavedStatistics& saved = args.saved;
  if (!joins() && !(whole_.spec.reduce & kT))  // padded steps have none
    for (double* array : {saved.mean, saved.rstd, saved.variance})
      if (array) std::fill_n(array, whole_.plan.num_stat, 0.0);
  if (joins())
    ForwardJoined(args, made);
  else
    ForEach(made, [&](int64_t i, const Made& one) {
      const Statistics statistics(whole_, one.problem, i);
      NormForwardArgs own = MovedBy(args, i, one.next);
      double* apart =
          statistics.apart()
              ? Scratch<PaddedStatisticsTag, double>(static_cast<size_t>(3 * statistics.size()))
              : nullptr;
      int64_t k = 0;
      for (double** array : {&own.saved.mean, &own.saved.rstd, &own.saved.variance}) {
        if (*array) *array = apart ? apart + k * statistics.size() : *array + statistics.begin();
        ++k;
      }
      one.WithArrays(own,
                     [&](const NormForwardArgs& ready) { one.implementation->Forward(ready); });
      if (!apart) return;
      for (const auto& [from, to] :
           {std::pair(own.saved.mean, saved.mean), std::pair(own.saved.rstd, saved.rstd),
            std::pair(own.saved.variance, saved.variance)})
        if (to) statistics.Scatter(from, to);
    });
  ZeroPadding(args);
}

void Padded::ForwardJoined(const NormForwardArgs& args, const Observations& made) const {
  const auto n = static_cast<size_t>(whole_.plan.num_stat);
  Moments* moments = Scratch<PaddedMomentsTag, Moments>(n * made.size());
  ForEach(made, [&](int64_t i, const Made& one) {
    one.WithArrays(
        MovedBy(args, i, one.next),
        [&](const NormForwardArgs& ready) {
          one.implementation->Gather(ready, moments + static_cast<size_t>(i) * n);
        },
        Half::kFirst);
  });
  for (size_t i = 1; i < made.size(); ++i)
    for (size_t s = 0; s < n; ++s) moments[s].Merge(moments[i * n + s]);
  NormForwardArgs with = args;
  double* memory = Scratch<PaddedSavedTag, double>(2 * n);
  if (!with.saved.mean) with.saved.mean = memory;
  if (!with.saved.rstd) with.saved.rstd = memory + n;
  parts_.Finish({moments, n}, with.saved);
  ForEach(made, [&](int64_t i, const Made& one) {
    one.WithArrays(
        MovedBy(with, i, one.next),
        [&](const NormForwardArgs& ready) { one.implementation->Apply(ready); }, Half::kSecond);
  });
}

void Padded::Inference(const NormForwardArgs& args, const GivenStatistics& given) const {
  const Observations made = FindAll(args.lengths);
  if (whole_.plan.size == 0) return;
  const auto bytes = static_cast<int64_t>(SizeOf(ParameterDType(whole_.dtype)));
  ForEach(made, [&](int64_t i, const Made& one) {
    const Statistics statistics(whole_, one.problem, i);
    if (statistics.apart())
      Fail("{}: lengths with given statistics of steps that lie apart, expected time innermost",
           whole_.Title());
    GivenStatistics own = given;
    for (const void** array : {&own.mean, &own.variance})
      MoveBy(*array, statistics.begin() * bytes);
    one.WithArrays(MovedBy(args, i, one.next), [&](const NormForwardArgs& ready) {
      one.implementation->Inference(ready, own);
    });
  });
  ZeroPadding(args);
}

void Padded::Backward(const NormBackwardArgs& args) const {
  const TrimScratchAtEnd trim;
  const Observations made = FindAll(args.lengths);
  if (joins()) {
    BackwardJoined(args, made);
  } else {
    const auto n = static_cast<size_t>(whole_.plan.num_param);
    double* sums = Scratch<PaddedSumsTag, double>(2 * n * std::max<size_t>(1, made.size()));
    std::fill_n(sums, 2 * n, 0.0);
    ForEach(made, [&](int64_t i, const Made& one) {
      const Statistics statistics(whole_, one.problem, i);
      NormBackwardArgs own = MovedBy(args, i, one.next);
      double* apart =
          statistics.apart()
              ? Scratch<PaddedStatisticsTag, double>(static_cast<size_t>(2 * statistics.size()))
              : nullptr;
      for (const double** array : {&own.mean, &own.rstd}) {
        if (!*array) continue;
        double* to = array == &own.mean || !apart ? apart : apart + statistics.size();
        if (apart) statistics.Gather(*array, to);
        *array = apart ? to : *array + statistics.begin();
      }
      double* to = sums + static_cast<size_t>(i) * 2 * n;
      one.WithArrays(own, [&](const NormBackwardArgs& ready) {
        one.implementation->BackwardWithSums(ready, to, to + n, /*add=*/false);
      });
    });
    for (size_t i = 1; i < made.size(); ++i)
      AddUp()(sums, sums + i * 2 * n, static_cast<int64_t>(2 * n));
    whole_.StoreGradients(args, sums, sums + n);
  }
  if (whole_.plan.size == 0) return;
  if (!args.accumulate) ZeroPadding(args.lengths, NormArray::kDx, args.dx);
  ZeroPadding(args.lengths, NormArray::kDaddend, args.daddend);
  ZeroPadding(args.lengths, NormArray::kDgate, args.dgate);
}

void Padded::BackwardJoined(const NormBackwardArgs& args, const Observations& made) const {
  if (!args.x) Fail("{}: lengths with a backward pass from y, expected x", whole_.Title());
  const auto parameters = static_cast<size_t>(whole_.plan.num_param),
             statistics = static_cast<size_t>(whole_.plan.num_stat),
             n = 2 * (parameters + statistics);
  double* sums = Scratch<PaddedSumsTag, double>(n * std::max<size_t>(1, made.size()));
  std::fill_n(sums, n, 0.0);
  const auto at = [&](double* of) {
    double* w = of + 2 * parameters;
    return GradientSums{w, w + statistics, of, of + parameters};
  };
  ForEach(made, [&](int64_t i, const Made& one) {
    one.WithArrays(
        MovedBy(args, i, one.next),
        [&](const NormBackwardArgs& ready) {
          one.implementation->GatherGradient(ready, at(sums + static_cast<size_t>(i) * n));
        },
        Half::kFirst);
  });
  double count = 0;
  for (size_t i = 0; i < made.size(); ++i) {
    if (i > 0) AddUp()(sums, sums + i * n, static_cast<int64_t>(n));
    count += static_cast<double>(made[i]->problem.plan.num_reduced);
  }
  const GradientSums all = at(sums);
  whole_.StoreGradients(args, all.dgamma, all.dbeta);
  if (!args.dx) return;
  ForEach(made, [&](int64_t i, const Made& one) {
    one.WithArrays(
        MovedBy(args, i, one.next),
        [&](const NormBackwardArgs& ready) {
          one.implementation->ApplyGradient(ready, all, count);
        },
        Half::kSecond);
  });
}

void Padded::ZeroPadding(const NormForwardArgs& args) const {
  ZeroPadding(args.lengths, NormArray::kY, args.y);
  if (args.residual) ZeroPadding(args.lengths, NormArray::kSum, args.sum);
}

void Padded::ZeroPadding(const int64_t* lengths, NormArray array, void* data) const {
  if (!data) return;
  const auto bytes = static_cast<int64_t>(SizeOf(whole_.dtype));
  const std::vector<int64_t> strides =
      AllStrides(whole_.Title(), whole_.layout, whole_.options.strides)[static_cast<size_t>(array)];
  std::vector<StridedArray::Axis> axes;
  int64_t batch = 0, step = 0, steps = 1;
  for (size_t i = 0; i < strides.size(); ++i) {
    const Axis& axis = whole_.layout.axes()[i];
    if (axis.label == kB) batch = strides[i];
    if (axis.label == kT) step = strides[i], steps = axis.size;
    if (!(axis.label & (kB | kT)) && axis.size != 1) axes.push_back({axis.size, strides[i]});
  }
  const int64_t observations = SizeOfAxis(whole_.layout, kB);
  ParallelFor(observations, whole_.plan.size >= kWorthThreads, [&](int64_t i) {
    auto* at = static_cast<std::byte*>(data) + i * batch * bytes;
    for (int64_t t = lengths[i]; t < steps; ++t) Zero(at + t * step * bytes, axes, bytes);
  });
}

}  // namespace normkit
