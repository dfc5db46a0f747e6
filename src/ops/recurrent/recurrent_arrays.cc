#include "src/ops/recurrent/recurrent_arrays.h"

#include <algorithm>
#include <vector>

#include "normkit/core/threads.h"
#include "src/core/fail.h"
#include "src/core/parallel.h"

namespace normkit::ops {
namespace {

using recurrent::Course;
using recurrent::RecurrentForward;

struct ArraySizes {
  int64_t steps, batch, channels, directions, hidden;
};

// Our i f g o of ONNX's i o f c, our r z n of its z r h.
constexpr int64_t kLstmOrder[] = {0, 2, 3, 1}, kGruOrder[] = {1, 0, 2};

class RecurrentArraysKernel : public Kernel {
 public:
  RecurrentArraysKernel(const RecurrentArraySettings& settings, const ArraySizes& sizes,
                        DType lengths)
      : s_(settings), n_(sizes), lengths_type_(lengths) {
    shape_.cell = s_.cell;
    shape_.inputs = n_.channels;
    shape_.hidden = shape_.outputs = n_.hidden;
    shape_.resets_before = s_.resets_before;
  }

  size_t forward_scratch_bytes() const override {
    return static_cast<size_t>(WeightFloats() + n_.steps * n_.batch * n_.hidden) * sizeof(float) +
           RecurrentForward::Scratch(shape_) * sizeof(float);
  }

  void Forward(const ForwardContext& context) override {
    for (size_t i = 0; i < context.outputs.size(); ++i)
      if (context.outputs[i]) std::fill_n(context.y(i), Size(i), 0.f);
    for (int64_t d = 0; d < n_.directions; ++d) RunDirection(context, d);
  }

  void Backward(const BackwardContext&) override {
    Fail("recurrent nodes of files are for prediction, expected no training through them");
  }

 private:
  int64_t gates() const { return shape_.gates(); }
  int64_t Size(size_t output) const {
    return (output == 0 ? n_.steps : 1) * n_.batch * n_.directions * n_.hidden;
  }
  // Input weights, recurrent weights and two biases of a direction, in whole lines.
  int64_t WeightFloats() const { return (gates() * (n_.channels + n_.hidden + 2) + 15) / 16 * 16; }
  size_t InputAt(bool biases, bool lengths, bool h) const {
    return static_cast<size_t>(3 + (biases && s_.biases) + (lengths && s_.lengths) + (h && s_.h));
  }

  int64_t LengthOf(const ForwardContext& context, int64_t b) const {
    if (!s_.lengths) return n_.steps;
    const void* all = context.inputs[InputAt(true, false, false)];
    const int64_t length = lengths_type_ == DType::kI64 ? static_cast<const int64_t*>(all)[b]
                                                        : static_cast<const int32_t*>(all)[b];
    if (length < 0 || length > n_.steps)
      Fail("sequence {} has length {}, expected 0 to {}", b, length, n_.steps);
    return length;
  }

  // Rows of `width` numbers a gate in our order.
  void Reorder(const float* from, int64_t width, float* to) const {
    const int64_t size = n_.hidden * width, count = gates() / n_.hidden;
    for (int64_t g = 0; g < count; ++g)
      std::copy_n(from + (shape_.is_lstm() ? kLstmOrder : kGruOrder)[g] * size, size,
                  to + g * size);
  }

  recurrent::RecurrentWeights Weights(const ForwardContext& context, int64_t d,
                                      float* memory) const {
    float *input = memory, *state = input + gates() * n_.channels,
          *bias = state + gates() * n_.hidden, *second = bias + gates();
    Reorder(context.x(1) + d * gates() * n_.channels, n_.channels, input);
    Reorder(context.x(2) + d * gates() * n_.hidden, n_.hidden, state);
    std::fill_n(bias, 2 * gates(), 0.f);
    if (s_.biases) {
      const float* given = context.x(3) + d * 2 * gates();
      Reorder(given, 1, bias);
      Reorder(given + gates(), 1, second);
    }
    const bool apart = !shape_.is_lstm() && !s_.resets_before;
    for (int64_t i = 0; i < gates() && !apart; ++i) bias[i] += second[i];
    return {input, state, bias, nullptr, apart ? second : nullptr};
  }

  // Of a direction, in an array [D,B,H] or [B,D,H].
  template <class T>
  T* StateRows(T* array, int64_t d) const {
    return array ? array + d * (s_.batch_first ? 1 : n_.batch) * n_.hidden : nullptr;
  }
  int64_t StateStep() const { return (s_.batch_first ? n_.directions : 1) * n_.hidden; }

  // Rows of x and of the scratch h: t B + b, or b T + t.
  void SetCourses(const ForwardContext& context, bool reversed) {
    const int64_t step = s_.batch_first ? 1 : n_.batch;
    lengths_.clear();
    for (int64_t b = 0; b < n_.batch; ++b) lengths_.push_back(LengthOf(context, b));
    present_.clear();
    for (int64_t b = 0; b < n_.batch; ++b)
      if (lengths_[static_cast<size_t>(b)] > 0) present_.push_back(b);
    const auto count = std::ssize(present_);
    courses_.Set(count, std::clamp<int64_t>(count / 8, 1, NumThreads()), [&](int64_t i) {
      const int64_t b = present_[static_cast<size_t>(i)], length = lengths_[static_cast<size_t>(b)],
                    first = s_.batch_first ? b * n_.steps : b;
      return reversed ? Course{b, first + (length - 1) * step, -step, length}
                      : Course{b, first, step, length};
    });
  }

  void RunDirection(const ForwardContext& context, int64_t d) {
    SetCourses(context, s_.direction == Direction::kReverse || d == 1);
    auto* packed = reinterpret_cast<float*>(context.scratch);
    float* weights = packed + RecurrentForward::Scratch(shape_);
    RecurrentForward run;
    run.shape = shape_;
    run.x = context.x();
    run.weights = Weights(context, d, weights);
    run.begin = {s_.h ? StateRows(context.x(InputAt(true, true, false)), d) : nullptr,
                 s_.c ? StateRows(context.x(InputAt(true, true, true)), d) : nullptr, StateStep(),
                 StateStep()};
    run.h = weights + WeightFloats();
    run.h_step = n_.hidden;
    run.end = {StateRows(context.y(1), d), shape_.is_lstm() ? StateRows(context.y(2), d) : nullptr,
               StateStep(), StateStep()};
    run.Pack(packed);
    const bool worth_threads =
        n_.steps * n_.batch * gates() * (n_.channels + n_.hidden) >= int64_t{1} << 17;
    ParallelFor(courses_.count(), worth_threads,
                [&](int64_t g) { run.Run(packed, courses_.group(g)); });
    for (int64_t b = 0; b < n_.batch; ++b)
      for (int64_t t = 0; t < lengths_[static_cast<size_t>(b)]; ++t)
        std::copy_n(run.h + (s_.batch_first ? b * n_.steps + t : t * n_.batch + b) * n_.hidden,
                    n_.hidden, context.y() + PlaceInY(t, d, b) * n_.hidden);
  }

  int64_t PlaceInY(int64_t t, int64_t d, int64_t b) const {
    return s_.batch_first ? (b * n_.steps + t) * n_.directions + d
                          : (t * n_.directions + d) * n_.batch + b;
  }

  const RecurrentArraySettings s_;
  const ArraySizes n_;
  const DType lengths_type_;
  recurrent::RecurrentShape shape_{};
  std::vector<int64_t> lengths_, present_;
  recurrent::CourseGroups courses_;
};

class RecurrentArraysOp : public Op {
 public:
  explicit RecurrentArraysOp(const RecurrentArraySettings& settings) : s_(settings) {}
  std::string_view name() const override {
    return s_.cell == recurrent::CellKind::kLstm ? "LSTM of arrays" : "GRU of arrays";
  }

  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    const ArraySizes n = Sizes(inputs);
    const auto of = [](std::vector<int64_t> sizes) {
      return ArrayType{DType::kF32, Layout::Unlabelled(sizes)};
    };
    const auto state = s_.batch_first ? of({n.batch, n.directions, n.hidden})
                                      : of({n.directions, n.batch, n.hidden});
    std::vector<ArrayType> types{s_.batch_first ? of({n.batch, n.steps, n.directions, n.hidden})
                                                : of({n.steps, n.directions, n.batch, n.hidden}),
                                 state};
    if (s_.cell == recurrent::CellKind::kLstm) types.push_back(state);
    return types;
  }

  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    const DType lengths = s_.lengths ? inputs[s_.biases ? 4 : 3].type.dtype : DType::kI64;
    return std::make_unique<RecurrentArraysKernel>(s_, Sizes(inputs), lengths);
  }

 private:
  static void Check(const OpInput& input, const char* what, const std::vector<int64_t>& expected,
                    bool whole_numbers = false) {
    const ArrayType& type = input.type;
    const bool fits = whole_numbers ? type.dtype == DType::kI64 || type.dtype == DType::kI32
                                    : type.dtype == DType::kF32;
    if (!fits || type.shape.shape() != expected)
      Fail("{} are {}, expected {} [{}]", what, type.ToString(), whole_numbers ? "i64" : "f32",
           fmt::join(expected, ","));
  }

  ArraySizes Sizes(std::span<const OpInput> inputs) const {
    const std::vector<int64_t> x = inputs[0].type.shape.shape(), w = inputs[2].type.shape.shape();
    if (inputs[0].type.dtype != DType::kF32 || x.size() != 3 || w.size() != 3)
      Fail("x and recurrent weights are {} and {}, expected f32 of 3 axes each",
           inputs[0].type.ToString(), inputs[2].type.ToString());
    const int64_t gates = s_.cell == recurrent::CellKind::kLstm ? 4 : 3,
                  D = s_.direction == Direction::kBoth ? 2 : 1, H = w[2];
    const ArraySizes n{x[s_.batch_first ? 1 : 0], x[s_.batch_first ? 0 : 1], x[2], D, H};
    Check(inputs[1], "input weights", {D, gates * H, n.channels});
    Check(inputs[2], "recurrent weights", {D, gates * H, H});
    size_t i = 3;
    if (s_.biases) Check(inputs[i++], "biases", {D, 2 * gates * H});
    if (s_.lengths) Check(inputs[i++], "lengths", {n.batch}, true);
    const std::vector<int64_t> state =
        s_.batch_first ? std::vector<int64_t>{n.batch, D, H} : std::vector<int64_t>{D, n.batch, H};
    if (s_.h) Check(inputs[i++], "hidden states", state);
    if (s_.c) Check(inputs[i++], "cell states", state);
    return n;
  }

  const RecurrentArraySettings s_;
};

}  // namespace

OpPtr RecurrentArrays(const RecurrentArraySettings& settings) {
  return std::make_shared<RecurrentArraysOp>(settings);
}

}  // namespace normkit::ops
