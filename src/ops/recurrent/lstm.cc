#include "src/recurrent/lstm.h"

#include <algorithm>

#include "src/core/fail.h"
#include "src/onednn/inner_product.h"
#include "src/ops/recurrent/directions.h"
#include "src/products/row_product.h"

namespace normkit::ops {
namespace {

using recurrent::Course;
using recurrent::LstmKept;
using recurrent::LstmShape;
using recurrent::LstmWeights;

// Where inputs stand.
struct LstmInputs {
  size_t h, c, input, recurrent, bias, projection;
  explicit LstmInputs(const RecurrentSettings& s)
      : h(1),
        c(2),
        input(s.states ? 3 : 1),
        recurrent(input + 1),
        bias(input + 2),
        projection(input + 3) {}
};

// 64 bytes, in floats.
size_t RoundUp(size_t floats) { return (floats + 15) / 16 * 16; }

class LstmKernel : public Kernel {
 public:
  LstmKernel(const RecurrentSettings& settings, const LstmShape& shape, const Layout& x,
             const Preparation& how)
      : s_(settings),
        shape_(shape),
        at_(settings),
        rows_(x.axes()[0].size),
        courses_(settings, rows_, how.time),
        input_product_({rows_, shape.inputs, shape.gates()}, RowCut(x, how.part, how.time)),
        recurrent_product_({rows_, shape.outputs, shape.gates()}, RowCut(x, how.part, how.time)),
        projection_product_({rows_, shape.hidden, shape.outputs}, RowCut(x, how.part, how.time)) {}

  size_t saved_bytes() const override {
    return (D() * RoundUp(recurrent::LstmKeptSize(shape_, rows_)) + own_h()) * sizeof(float);
  }
  size_t forward_scratch_bytes() const override {
    return (D() * RoundUp(recurrent::LstmForwardScratch(shape_)) + own_h()) * sizeof(float);
  }
  size_t backward_scratch_bytes() const override {
    return (D() * BackwardFloats()) * sizeof(float);
  }
  bool needs_input(size_t i) const override { return i != at_.bias; }
  bool needs_output(size_t i) const override { return i == 0 && !s_.last; }
  bool adds(size_t i) const override { return i < at_.input; }

  void Forward(const ForwardContext& context) override {
    if (courses_.idle()) return ForwardOfNone(context);
    courses_.Read();
    auto* scratch = reinterpret_cast<float*>(context.scratch);
    auto* saved = reinterpret_cast<float*>(context.saved);
    recurrent::LstmForward runs[2];
    float* packed[2];
    for (size_t d = 0; d < D(); ++d) {
      runs[d] = Run(context, d, H(context.y(), saved, scratch));
      packed[d] = scratch + d * RoundUp(recurrent::LstmForwardScratch(shape_));
    }
    ParallelFor(s_.directions(), WorthThreads(),
                [&](int64_t d) { recurrent::PackLstm(runs[d], packed[d]); });
    courses_.ForGroups(WorthThreads(), [&](int64_t d, std::span<const Course> group) {
      recurrent::RunLstm(runs[d], packed[d], group);
    });
    if (s_.last) GatherLast(runs, context.y());
  }

  void Backward(const BackwardContext& context) override {
    auto* scratch = reinterpret_cast<float*>(context.scratch);
    BackwardArrays arrays[2];
    for (size_t d = 0; d < D(); ++d) arrays[d] = Arrays(context, d, scratch);
    if (courses_.idle()) {
      for (size_t d = 0; d < D(); ++d) BackwardOfNone(arrays[d].run);
    } else {
      courses_.Read();
      ParallelFor(s_.directions(), WorthThreads(),
                  [&](int64_t d) { recurrent::PackLstm(arrays[d].run, arrays[d].packed); });
      courses_.ForGroups(WorthThreads(), [&](int64_t d, std::span<const Course> group) {
        recurrent::RunLstm(arrays[d].run, arrays[d].packed, group);
      });
    }
    for (size_t d = 0; d < D(); ++d) {
      if (context.dx(0)) InputGradient(context, d, arrays[d]);
      WeightGradients(context, d, arrays[d]);
    }
  }

 private:
  // Of one direction, in the scratch memory.
  struct BackwardArrays {
    recurrent::LstmBackward run;
    float* packed;        // for it
    float* packed_input;  // for the gradient of x
    float* h_before;      // [rows, outputs]
    const float* h;       // whose rows are h_step() apart
  };

  size_t D() const { return static_cast<size_t>(s_.directions()); }
  int64_t gates() const { return shape_.gates(); }
  int64_t h_step() const { return s_.directions() * shape_.outputs; }
  // h of all rows, where it is no output.
  size_t own_h() const { return s_.last ? RoundUp(static_cast<size_t>(rows_ * h_step())) : 0; }
  bool WorthThreads() const {
    constexpr int64_t kParallelProducts = 1 << 17;
    return rows_ * gates() * (shape_.inputs + shape_.outputs) >= kParallelProducts;
  }
  float* H(void* y, float* saved, float* scratch) const {
    if (!s_.last) return static_cast<float*>(y);
    return saved ? saved + D() * RoundUp(recurrent::LstmKeptSize(shape_, rows_))
                 : scratch + D() * RoundUp(recurrent::LstmForwardScratch(shape_));
  }
  LstmKept Kept(const std::byte* saved, size_t d) const {
    auto* memory = const_cast<float*>(reinterpret_cast<const float*>(saved));
    return LstmKept::In(memory + d * RoundUp(recurrent::LstmKeptSize(shape_, rows_)), shape_,
                        rows_);
  }
  LstmWeights Weights(std::span<const void* const> inputs, size_t d) const {
    const auto of = [&](size_t i, int64_t size) {
      return i < inputs.size() && inputs[i]
                 ? static_cast<const float*>(inputs[i]) + static_cast<int64_t>(d) * size
                 : nullptr;
    };
    return {of(at_.input, gates() * shape_.inputs), of(at_.recurrent, gates() * shape_.outputs),
            of(at_.bias, gates()), of(at_.projection, shape_.outputs * shape_.hidden)};
  }
  // h and c of a direction, in two arrays [B, directions ..].
  template <class T>
  recurrent::LstmState<T> State(T* h, T* c, size_t d) const {
    const auto direction = static_cast<int64_t>(d);
    return {h ? h + direction * shape_.outputs : nullptr,
            c ? c + direction * shape_.hidden : nullptr, s_.directions() * shape_.outputs,
            s_.directions() * shape_.hidden};
  }
  recurrent::LstmState<const float> BeginState(std::span<const void* const> inputs,
                                               size_t d) const {
    if (!s_.states) return {};
    return State(static_cast<const float*>(inputs[at_.h]), static_cast<const float*>(inputs[at_.c]),
                 d);
  }

  recurrent::LstmForward Run(const ForwardContext& context, size_t d, float* h) const {
    recurrent::LstmForward run;
    run.shape = shape_;
    run.x = context.x();
    run.weights = Weights(context.inputs, d);
    run.begin = BeginState(context.inputs, d);
    run.h = h + static_cast<int64_t>(d) * shape_.outputs;
    run.h_step = h_step();
    if (context.saved) run.kept = Kept(context.saved, d);
    if (s_.end_states) run.end = State(context.y(1), context.y(2), d);
    return run;
  }

  void GatherLast(const recurrent::LstmForward* runs, float* y) const {
    for (size_t d = 0; d < D(); ++d)
      courses_.ForCourses(static_cast<int64_t>(d), false, [&](const Course& course) {
        std::copy_n(runs[d].h + course.Row(course.length - 1) * h_step(), shape_.outputs,
                    y + course.observation * h_step() + static_cast<int64_t>(d) * shape_.outputs);
      });
  }

  // One row for which nothing is computed.
  void ForwardOfNone(const ForwardContext& context) const {
    for (size_t i = 0; i < context.outputs.size(); ++i)
      if (context.outputs[i])
        std::fill_n(context.y(i), s_.directions() * (i == 2 ? shape_.hidden : shape_.outputs), 0.f);
  }

  void BackwardOfNone(const recurrent::LstmBackward& run) const {
    std::fill_n(run.dgates, rows_ * gates(), 0.f);
    if (run.dprojected) std::fill_n(run.dprojected, rows_ * shape_.outputs, 0.f);
    if (run.dbegin.h && !run.add_h) std::fill_n(run.dbegin.h, shape_.outputs, 0.f);
    if (run.dbegin.c && !run.add_c) std::fill_n(run.dbegin.c, shape_.hidden, 0.f);
  }

  size_t BackwardFloats() const {
    const auto rows = static_cast<size_t>(rows_), outputs = static_cast<size_t>(shape_.outputs);
    return RoundUp(recurrent::LstmBackwardScratch(shape_)) +
           RoundUp(products::PackedSize(shape_.inputs, gates())) +
           RoundUp(rows * static_cast<size_t>(gates())) +
           (shape_.projects ? 2 : 1) * RoundUp(rows * outputs);
  }

  BackwardArrays Arrays(const BackwardContext& context, size_t d, float* scratch) const {
    BackwardArrays arrays;
    const auto rows = static_cast<size_t>(rows_), outputs = static_cast<size_t>(shape_.outputs);
    float* memory = scratch + d * BackwardFloats();
    const auto take = [&](size_t floats) {
      return std::exchange(memory, memory + RoundUp(floats));
    };
    arrays.packed = take(recurrent::LstmBackwardScratch(shape_));
    arrays.packed_input = take(products::PackedSize(shape_.inputs, gates()));
    recurrent::LstmBackward& run = arrays.run;
    run.shape = shape_;
    run.weights = Weights(context.inputs, d);
    run.begin = BeginState(context.inputs, d);
    run.kept = Kept(context.saved, d);
    run.dh = context.dy() ? context.dy() + static_cast<int64_t>(d) * shape_.outputs : nullptr;
    run.dh_step = h_step();
    run.of_last_row = s_.last;
    if (s_.end_states) run.dend = State(context.dy(1), context.dy(2), d);
    run.dgates = take(rows * static_cast<size_t>(gates()));
    arrays.h_before = take(rows * outputs);
    run.dprojected = shape_.projects ? take(rows * outputs) : nullptr;
    if (s_.states) {
      run.dbegin = State(context.dx(at_.h), context.dx(at_.c), d);
      run.add_h = context.add[at_.h], run.add_c = context.add[at_.c];
    }
    const auto* h = s_.last ? reinterpret_cast<const float*>(context.saved) +
                                  D() * RoundUp(recurrent::LstmKeptSize(shape_, rows_))
                            : context.y();
    arrays.h = h + static_cast<int64_t>(d) * shape_.outputs;
    return arrays;
  }

  // dx = dgates W, of both directions.
  void InputGradient(const BackwardContext& context, size_t d, const BackwardArrays& arrays) const {
    products::PackWeights(arrays.run.weights.input,
                          products::WeightOrder::Back(gates(), shape_.inputs), arrays.packed_input);
    const products::RowProduct product{
        arrays.packed_input, shape_.inputs, gates(),
        d > 0 || context.add[0] ? products::Begin::kThere : products::Begin::kZeros};
    product.RunAll(arrays.run.dgates, gates(), context.dx(0), shape_.inputs, rows_);
  }

  void WeightGradients(const BackwardContext& context, size_t d, const BackwardArrays& arrays) {
    const auto of = [&](size_t i, int64_t size) {
      float* to = i < context.dinputs.size() ? context.dx(i) : nullptr;
      return to ? to + static_cast<int64_t>(d) * size : nullptr;
    };
    const recurrent::LstmBackward& run = arrays.run;
    Reducer* reducer = context.run.reducer;
    if (float* dweights = of(at_.input, gates() * shape_.inputs))
      input_product_.BackwardWeights(context.x(), run.dgates, reducer, dweights,
                                     of(at_.bias, gates()));
    if (float* dweights = of(at_.recurrent, gates() * shape_.outputs)) {
      CopyBefore(d, arrays);
      recurrent_product_.BackwardWeights(arrays.h_before, run.dgates, reducer, dweights, nullptr);
    }
    if (float* dweights = of(at_.projection, shape_.outputs * shape_.hidden))
      projection_product_.BackwardWeights(run.kept.unprojected, run.dprojected, reducer, dweights,
                                          nullptr);
  }

  // What each row's recurrent product was of.
  void CopyBefore(size_t d, const BackwardArrays& arrays) const {
    const int64_t outputs = shape_.outputs;
    const auto& begin = arrays.run.begin;
    if (courses_.idle()) return std::fill_n(arrays.h_before, rows_ * outputs, 0.f), void();
    courses_.ForCourses(static_cast<int64_t>(d), WorthThreads(), [&](const Course& course) {
      float* first = arrays.h_before + course.Row(0) * outputs;
      if (begin.h)
        std::copy_n(begin.h + course.observation * begin.h_step, outputs, first);
      else
        std::fill_n(first, outputs, 0.f);
      for (int64_t t = 1; t < course.length; ++t)
        std::copy_n(arrays.h + course.Row(t - 1) * h_step(), outputs,
                    arrays.h_before + course.Row(t) * outputs);
    });
  }

  const RecurrentSettings s_;
  const LstmShape shape_;
  const LstmInputs at_;
  const int64_t rows_;
  DirectionCourses courses_;
  const InnerProduct input_product_, recurrent_product_, projection_product_;
};

class LstmOp : public Op {
 public:
  LstmOp(const RecurrentSettings& settings, bool projects)
      : s_(settings), at_(settings), projects_(projects) {}
  std::string_view name() const override { return "LSTM"; }

  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const Layout& x = inputs[0].type.shape;
    if (x.format() != "TC")
      Fail("input is {}, expected rows of sequences, TC [rows,channels]", x.ToString());
    const LstmShape shape = Shape(inputs);
    const int64_t D = s_.directions(), B = inputs[0].observations;
    const auto check = [&](size_t i, const char* what, std::vector<int64_t> expected) {
      const Layout& given = inputs[i].type.shape;
      if (given.shape() != expected)
        Fail("{} are {}, expected [{}]", what, given.ToString(), fmt::join(expected, ","));
    };
    check(at_.input, "input weights", {D * shape.gates(), shape.inputs});
    check(at_.bias, "biases", {D * shape.gates()});
    if (projects_)
      check(at_.projection, "weights of the projection", {D * shape.outputs, shape.hidden});
    if (s_.states) {
      const int64_t rows = inputs[at_.h].type.shape.axes()[0].size;  // in Prepare: B
      check(at_.h, "hidden states", {rows, D * shape.outputs});
      check(at_.c, "cell states", {rows, D * shape.hidden});
    }
    const auto of = [](Dim label, int64_t rows, int64_t channels) {
      return ArrayType{DType::kF32, Layout({{label, rows}, {kC, channels}})};
    };
    const int64_t width = D * shape.outputs;
    std::vector<ArrayType> types{s_.last ? of(kB, B, width) : of(kT, x.axes()[0].size, width)};
    if (s_.end_states)
      types.push_back(of(kB, B, width)), types.push_back(of(kB, B, D * shape.hidden));
    return types;
  }

  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation& how) const override {
    for (const size_t i : {at_.h, at_.c})
      if (s_.states && inputs[i].type.shape.axes()[0].size != inputs[0].observations)
        Fail("states are {}, expected those of {} observations", inputs[i].type.shape.ToString(),
             inputs[0].observations);
    return std::make_unique<LstmKernel>(s_, Shape(inputs), inputs[0].type.shape, how);
  }

 private:
  LstmShape Shape(std::span<const OpInput> inputs) const {
    const std::vector<Axis>& weights = inputs[at_.recurrent].type.shape.axes();
    LstmShape shape;
    shape.inputs = inputs[0].type.shape.axes()[1].size;
    shape.hidden = weights[0].size / 4 / s_.directions();
    shape.outputs = weights[1].size;
    shape.projects = projects_;
    shape.functions = s_.functions;
    return shape;
  }

  const RecurrentSettings s_;
  const LstmInputs at_;
  const bool projects_;
};

}  // namespace

OpPtr Lstm(const RecurrentSettings& settings, bool projects) {
  return std::make_shared<LstmOp>(settings, projects);
}

}  // namespace normkit::ops
