// The backward pass in element form of runs whose elements have a parameter each and share one
// statistic: layer and RMS normalization, and others, where the runs of a statistic lie apart or
// start at different parameters.
#if defined(NORMKIT_GRADIENT_RUNS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMKIT_GRADIENT_RUNS_INL_H_
#undef NORMKIT_GRADIENT_RUNS_INL_H_
#else
#define NORMKIT_GRADIENT_RUNS_INL_H_
#endif

#include "src/norm/cpu/kernels/few_vectors-inl.h"
#include "src/norm/cpu/kernels/gradient-inl.h"
#include "src/norm/cpu/kernels/narrow_gradient-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::norm::cpu {
namespace HWY_NAMESPACE {

// What of x and dy lies terms.ahead behind these, into the L1 cache.
template <class Part, class Terms>
HWY_INLINE void FetchTerms(Part p, const Terms& terms) {
  p.Fetch(terms.x, terms.ahead);
  p.Fetch(terms.dy, terms.ahead);
}
template <class Terms>
struct FetchingNear {
  Terms terms;
  template <class Part, class V>
  HWY_INLINE void operator()(Part p, V* first, V* second) const {
    FetchTerms(p, terms);
    terms(p, first, second);
  }
};

// dx of a run; on the way dy * xhat and dy are added to the sums of the parameters.
template <class T, bool kRelu>
struct RunGradient {
  using R = Real<T>;
  using Form = ElementForm<T, false, true>;
  Gradient<T, Form, kRelu, TermProducts<T>> dx;
  R* dgamma;
  R* dbeta;

  template <class Part>
  HWY_INLINE Vector<T> operator()(Part p) const {
    FetchTerms(p, dx.in);
    const GradientAt<Form, kRelu> at = dx.in.At(p);
    p.Store(hn::Add(p.Load(dgamma), dx.in.product(at.dy, at.form.Xhat(at.deviation))), dgamma);
    p.Store(hn::Add(p.Load(dbeta), at.dy), dbeta);
    return dx.Dx(p, at);
  }
};

// The same where no sums of parameters are wanted.
template <class T, bool kRelu>
struct RunDx {
  Gradient<T, ElementForm<T, false, true>, kRelu, TermProducts<T>> dx;

  template <class Part>
  HWY_INLINE Vector<T> operator()(Part p) const {
    FetchTerms(p, dx.in);
    return dx.Dx(p, dx.in.At(p));
  }
};

struct RunSumsTag;
struct RunCountsTag;
struct UnwantedTag;

// Takes runs one after the other, counted unit by unit. The sums of parameters are kept in the
// arithmetic's type for a few runs, then go to f64: an array for each parameter at which runs
// begin.
template <class T, bool kRelu>
class RunBackward {
  using R = Real<T>;
  // That one sum takes: at 32 of them, all near 100, the worst of 500 sums of dy was off by 1.2
  // times its bound.
  static constexpr int64_t kRuns = 16;
  static constexpr bool kExact = std::is_same_v<R, double>;
  static constexpr int64_t kLanesOfLine = 64 / sizeof(R);
  static constexpr size_t kShortRow = 2048;   // bytes: shorter ones are asked for
  static constexpr int64_t kUnwanted = 4096;  // elements of results that nobody wants

 public:
  RunBackward(const BackwardJob& job, RunWalk walk)
      : job_(job),
        g_(*job.geometry),
        walk_(walk),
        rows_(walk == RunWalk::kRows),
        unit_runs_(g_.elements.reduced.size()),
        write_ahead_(simd::HasLargeL1() && !job.prepares() ? job.ahead : 0),
        blocks_(g_.elements, rows_ ? ShortRuns::kApart : ShortRuns::kTogether),
        writer_(job.dx && job.stream),
        means_(job.means) {
    if (means_.w) return;
    std::fill_n(own_means_, 2 * kMaxGroup, 0.0);
    means_ = {own_means_, own_means_ + kMaxGroup};
  }

  // Sums of w and w * (x - hi) of blocks [first, last) of a unit.
  HWY_NOINLINE void SumBlocks(int64_t unit, int64_t first, int64_t last, double* w,
                              double* w_x) const {
    for (int64_t b = first; b < last; ++b) {
      const Block block = blocks_.Get(b);
      HWY_ALIGN R totals[LaneSums<R>::kSize];
      LaneSums<R> lanes(totals);
      for (int64_t k = 0; k < block.runs; ++k) {
        auto terms = Terms(PlaceOf(unit, block.first_run + k), block.offset);
        terms.ahead = job_.pitched ? job_.read_ahead : 0;
        lanes.AddRun(FetchingNear<decltype(terms)>{terms}, block.length);
      }
      lanes.Flush();
      *w++ = lanes.First();
      *w_x++ = lanes.Second();
    }
  }
  HWY_NOINLINE void Sum(int64_t unit, int64_t first, int64_t last, double* w, double* w_x) const {
    const bool exact = kExact && last - first > 1;  // of one block nothing is rounded
    OrderedSum of_w(exact), of_w_x(exact);
    constexpr int64_t kSome = 16;
    double some[2 * kSome];
    for (int64_t end; first < last; first = end) {
      end = std::min(first + kSome, last);
      SumBlocks(unit, first, end, some, some + kSome);
      for (int64_t i = 0; i < end - first; ++i) of_w.Add(some[i]), of_w_x.Add(some[kSome + i]);
    }
    *w = of_w.Get(), *w_x = of_w_x.Get();
  }

  // dx of the task's parts of runs, and what they add to the parameters.
  void Run(const RunTask& task, const ParameterSums& parameters) {
    if constexpr (!kExact) {
      if (parameters.straight) return RunStraight(task, parameters);
    }
    Start(task, parameters);
    for (int64_t i = 0; i < task.repeats; ++i) {
      const int64_t first = task.first_run + i * task.step, last = task.last_run + i * task.step;
      if (walk_ == RunWalk::kParts)
        Write(first, last);
      else
        TakeUnits(first / unit_runs_, last / unit_runs_);
    }
    for (int64_t slot = first_slot_; slot < first_slot_ + slots_; ++slot)
      if (CountOf(slot) > 0) Flush(slot);
  }

  // The same of at most kMostStraight runs, whose sums of parameters are those of f32: a few of
  // them at a time, which stay in the L1 cache.
  void RunStraight(const RunTask& task, const ParameterSums& parameters) {
    constexpr int64_t kTile = 1024;
    static_assert(kMostStraight <= std::min(kRuns, kMaxGroup));
    RunWriter<float> dgamma(job_.stream_parameters), dbeta(job_.stream_parameters);
    for (int64_t begin = task.begin, end; begin < task.end; begin = end) {
      end = std::min(begin + kTile, task.end);
      Start({task.first_run, task.last_run, begin, end}, parameters);
      for (int64_t run = task.first_run; run < task.last_run; ++run)
        (*this)(run, begin, end, writer_);
      WriteBuffered(sums_, job_.dgamma, begin, length_, dgamma);
      WriteBuffered(sums_ + to_dbeta_, job_.dbeta, begin, length_, dbeta);
    }
  }

  // Writes dx of elements [begin, end) of a run; adds to the sums of its parameters.
  T* Out(int64_t at) const { return job_.dx.At<T>(at); }
  HWY_NOINLINE void operator()(int64_t run, int64_t begin, int64_t end,
                               RunWriter<T>& writer) const {
    const Place place = PlaceOf(run);
    T* dx = ElementOf(job_.dx, dx_, place, begin);
    if (!parameters_.wanted()) return WriteDx(place, begin, dx, end - begin, writer);
    writer.Write(GradientOf(place, begin, job_.accumulate ? dx : nullptr), dx, end - begin);
  }

 private:
  // Where a run is; its parameters begin at slot * run_length.
  struct Place {
    int64_t unit, at, slot;
  };
  HWY_INLINE Place PlaceOf(int64_t unit, int64_t k) const {
    if (rows_) return {unit, (unit * unit_runs_ + k) * g_.run_length, 0};
    return {unit, g_.elements.kept.Offset(unit) + g_.elements.reduced.Offset(k),
            (g_.kept_param.Offset(unit) + g_.reduced_param.Offset(k)) / g_.run_length};
  }
  HWY_INLINE Place PlaceOf(int64_t run) const {
    return unit_runs_ == 1 ? PlaceOf(run, 0) : PlaceOf(run / unit_runs_, run % unit_runs_);
  }

  // Finds the rows from `unit` on, as far as they lie equally far apart; how many these are.
  int64_t StartSteps(int64_t unit) {
    const int64_t at = unit * g_.run_length, n = g_.run_length;
    first_ = unit;
    x_ = job_.x.Rows<T>(at, n), dy_ = job_.dy.Rows<T>(at, n), dx_ = job_.dx.Rows<T>(at, n);
    return std::min(
        {job_.x.SteadyRows(at, n), job_.dy.SteadyRows(at, n), job_.dx.SteadyRows(at, n)});
  }
  template <class Array, class Row>
  HWY_INLINE Row* ElementOf(const Array& array, const RowsAt<Row>& rows, const Place& place,
                            int64_t begin) const {
    if (HWY_UNLIKELY(steps_)) return rows[place.unit - first_] + begin;
    return array.template At<T>(place.at + begin);
  }

  HWY_INLINE GradientTerms<T, ElementForm<T, false, true>, kRelu> Terms(const Place& place,
                                                                        int64_t begin) const {
    using One = Coefficient<R, false>;
    using Each = Coefficient<R, true>;
    const auto k = CoefficientsOfStat<R>(job_.mean[place.unit], job_.rstd[place.unit]);
    const int64_t param = place.slot * g_.run_length + begin;
    return {ElementOf(job_.x, x_, place, begin),
            ElementOf(job_.dy, dy_, place, begin),
            {One(&k.hi), One(&k.r), One(&k.e), Each(static_cast<const R*>(job_.gamma) + param),
             Each(static_cast<const R*>(job_.beta) + param)}};
  }

  HWY_INLINE RunGradient<T, kRelu> GradientOf(const Place& place, int64_t begin,
                                              const T* old) const {
    using One = Coefficient<R, false>;
    const auto through = ThroughOf<R>(job_, means_, place.unit);
    R* sums = SumsOf(place.slot) + begin - begin_;
    auto terms = Terms(place, begin);
    terms.ahead = write_ahead_;
    return {{terms, One(&through.b), One(&through.e), old}, sums, sums + to_dbeta_};
  }

  HWY_NOINLINE void WriteDx(const Place& place, int64_t begin, T* dx, int64_t n,
                            RunWriter<T>& writer) const {
    const T* old = job_.accumulate ? dx : nullptr;
    using One = Coefficient<R, false>;
    const auto through = ThroughOf<R>(job_, means_, place.unit);
    auto terms = Terms(place, begin);
    terms.ahead = write_ahead_;
    writer.Write(RunDx<T, kRelu>{{terms, One(&through.b), One(&through.e), old}}, dx, n);
  }

  // E[w] and E[w * xhat] of units [first, last), at most kMaxGroup. Step by step for all of them:
  // what a short row waits for (the end of a sum, a division) others fill.
  void Gather(int64_t first, int64_t last) const {
    const int64_t count = last - first;
    const XhatMeans means = means_.From(first);
    for (int64_t u = SumRows(first, count, means) ? count : 0; u < count; ++u) {
      if (rows_) {
        Sum(first + u, 0, blocks_.num_blocks(), means.w + u, means.w_xhat + u);
        continue;
      }
      OrderedSum of_w(kExact), of_w_x(kExact);
      for (int64_t chunk = 0; chunk < blocks_.num_chunks(); ++chunk) {
        double w, w_x;
        Sum(first + u, blocks_.chunk_begin(chunk), blocks_.chunk_begin(chunk + 1), &w, &w_x);
        of_w.Add(w), of_w_x.Add(w_x);
      }
      means.w[u] = of_w.Get(), means.w_xhat[u] = of_w_x.Get();
    }
    means.ToXhat<R>(count, job_.mean + first, job_.rstd + first);
    const auto n = static_cast<double>(g_.plan.num_reduced);
    means.Divide(count, n, SquaresDivisor(job_.divisor, n), job_.center);
  }

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  // Sums of w and w * (x - hi) of rows of one block each, whose ends are folded together. Whether
  // they are such. Rows of f32 from memory lose by it from 128 elements on.
  bool SumRows(int64_t first, int64_t count, const XhatMeans& means) const {
    if constexpr ((std::is_same_v<T, BFloat16> || std::is_same_v<T, float>)&&!kRelu) {
      if (!rows_ || unit_runs_ > 1 || blocks_.num_blocks() > 1) return false;
      if (sizeof(T) == 4 && job_.stream && g_.run_length >= 128) return false;
      AddRows(first, count, means);
      return true;
    }
    return false;
  }
  HWY_NOINLINE void AddRows(int64_t first, int64_t count, const XhatMeans& means) const {
    HWY_ALIGN double of_w[kMaxGroup * kWideLanes], of_w_x[kMaxGroup * kWideLanes];
    const int64_t n = g_.run_length;
    const int64_t next = job_.stream && n * sizeof(T) < kShortRow ? count * n : 0;
    const int64_t ahead = job_.pitched ? job_.read_ahead : next;
    for (int64_t u = 0; u < count; ++u) {
      HWY_ALIGN R totals[LaneSums<R>::kSize];
      LaneSums<R> lanes(totals);
      auto terms = Terms(PlaceOf(first + u, 0), 0);
      terms.ahead = ahead;
      lanes.template AddRun<true>(FetchingNear<decltype(terms)>{terms}, n);
      lanes.Fold(of_w + u * kWideLanes, of_w_x + u * kWideLanes);
    }
    HWY_ALIGN double sums[kMaxGroup];
    FoldRows(of_w, count, sums);
    std::copy_n(sums, count, means.w);
    FoldRows(of_w_x, count, sums);
    std::copy_n(sums, count, means.w_xhat);
  }
#else
  bool SumRows(int64_t, int64_t, const XhatMeans&) const { return false; }
#endif

  void Start(const RunTask& task, const ParameterSums& parameters) {
    begin_ = task.begin;
    length_ = task.end - task.begin;
    parameters_ = parameters;
    const int64_t params = parameters.count > 0 ? parameters.count : g_.plan.num_param;
    first_slot_ = parameters.first / g_.run_length;
    slots_ = (params + g_.run_length - 1) / g_.run_length;
    const int64_t padded = (length_ + kLanesOfLine - 1) / kLanesOfLine * kLanesOfLine;
    to_dbeta_ = padded, to_slot_ = 2 * padded;
    if (AreNarrow()) to_dbeta_ = length_ * slots_, to_slot_ = length_;  // those of slots in a row
    const int64_t size = parameters.wanted() ? std::max(to_slot_ * slots_, 2 * to_dbeta_) : 0;
    sums_ = Scratch<RunSumsTag, R>(static_cast<size_t>(size));
    counts_ = Scratch<RunCountsTag, int64_t>(static_cast<size_t>(slots_));
    std::fill_n(sums_, size, R(0));
    std::fill_n(counts_, slots_, int64_t{0});
  }

  // Of dgamma; those of dbeta are to_dbeta_ behind.
  R* SumsOf(int64_t slot) const { return sums_ + to_slot_ * (slot - first_slot_); }
  int64_t& CountOf(int64_t slot) const { return counts_[slot - first_slot_]; }

  HWY_NOINLINE void Flush(int64_t slot, int64_t slots = 1) {
    std::fill_n(&CountOf(slot), slots, int64_t{0});
    if (!parameters_.wanted()) return;
    R* sums = SumsOf(slot);
    const int64_t n = length_ * slots;
    AddToParameters(parameters_, slot * g_.run_length + begin_, n, sums, sums + to_dbeta_);
    std::fill_n(sums, n, R(0)), std::fill_n(sums + to_dbeta_, n, R(0));
  }

  // Units [first, last), some at a time: prepared, summed, written.
  void TakeUnits(int64_t first, int64_t last) {
    if constexpr (kHasNarrowGradient<T, kRelu>) {
      if (AreNarrow()) return TakeNarrow(first, last);
    }
    steps_ = job_.pitched && rows_ && unit_runs_ == 1 && job_.dx;
    const int64_t group = rows_ ? job_.group : 1;
    for (int64_t unit = first, end; unit < last; unit = end) {
      end = std::min(unit + group, last);
      if (steps_) end = std::min(end, unit + StartSteps(unit));
      PrepareUnits<T>(job_, unit, end);
      if (!job_.means.w) means_.begin = unit;
      if (!job_.fixed) Gather(unit, end);
      Write(unit * unit_runs_, end * unit_runs_);
    }
  }

  // Whether units are short runs, one behind the other, some of which are taken together.
  bool AreNarrow() const {
    return kHasNarrowGradient<T, kRelu> && unit_runs_ == 1 && g_.units_contiguous &&
           g_.param_vector && !job_.fixed && !job_.pitched && !job_.accumulate &&
           g_.run_length <= static_cast<int64_t>(kLanes<R>);
  }
  // Of rows of whole vectors as many as are taken together; up to where.
  int64_t TakeWhole(int64_t first, int64_t last) {
    if (g_.run_length == 16) return TakeRowsOf<16>(first, last);
    return g_.run_length == 32 ? TakeRowsOf<32>(first, last) : first;
  }
  template <int64_t kLength>
  HWY_NOINLINE int64_t TakeRowsOf(int64_t first, int64_t last) {
    WholeRowsGradient<T, kLength> rows(job_);
    for (; first + kRuns <= last; first += kRuns) {
      PrepareUnits<T>(job_, first, first + kRuns);
      rows.Take(first, parameters_, writer_);
    }
    return first;
  }
  // As many at a time as fill the sums of parameters that they share; groups of a few channels, and
  // others that have their own, have sums of those, too.
  HWY_NOINLINE void TakeNarrow(int64_t first, int64_t last) {
    using Narrow = NarrowGradient<T>;
    static_assert(Narrow::kRows == kRuns && Narrow::kMost == kLanes<R>);
    if (rows_) first = TakeWhole(first, last);
    if (first == last) return;
    Narrow narrow(job_);
    for (int64_t end; first < last; first = end) {
      end = std::min(first + kRuns, last);
      Stretch stretches[kRuns];
      const int64_t count = rows_ ? 0 : Stretches(first, end, stretches);
      PrepareUnits<T>(job_, first, end);
      for (int64_t i = 0, row = 0; i < count; row += stretches[i++].units)
        narrow.SetGamma(stretches[i].slot, row, stretches[i].units);
      narrow.Take(first, end - first, writer_);
      if (!parameters_.wanted()) continue;
      if (rows_) narrow.AddTo(parameters_, end - first);
      for (int64_t i = 0, row = 0; i < count; row += stretches[i++].units) {
        R* sums = SumsOf(stretches[i].slot);
        narrow.AddTo(row, stretches[i].units, sums, sums + to_dbeta_);
        Count(stretches[i]);
      }
    }
  }
  // Units whose parameters lie one behind the other.
  struct Stretch {
    int64_t slot, units;
  };
  // Those of units [first, last).
  HWY_INLINE int64_t Stretches(int64_t first, int64_t last, Stretch* stretches) const {
    int64_t count = 0;
    for (; first < last; first += stretches[count++].units) {
      const Loops::Pass pass = g_.kept_param.PassFrom(first);
      const bool in_a_row = pass.stride == g_.run_length;
      stretches[count] = {pass.offset / g_.run_length,
                          in_a_row ? std::min(pass.size, last - first) : 1};
    }
    return count;
  }
  // One run more of each.
  HWY_NOINLINE void Count(const Stretch& stretch) {
    const int64_t last = stretch.slot + stretch.units;
    for (int64_t slot = stretch.slot; slot < last; ++slot) ++CountOf(slot);
    for (int64_t slot = stretch.slot, end; slot < last; slot = end) {
      const int64_t count = CountOf(slot);
      for (end = slot + 1; end < last && CountOf(end) == count;) ++end;
      if (count == kRuns) Flush(slot, end - slot);
    }
  }

  // The task's part of runs [first, last).
  void Write(int64_t first, int64_t last) {
    if (rows_) return WriteRows(first, last);
    for (int64_t run = first; run < last; ++run) {
      const Place place = PlaceOf(run);
      if (!job_.means.w) means_.begin = place.unit;
      if (job_.dx)
        (*this)(run, begin_, begin_ + length_, writer_);
      else
        AddUnwanted(place);
      if (++CountOf(place.slot) == kRuns) Flush(place.slot);
    }
  }
  // Those that lie in a row and share all parameters.
  void WriteRows(int64_t first, int64_t last) {
    for (int64_t end; first < last; first = end) {
      end = std::min(first + kRuns - counts_[0], last);
      WriteRuns(job_, first, end, *this, writer_);
      counts_[0] += end - first;
      if (counts_[0] == kRuns) Flush(0);
    }
  }
  void AddUnwanted(const Place& place) const {
    T* dx = Scratch<UnwantedTag, T>(kUnwanted);
    for (int64_t i = 0; i < length_; i += kUnwanted)
      StoreRun(GradientOf(place, begin_ + i, nullptr), dx, std::min(kUnwanted, length_ - i));
  }

  const BackwardJob& job_;
  const Geometry& g_;
  const RunWalk walk_;
  const bool rows_;
  bool steps_ = false;  // rows lie equally far apart, some at a time: where those of the group do
  const int64_t unit_runs_;
  const int64_t write_ahead_;  // elements from what is written to what is fetched meanwhile
  const RowBlocks blocks_;
  RunWriter<T> writer_;
  XhatMeans means_;
  double own_means_[2 * kMaxGroup];  // of units that are taken together, where the job has none
  ParameterSums parameters_ = {};
  int64_t first_ = 0;
  RowsAt<const T> x_ = {}, dy_ = {};
  RowsAt<T> dx_ = {};
  int64_t begin_ = 0, length_ = 0;      // of the parts of runs
  int64_t first_slot_ = 0, slots_ = 0;  // parameters at which runs begin
  int64_t to_slot_ = 0, to_dbeta_ = 0;  // from sums to those of the next slot, and of dbeta
  R* sums_ = nullptr;
  int64_t* counts_ = nullptr;  // runs in the sums of a slot
};

// Sums of w and w * (x - hi) of blocks [first, last) of the runs of a unit.
template <class T>
void ReduceElementRuns(const BackwardJob& job, int64_t unit, int64_t first, int64_t last, double* w,
                       double* w_x) {
  constexpr auto kWalk = RunWalk::kParts;
  job.relu ? RunBackward<T, true>(job, kWalk).SumBlocks(unit, first, last, w, w_x)
           : RunBackward<T, false>(job, kWalk).SumBlocks(unit, first, last, w, w_x);
}

template <class T>
void BackwardRuns(const BackwardJob& job, const RunTask& task, RunWalk walk,
                  const ParameterSums& parameters) {
  job.relu ? RunBackward<T, true>(job, walk).Run(task, parameters)
           : RunBackward<T, false>(job, walk).Run(task, parameters);
}

}  // namespace HWY_NAMESPACE
}  // namespace normkit::norm::cpu
HWY_AFTER_NAMESPACE();

#endif  // NORMKIT_GRADIENT_RUNS_INL_H_
