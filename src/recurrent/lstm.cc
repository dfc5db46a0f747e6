#include "src/recurrent/lstm.h"

#include "src/core/scratch.h"
#include "src/products/row_product.h"

namespace normkit::recurrent {
namespace {

using products::Begin;
using products::PackedSize;
using products::PackWeights;
using products::RowProduct;
using products::WeightOrder;

// Rows whose products with the input weights are computed at once: enough to read the weights
// seldom, few enough to stay in the cache until their steps come.
constexpr int64_t kChunkRows = 64;

struct PointersTag;
struct NumbersTag;

// Arrays of pointers to rows, and rows of numbers, of one thread.
class RowLists {
 public:
  RowLists(int64_t lists, int64_t longest)
      : longest_(longest),
        memory_(Scratch<PointersTag, float*>(static_cast<size_t>(lists * longest))) {}
  float** Take() {
    float** list = memory_;
    memory_ += longest_;
    return list;
  }

 private:
  int64_t longest_;
  float** memory_;
};

// Steps [begin, end) of a group, of which `alive` have the first.
struct Chunk {
  int64_t begin, end, alive;
};

template <class F>
void ForChunks(std::span<const Course> group, const F& f) {
  const int64_t longest = group[0].length;
  for (int64_t begin = 0; begin < longest;) {
    const int64_t alive = CountAlive(group, begin),
                  end = std::min(longest, begin + std::max<int64_t>(1, kChunkRows / alive));
    f(Chunk{begin, end, alive});
    begin = end;
  }
}

}  // namespace

LstmKept LstmKept::In(float* memory, const LstmShape& shape, int64_t rows) {
  LstmKept kept;
  kept.gates = memory;
  kept.c = kept.gates + rows * shape.gates();
  kept.state_c = kept.c + rows * shape.hidden;
  if (shape.projects) kept.unprojected = kept.state_c + rows * shape.hidden;
  return kept;
}

size_t LstmKeptSize(const LstmShape& shape, int64_t rows) {
  return static_cast<size_t>(rows * shape.hidden * (shape.projects ? 7 : 6));
}

size_t LstmForwardScratch(const LstmShape& s) {
  return PackedSize(s.gates(), s.inputs) + PackedSize(s.gates(), s.outputs) +
         (s.projects ? PackedSize(s.outputs, s.hidden) : 0);
}

namespace {

// Packed weights in one memory.
struct ForwardProducts {
  RowProduct input, recurrent, projection;
  ForwardProducts(const LstmForward& lstm, const float* scratch) {
    const LstmShape& s = lstm.shape;
    input = {scratch, s.gates(), s.inputs, Begin::kBias, lstm.weights.bias};
    scratch += PackedSize(s.gates(), s.inputs);
    recurrent = {scratch, s.gates(), s.outputs, Begin::kThere};
    projection = {scratch + PackedSize(s.gates(), s.outputs), s.outputs, s.hidden};
  }
};

// One group forward.
class ForwardGroup {
 public:
  ForwardGroup(const LstmForward& lstm, const float* scratch, std::span<const Course> group)
      : lstm_(lstm),
        s_(lstm.shape),
        products_(lstm, scratch),
        group_(group),
        size_(std::ssize(group)),
        chunk_(std::max(size_, kChunkRows)),
        lists_(7, chunk_) {
    const int64_t hidden = s_.hidden,
                  own = lstm.kept.gates ? 0 : chunk_ * s_.gates() + size_ * hidden;
    numbers_ = Scratch<NumbersTag, float>(static_cast<size_t>(own + hidden + size_ * hidden));
    zeros_ = numbers_ + own;
    unprojected_ = zeros_ + hidden;
    std::fill_n(zeros_, hidden, 0.f);
    x_ = lists_.Take(), gates_ = lists_.Take(), h_before_ = lists_.Take(),
    c_before_ = lists_.Take();
    c_ = lists_.Take(), state_c_ = lists_.Take(), out_ = lists_.Take();
  }

  void Run() {
    ForChunks(group_, [&](const Chunk& chunk) {
      MultiplyInputs(chunk);
      int64_t done = 0, alive = chunk.alive;
      for (int64_t t = chunk.begin; t < chunk.end; ++t) {
        while (group_[static_cast<size_t>(alive - 1)].length <= t) --alive;
        Step(t, alive, gates_ + done);
        done += alive;
      }
    });
    End();
  }

 private:
  template <class F>
  void ForAlive(int64_t alive, const F& f) const {
    for (int64_t i = 0; i < alive; ++i) f(i, group_[static_cast<size_t>(i)]);
  }

  // Of all rows of a chunk.
  void MultiplyInputs(const Chunk& chunk) {
    int64_t count = 0;
    for (int64_t t = chunk.begin; t < chunk.end; ++t)
      ForAlive(CountAlive(group_, t), [&](int64_t, const Course& course) {
        x_[count] = const_cast<float*>(lstm_.x) + course.Row(t) * s_.inputs;
        gates_[count] = lstm_.kept.gates ? lstm_.kept.gates + course.Row(t) * s_.gates()
                                         : numbers_ + count * s_.gates();
        ++count;
      });
    products_.input.Run(x_, gates_, count);
  }

  float* H(const Course& course, int64_t t) const { return lstm_.h + course.Row(t) * lstm_.h_step; }
  // Of the i-th of the group. In prediction one row for all steps.
  float* C(int64_t i, const Course& course, int64_t t) const {
    return lstm_.kept.c ? lstm_.kept.c + course.Row(t) * s_.hidden
                        : numbers_ + chunk_ * s_.gates() + i * s_.hidden;
  }

  void Step(int64_t t, int64_t alive, float** gates) {
    const auto& begin = lstm_.begin;
    const auto own = [](const float* row) { return const_cast<float*>(row); };
    ForAlive(alive, [&](int64_t i, const Course& course) {
      const int64_t b = course.observation;
      if (t > 0) {
        h_before_[i] = H(course, t - 1);
        c_before_[i] = C(i, course, t - 1);
      } else {
        if (begin.h) h_before_[i] = own(begin.h) + b * begin.h_step;
        c_before_[i] = begin.c ? own(begin.c) + b * begin.c_step : zeros_;
      }
      c_[i] = C(i, course, t);
      if (lstm_.kept.state_c) state_c_[i] = lstm_.kept.state_c + course.Row(t) * s_.hidden;
      out_[i] = H(course, t);
      if (s_.projects)
        out_[i] = lstm_.kept.unprojected ? lstm_.kept.unprojected + course.Row(t) * s_.hidden
                                         : unprojected_ + i * s_.hidden;
    });
    if (t > 0 || begin.h) products_.recurrent.Run(h_before_, gates, alive);
    LstmCells{s_.functions, s_.hidden, gates,
              c_before_,    c_,        lstm_.kept.state_c ? state_c_ : nullptr,
              out_}
        .Forward(alive);
    if (!s_.projects) return;
    ForAlive(alive, [&](int64_t i, const Course& course) { h_before_[i] = H(course, t); });
    products_.projection.Run(out_, h_before_, alive);
  }

  void End() const {
    const auto& end = lstm_.end;
    ForAlive(size_, [&](int64_t i, const Course& course) {
      const int64_t last = course.length - 1, b = course.observation;
      if (end.h) std::copy_n(H(course, last), s_.outputs, end.h + b * end.h_step);
      if (end.c) std::copy_n(C(i, course, last), s_.hidden, end.c + b * end.c_step);
    });
  }

  const LstmForward& lstm_;
  const LstmShape& s_;
  const ForwardProducts products_;
  const std::span<const Course> group_;
  const int64_t size_, chunk_;
  RowLists lists_;
  float *numbers_, *zeros_, *unprojected_;
  float **x_, **gates_, **h_before_, **c_before_, **c_, **state_c_, **out_;
};

}  // namespace

void PackLstm(const LstmForward& lstm, float* scratch) {
  const LstmShape& s = lstm.shape;
  PackWeights(lstm.weights.input, WeightOrder::Of(s.gates(), s.inputs), scratch);
  scratch += PackedSize(s.gates(), s.inputs);
  PackWeights(lstm.weights.recurrent, WeightOrder::Of(s.gates(), s.outputs), scratch);
  scratch += PackedSize(s.gates(), s.outputs);
  if (s.projects)
    PackWeights(lstm.weights.projection, WeightOrder::Of(s.outputs, s.hidden), scratch);
}

void RunLstm(const LstmForward& lstm, const float* scratch, std::span<const Course> group) {
  if (!group.empty()) ForwardGroup(lstm, scratch, group).Run();
}

// ---- Backward -----------------------------------------------------------------------------------

size_t LstmBackwardScratch(const LstmShape& s) {
  return PackedSize(s.outputs, s.gates()) + (s.projects ? PackedSize(s.hidden, s.outputs) : 0);
}

void PackLstm(const LstmBackward& lstm, float* scratch) {
  const LstmShape& s = lstm.shape;
  PackWeights(lstm.weights.recurrent, WeightOrder::Back(s.gates(), s.outputs), scratch);
  if (s.projects)
    PackWeights(lstm.weights.projection, WeightOrder::Back(s.outputs, s.hidden),
                scratch + PackedSize(s.outputs, s.gates()));
}

namespace {

class BackwardGroup {
 public:
  BackwardGroup(const LstmBackward& lstm, const float* scratch, std::span<const Course> group)
      : lstm_(lstm),
        s_(lstm.shape),
        recurrent_{scratch, s_.outputs, s_.gates()},
        projection_{scratch + PackedSize(s_.outputs, s_.gates()), s_.hidden, s_.outputs},
        group_(group),
        size_(std::ssize(group)),
        lists_(9, size_) {
    const int64_t width = std::max(s_.hidden, s_.outputs);
    dh_ = Scratch<NumbersTag, float>(static_cast<size_t>((3 * size_ + 1) * width));
    dc_ = dh_ + size_ * width;
    dout_ = dc_ + size_ * width;
    zeros_ = dout_ + size_ * width;
    std::fill_n(zeros_, width, 0.f);
    gates_ = lists_.Take(), c_before_ = lists_.Take(), state_c_ = lists_.Take();
    dout1_ = lists_.Take(), dout2_ = lists_.Take(), dc_rows_ = lists_.Take();
    dgates_ = lists_.Take(), dh_rows_ = lists_.Take(), dout_rows_ = lists_.Take();
  }

  void Run() {
    int64_t alive = 0;
    for (int64_t t = group_[0].length - 1; t >= 0; --t) {
      for (; alive < size_ && group_[static_cast<size_t>(alive)].length > t; ++alive) Enter(alive);
      Step(t, alive);
    }
    ForAlive(size_, [&](int64_t i, const Course& course) {
      const auto& to = lstm_.dbegin;
      const int64_t b = course.observation;
      const auto give = [](const float* from, int64_t n, bool add, float* into) {
        for (int64_t k = 0; k < n; ++k) into[k] = add ? into[k] + from[k] : from[k];
      };
      if (to.h) give(Dh(i), s_.outputs, lstm_.add_h, to.h + b * to.h_step);
      if (to.c) give(Dc(i), s_.hidden, lstm_.add_c, to.c + b * to.c_step);
    });
  }

 private:
  template <class F>
  void ForAlive(int64_t alive, const F& f) const {
    for (int64_t i = 0; i < alive; ++i) f(i, group_[static_cast<size_t>(i)]);
  }
  float* Dh(int64_t i) const { return dh_ + i * s_.outputs; }
  float* Dc(int64_t i) const { return dc_ + i * s_.hidden; }

  // An observation at its last step.
  void Enter(int64_t i) const {
    const auto& end = lstm_.dend;
    const int64_t b = group_[static_cast<size_t>(i)].observation;
    const auto begin = [](const float* from, int64_t n, float* to) {
      if (from)
        std::copy_n(from, n, to);
      else
        std::fill_n(to, n, 0.f);
    };
    begin(end.h ? end.h + b * end.h_step : nullptr, s_.outputs, Dh(i));
    begin(end.c ? end.c + b * end.c_step : nullptr, s_.hidden, Dc(i));
  }

  // Of what the layer gives at this step.
  const float* Given(const Course& course, int64_t t) const {
    if (!lstm_.dh) return zeros_;
    if (!lstm_.of_last_row) return lstm_.dh + course.Row(t) * lstm_.dh_step;
    return t + 1 == course.length ? lstm_.dh + course.observation * lstm_.dh_step : zeros_;
  }

  void Step(int64_t t, int64_t alive) {
    const auto own = [](const float* row) { return const_cast<float*>(row); };
    const auto& begin = lstm_.begin;
    ForAlive(alive, [&](int64_t i, const Course& course) {
      const int64_t row = course.Row(t), hidden = s_.hidden;
      gates_[i] = lstm_.kept.gates + row * s_.gates();
      state_c_[i] = lstm_.kept.state_c + row * hidden;
      c_before_[i] = t > 0     ? lstm_.kept.c + course.Row(t - 1) * hidden
                     : begin.c ? own(begin.c) + course.observation * begin.c_step
                               : zeros_;
      dout1_[i] = own(Given(course, t));
      dout2_[i] = dh_rows_[i] = Dh(i);
      dc_rows_[i] = Dc(i);
      dgates_[i] = lstm_.dgates + row * s_.gates();
    });
    if (s_.projects) BackThroughProjection(t, alive);
    LstmCellGradients{s_.functions, s_.hidden, gates_,   c_before_, state_c_,
                      dout1_,       dout2_,    dc_rows_, dgates_}
        .Backward(alive);
    if (t > 0 || lstm_.dbegin.h) recurrent_.Run(dgates_, dh_rows_, alive);
  }

  // dout1 and dout2 become the gradient of what is projected, and zeros.
  void BackThroughProjection(int64_t t, int64_t alive) {
    ForAlive(alive, [&](int64_t i, const Course& course) {
      float* sum = lstm_.dprojected + course.Row(t) * s_.outputs;
      for (int64_t k = 0; k < s_.outputs; ++k) sum[k] = dout1_[i][k] + dout2_[i][k];
      dout1_[i] = sum;
      dout_rows_[i] = dout_ + i * s_.hidden;
    });
    projection_.Run(dout1_, dout_rows_, alive);
    ForAlive(alive, [&](int64_t i, const Course&) {
      dout1_[i] = dout_rows_[i];
      dout2_[i] = zeros_;
    });
  }

  const LstmBackward& lstm_;
  const LstmShape& s_;
  const RowProduct recurrent_, projection_;
  const std::span<const Course> group_;
  const int64_t size_;
  RowLists lists_;
  float *dh_, *dc_, *dout_, *zeros_;
  float **gates_, **c_before_, **state_c_, **dout1_, **dout2_, **dc_rows_, **dgates_, **dh_rows_,
      **dout_rows_;
};

}  // namespace

void RunLstm(const LstmBackward& lstm, const float* scratch, std::span<const Course> group) {
  if (!group.empty()) BackwardGroup(lstm, scratch, group).Run();
}

}  // namespace normkit::recurrent
