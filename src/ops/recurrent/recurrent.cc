#include "src/ops/recurrent/recurrent.h"

#include <algorithm>
#include <utility>

#include "src/core/fail.h"
#include "src/onednn/inner_product.h"
#include "src/ops/pieces.h"
#include "src/ops/recurrent/directions.h"
#include "src/products/row_product.h"

namespace normkit::ops {
namespace {

using recurrent::Course;
using recurrent::RecurrentBackward;
using recurrent::RecurrentForward;
using recurrent::RecurrentKept;
using recurrent::RecurrentShape;
using recurrent::RecurrentState;

// Where inputs stand.
struct RecurrentInputs {
  static constexpr size_t kNone = 1000;
  size_t h = 1, c = 2;
  size_t first;  // of the parameters
  size_t input, recurrent, bias;
  size_t last;   // the projection, or the second bias
  size_t norms;  // scale of the recurrent product, scale and offset of the state
  explicit RecurrentInputs(const RecurrentSettings& s)
      : first(!s.states     ? 1
              : s.is_lstm() ? 3
                            : 2),
        input(s.normalizes ? kNone : first),
        recurrent(s.normalizes ? first : first + 1),
        bias(s.normalizes ? kNone : first + 2),
        last(s.normalizes ? first + 1 : first + 3),
        norms(s.normalizes ? last + size_t{s.projects} : kNone) {}
};

// Floats that begin a cache line.
size_t RoundUp(size_t floats) { return (floats + 15) / 16 * 16; }

class RecurrentKernel : public Kernel {
 public:
  RecurrentKernel(const RecurrentSettings& settings, const RecurrentShape& shape, const Layout& x,
                  int64_t observations, const Preparation& how)
      : s_(settings),
        shape_(shape),
        at_(settings),
        rows_(x.axes()[0].size),
        observations_(observations),
        cut_(x, how.part, how.time),
        state_cut_(Layout({{kB, observations}, {kC, 1}}), how.part, how.time),
        courses_(settings, rows_, how.time) {}

  size_t saved_bytes() const override { return (D() * KeptFloats() + OwnH()) * sizeof(float); }
  size_t forward_scratch_bytes() const override {
    return (D() * PackedFloats() + OwnH()) * sizeof(float);
  }
  size_t backward_scratch_bytes() const override {
    return (D() * BackwardFloats() + SharedFloats()) * sizeof(float);
  }
  // The sums of an LSTM that normalizes are kept as its gates.
  bool needs_input(size_t i) const override { return i != at_.bias && !(s_.normalizes && i == 0); }
  bool needs_output(size_t i) const override { return i == 0 && !s_.last; }
  bool adds(size_t i) const override { return i == 0 || (i < at_.first && !s_.shared_states); }

  void Forward(const ForwardContext& context) override {
    if (courses_.idle()) return ForwardOfNone(context);
    courses_.Read();
    auto* scratch = reinterpret_cast<float*>(context.scratch);
    RecurrentForward runs[2];
    for (size_t d = 0; d < D(); ++d) runs[d] = ForwardOf(context, d, scratch);
    const auto packed = [&](int64_t d) {
      return scratch + static_cast<size_t>(d) * PackedFloats();
    };
    ParallelFor(s_.directions(), WorthThreads(), [&](int64_t d) { runs[d].Pack(packed(d)); });
    courses_.ForGroups(WorthThreads(), [&](int64_t d, std::span<const Course> group) {
      runs[d].Run(packed(d), group);
    });
    for (size_t d = 0; d < D() && s_.last; ++d) GatherLast(d, runs[d].h, context.y());
  }

  void Backward(const BackwardContext& context) override {
    auto* scratch = reinterpret_cast<float*>(context.scratch);
    BackwardArrays arrays[2];
    for (size_t d = 0; d < D(); ++d) arrays[d] = ArraysOf(context, d, scratch);
    if (courses_.idle()) {
      for (size_t d = 0; d < D(); ++d) BackwardOfNone(arrays[d]);
    } else {
      courses_.Read();
      ParallelFor(s_.directions(), WorthThreads(),
                  [&](int64_t d) { arrays[d].run.Pack(arrays[d].packed); });
      courses_.ForGroups(WorthThreads(), [&](int64_t d, std::span<const Course> group) {
        arrays[d].run.Run(arrays[d].packed, group);
      });
    }
    for (size_t d = 0; d < D(); ++d) {
      if (context.dx(0)) InputGradient(context, d, arrays[d]);
      WeightGradients(context, d, arrays[d]);
    }
    if (s_.shared_states) SharedStateGradients(context, scratch + D() * BackwardFloats());
  }

 private:
  // Of one direction, in the scratch memory.
  struct BackwardArrays {
    RecurrentBackward run;
    float* packed;        // for it
    float* packed_input;  // for the gradient of x
    float* h_before;      // [rows, outputs], of which the recurrent products were
    float* ones;          // [rows], where it normalizes
    float* own;           // the arrays that `run` writes, and how many floats they are
    size_t own_floats;
  };

  size_t D() const { return static_cast<size_t>(s_.directions()); }
  int64_t gates() const { return shape_.gates(); }
  int64_t h_step() const { return s_.directions() * shape_.outputs; }
  size_t Of(int64_t width) const { return RoundUp(static_cast<size_t>(rows_ * width)); }
  size_t KeptFloats() const { return RoundUp(RecurrentKept::Size(shape_, rows_)); }
  size_t PackedFloats() const { return RoundUp(RecurrentForward::Scratch(shape_)); }
  // h of all rows, where it is no output.
  size_t OwnH() const { return s_.last ? Of(h_step()) : 0; }
  bool WorthThreads() const {
    constexpr int64_t kParallelProducts = 1 << 17;
    return rows_ * gates() * (shape_.inputs + shape_.outputs) >= kParallelProducts;
  }

  recurrent::RecurrentWeights WeightsOf(std::span<const void* const> inputs, size_t d) const {
    const auto of = [&](size_t i, int64_t size) {
      const auto* values = i < inputs.size() ? static_cast<const float*>(inputs[i]) : nullptr;
      return values ? values + static_cast<int64_t>(d) * size : nullptr;
    };
    return {of(at_.input, gates() * shape_.inputs),
            of(at_.recurrent, gates() * shape_.outputs),
            of(at_.bias, gates()),
            s_.projects ? of(at_.last, shape_.outputs * shape_.hidden) : nullptr,
            s_.recurrent_bias ? of(at_.last, gates()) : nullptr,
            of(at_.norms, gates()),
            of(at_.norms + 1, shape_.hidden),
            of(at_.norms + 2, shape_.hidden)};
  }

  // Of a direction, in arrays [B, directions ..]. `array`(i) is that of the i-th: h, c.
  template <class T, class F>
  RecurrentState<T> StateOf(size_t d, const F& array) const {
    const auto direction = static_cast<int64_t>(d);
    T *h = array(0), *c = s_.is_lstm() ? array(1) : nullptr;
    return {h ? h + direction * shape_.outputs : nullptr,
            c ? c + direction * shape_.hidden : nullptr, h_step(), s_.directions() * shape_.hidden};
  }
  RecurrentState<const float> BeginOf(std::span<const void* const> inputs, size_t d) const {
    if (!s_.states) return {};
    RecurrentState<const float> begin = StateOf<const float>(
        d, [&](size_t i) { return static_cast<const float*>(inputs[at_.h + i]); });
    if (s_.shared_states) begin.h_step = begin.c_step = 0;
    return begin;
  }
  // The i-th of h, c.
  int64_t StateWidth(size_t i) const {
    return s_.directions() * (i == 0 ? shape_.outputs : shape_.hidden);
  }
  // Of states that all observations share: what each adds to their gradients, and ones.
  size_t SharedFloats() const {
    if (!s_.shared_states) return 0;
    return RoundUp(static_cast<size_t>(observations_ * (StateWidth(0) + StateWidth(1) + 1)));
  }

  float* KeptMemory(const std::byte* saved) const {
    return const_cast<float*>(reinterpret_cast<const float*>(saved));
  }

  RecurrentForward ForwardOf(const ForwardContext& context, size_t d, float* scratch) const {
    RecurrentForward run;
    run.shape = shape_;
    run.x = context.x() + (s_.normalizes ? static_cast<int64_t>(d) * gates() : 0);
    run.weights = WeightsOf(context.inputs, d);
    run.begin = BeginOf(context.inputs, d);
    float* h = !s_.last        ? context.y()
               : context.saved ? KeptMemory(context.saved) + D() * KeptFloats()
                               : scratch + D() * PackedFloats();
    run.h = h + static_cast<int64_t>(d) * shape_.outputs;
    run.h_step = h_step();
    if (context.saved)
      run.kept = RecurrentKept::In(KeptMemory(context.saved) + d * KeptFloats(), shape_, rows_);
    if (s_.end_states) run.end = StateOf<float>(d, [&](size_t i) { return context.y(1 + i); });
    return run;
  }

  void GatherLast(size_t d, const float* h, float* y) const {
    courses_.ForCourses(static_cast<int64_t>(d), false, [&](const Course& course) {
      std::copy_n(h + course.Row(course.length - 1) * h_step(), shape_.outputs,
                  y + course.observation * h_step() + static_cast<int64_t>(d) * shape_.outputs);
    });
  }

  // One row for which nothing is computed.
  void ForwardOfNone(const ForwardContext& context) const {
    for (size_t i = 0; i < context.outputs.size(); ++i)
      if (context.outputs[i])
        std::fill_n(context.y(i), s_.directions() * (i == 2 ? shape_.hidden : shape_.outputs), 0.f);
  }
  void BackwardOfNone(const BackwardArrays& arrays) const {
    std::fill_n(arrays.own, arrays.own_floats, 0.f);
    const RecurrentBackward& run = arrays.run;
    if (run.dbegin.h && !run.add_h) std::fill_n(run.dbegin.h, shape_.outputs, 0.f);
    if (run.dbegin.c && !run.add_c) std::fill_n(run.dbegin.c, shape_.hidden, 0.f);
  }

  // Widths of dgates, drecurrent, dcandidate, dprojected and the three of what normalizes.
  std::array<int64_t, 7> OwnWidths() const {
    const int64_t hidden = shape_.hidden, projected = s_.projects ? shape_.outputs : 0;
    if (s_.normalizes) return {gates(), gates(), 0, projected, gates(), hidden, hidden};
    if (s_.is_lstm()) return {gates(), 0, 0, projected};
    return {gates(), (s_.resets_before ? 2 : 3) * hidden, s_.resets_before ? hidden : 0};
  }
  size_t OwnFloats() const {
    size_t floats = 0;
    for (const int64_t width : OwnWidths()) floats += Of(width);
    return floats;
  }
  size_t PackedInputFloats() const {
    return s_.normalizes ? 0 : RoundUp(products::PackedSize(shape_.inputs, gates()));
  }
  size_t BackwardFloats() const {
    return RoundUp(RecurrentBackward::Scratch(shape_)) + PackedInputFloats() + OwnFloats() +
           Of(shape_.outputs) + (s_.normalizes ? Of(1) : 0);
  }

  BackwardArrays ArraysOf(const BackwardContext& context, size_t d, float* scratch) const {
    float* shared = scratch + D() * BackwardFloats();
    float* memory = scratch + d * BackwardFloats();
    const auto take = [&](size_t floats) { return std::exchange(memory, memory + floats); };
    BackwardArrays arrays;
    arrays.packed = take(RoundUp(RecurrentBackward::Scratch(shape_)));
    arrays.packed_input = take(PackedInputFloats());
    arrays.h_before = take(Of(shape_.outputs));
    arrays.ones = take(s_.normalizes ? Of(1) : 0);
    arrays.own = memory;
    arrays.own_floats = OwnFloats();
    RecurrentBackward& run = arrays.run;
    const std::array<int64_t, 7> widths = OwnWidths();
    run.dgates = take(Of(widths[0]));
    run.drecurrent = take(Of(widths[1]));
    run.dcandidate = take(Of(widths[2]));
    run.dprojected = take(Of(widths[3]));
    run.drecurrent_scale = take(Of(widths[4]));
    run.dcell_scale = take(Of(widths[5]));
    run.dcell_offset = take(Of(widths[6]));
    run.shape = shape_;
    run.weights = WeightsOf(context.inputs, d);
    run.begin = BeginOf(context.inputs, d);
    float* kept = KeptMemory(context.saved);
    run.kept = RecurrentKept::In(kept + d * KeptFloats(), shape_, rows_);
    run.h = (s_.last ? kept + D() * KeptFloats() : context.y()) +
            static_cast<int64_t>(d) * shape_.outputs;
    run.h_step = h_step();
    run.dh = context.dy() ? context.dy() + static_cast<int64_t>(d) * shape_.outputs : nullptr;
    run.dh_step = h_step();
    run.of_last_row = s_.last;
    if (s_.end_states)
      run.dend = StateOf<const float>(d, [&](size_t i) { return context.dy(1 + i); });
    if (s_.states) {
      run.dbegin = StateOf<float>(d, [&](size_t i) {
        float* dx = context.dx(at_.h + i);
        return dx && s_.shared_states ? shared + SharedBegin(i) : dx;
      });
      run.add_h = !s_.shared_states && context.add[at_.h];
      run.add_c = !s_.shared_states && context.add[at_.c];
    }
    return arrays;
  }

  // dx = dgates W, of both directions; or their gates side by side.
  void InputGradient(const BackwardContext& context, size_t d, const BackwardArrays& arrays) const {
    if (s_.normalizes) return GatesGradient(context, d, arrays.run.dgates);
    products::PackWeights(arrays.run.weights.input,
                          products::WeightOrder::Back(gates(), shape_.inputs), arrays.packed_input);
    const products::RowProduct product{
        arrays.packed_input, shape_.inputs, gates(),
        d > 0 || context.add[0] ? products::Begin::kThere : products::Begin::kZeros};
    product.RunAll(arrays.run.dgates, gates(), context.dx(0), shape_.inputs, rows_);
  }

  void GatesGradient(const BackwardContext& context, size_t d, const float* dgates) const {
    float* dx = context.dx(0) + static_cast<int64_t>(d) * gates();
    ForRowPieces(rows_, gates(), [&](int64_t row) {
      const float* from = dgates + row * gates();
      Store(dx + row * shape_.inputs, 0, gates(), context.add[0],
            [=](int64_t k) { return from[k]; });
    });
  }

  void WeightGradients(const BackwardContext& context, size_t d, const BackwardArrays& arrays) {
    const RecurrentBackward& run = arrays.run;
    const int64_t hidden = shape_.hidden, outputs = shape_.outputs;
    // Of `size` numbers of a direction, `from` on.
    const auto to = [&](size_t i, int64_t size, int64_t from = 0) {
      float* values = i < context.dinputs.size() ? context.dx(i) : nullptr;
      return values ? values + static_cast<int64_t>(d) * size + from : nullptr;
    };
    const auto multiply = [&](const float* x, int64_t inputs, const float* dy, int64_t width,
                              float* dweights, float* dbias = nullptr) {
      if (dweights || dbias)
        InnerProduct({rows_, inputs, width}, cut_)
            .BackwardWeights(x, dy, context.run.reducer, dweights, dbias);
    };
    multiply(context.x(), shape_.inputs, run.dgates, gates(),
             to(at_.input, gates() * shape_.inputs), to(at_.bias, gates()));
    const int64_t size = gates() * outputs;
    float* drecurrent = to(at_.recurrent, size);
    if (drecurrent) CopyBefore(d, arrays);
    if (s_.normalizes) {  // sums over rows, as products with ones
      std::fill_n(arrays.ones, rows_, 1.f);
      multiply(arrays.ones, 1, run.drecurrent_scale, gates(), to(at_.norms, gates()));
      multiply(arrays.ones, 1, run.dcell_scale, hidden, to(at_.norms + 1, hidden));
      multiply(arrays.ones, 1, run.dcell_offset, hidden, to(at_.norms + 2, hidden));
    }
    if (s_.is_lstm()) {
      multiply(arrays.h_before, outputs, s_.normalizes ? run.drecurrent : run.dgates, gates(),
               drecurrent);
      if (s_.projects)
        multiply(run.kept.unprojected, hidden, run.dprojected, outputs,
                 to(at_.last, outputs * hidden));
    } else if (s_.resets_before) {
      multiply(arrays.h_before, hidden, run.drecurrent, 2 * hidden, drecurrent);
      multiply(run.kept.candidate, hidden, run.dcandidate, hidden,
               to(at_.recurrent, size, 2 * hidden * hidden));
    } else {
      multiply(arrays.h_before, hidden, run.drecurrent, gates(), drecurrent,
               s_.recurrent_bias ? to(at_.last, gates()) : nullptr);
    }
  }

  int64_t SharedBegin(size_t i) const { return i == 0 ? 0 : observations_ * StateWidth(0); }

  // Sums over observations, as products with ones.
  void SharedStateGradients(const BackwardContext& context, float* shared) const {
    float* ones = shared + SharedBegin(1) + observations_ * StateWidth(1);
    std::fill_n(ones, observations_, 1.f);
    for (size_t i = 0; i < (s_.is_lstm() ? 2 : 1); ++i)
      if (float* sum = context.dx(at_.h + i))
        InnerProduct({observations_, 1, StateWidth(i)}, state_cut_)
            .BackwardWeights(ones, shared + SharedBegin(i), context.run.reducer, sum, nullptr);
  }

  // What each row's recurrent product was of.
  void CopyBefore(size_t d, const BackwardArrays& arrays) const {
    const int64_t outputs = shape_.outputs;
    const RecurrentBackward& run = arrays.run;
    if (courses_.idle()) {
      std::fill_n(arrays.h_before, rows_ * outputs, 0.f);
      return;
    }
    courses_.ForCourses(static_cast<int64_t>(d), WorthThreads(), [&](const Course& course) {
      float* first = arrays.h_before + course.Row(0) * outputs;
      if (run.begin.h)
        std::copy_n(run.begin.h + course.observation * run.begin.h_step, outputs, first);
      else
        std::fill_n(first, outputs, 0.f);
      for (int64_t t = 1; t < course.length; ++t)
        std::copy_n(run.h + course.Row(t - 1) * h_step(), outputs,
                    arrays.h_before + course.Row(t) * outputs);
    });
  }

  const RecurrentSettings s_;
  const RecurrentShape shape_;
  const RecurrentInputs at_;
  const int64_t rows_, observations_;
  const RowCut cut_, state_cut_;
  DirectionCourses courses_;
};

class RecurrentOp : public Op {
 public:
  explicit RecurrentOp(const RecurrentSettings& settings) : s_(settings), at_(settings) {}
  std::string_view name() const override { return s_.is_lstm() ? "LSTM" : "GRU"; }

  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    if (x.format() != "TC")
      Fail("input is {}, expected rows of sequences, TC [rows,channels]", x.ToString());
    const RecurrentShape shape = Shape(inputs);
    const int64_t D = s_.directions(), width = D * shape.outputs;
    CheckWeights(inputs, shape);
    if (s_.shared_states) {
      Check(inputs, at_.h, "hidden states", {width});
      if (s_.is_lstm()) Check(inputs, at_.c, "cell states", {D * shape.hidden});
    } else if (s_.states) {
      const int64_t rows = inputs[at_.h].type.shape.axes()[0].size;  // in Prepare: observations
      Check(inputs, at_.h, "hidden states", {rows, width});
      if (s_.is_lstm()) Check(inputs, at_.c, "cell states", {rows, D * shape.hidden});
    }
    const auto of = [](Dim label, int64_t rows, int64_t channels) {
      return ArrayType{DType::kF32, Layout({{label, rows}, {kC, channels}})};
    };
    const int64_t B = inputs[0].observations;
    std::vector<ArrayType> types{s_.last ? of(kB, B, width) : of(kT, x.axes()[0].size, width)};
    if (s_.end_states) types.push_back(of(kB, B, width));
    if (s_.end_states && s_.is_lstm()) types.push_back(of(kB, B, D * shape.hidden));
    return types;
  }

  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    for (size_t i = at_.h; i < at_.first && !s_.shared_states; ++i)
      if (inputs[i].type.shape.axes()[0].size != inputs[0].observations)
        Fail("states are {}, expected those of {} observations", inputs[i].type.shape.ToString(),
             inputs[0].observations);
    return std::make_unique<RecurrentKernel>(s_, Shape(inputs), inputs[0].type.shape,
                                             inputs[0].observations, how);
  }

 private:
  static void Check(std::span<const OpInput> inputs, size_t i, const char* what,
                    const std::vector<int64_t>& expected) {
    const Layout& given = inputs[i].type.shape;
    if (given.shape() != expected)
      Fail("{} are {}, expected [{}]", what, given.ToString(), fmt::join(expected, ","));
  }
  void CheckWeights(std::span<const OpInput> inputs, const RecurrentShape& shape) const {
    const int64_t all = s_.directions() * shape.gates();
    if (s_.normalizes) {
      Check(inputs, 0, "sums of the gates", {inputs[0].type.shape.axes()[0].size, all});
      Check(inputs, at_.norms, "scales", {all});
      Check(inputs, at_.norms + 1, "scales of the state", {s_.directions() * shape.hidden});
      Check(inputs, at_.norms + 2, "offsets of the state", {s_.directions() * shape.hidden});
    } else {
      Check(inputs, at_.input, "input weights", {all, shape.inputs});
      Check(inputs, at_.bias, "biases", {all});
    }
    if (s_.projects)
      Check(inputs, at_.last, "weights of the projection",
            {s_.directions() * shape.outputs, shape.hidden});
    if (s_.recurrent_bias) Check(inputs, at_.last, "recurrent biases", {all});
  }

  RecurrentShape Shape(std::span<const OpInput> inputs) const {
    const std::vector<Axis>& weights = inputs[at_.recurrent].type.shape.axes();
    return {.cell = s_.cell,
            .inputs = inputs[0].type.shape.axes()[1].size,
            .hidden = weights[0].size / s_.gates() / s_.directions(),
            .outputs = weights[1].size,
            .projects = s_.projects,
            .resets_before = s_.resets_before,
            .normalizes = s_.normalizes,
            .functions = s_.functions};
  }

  const RecurrentSettings s_;
  const RecurrentInputs at_;
};

}  // namespace

OpPtr Recurrent(const RecurrentSettings& settings) {
  return std::make_shared<RecurrentOp>(settings);
}

}  // namespace normkit::ops
