#include "normkit/nn/executor.h"

#include <algorithm>
#include <cstring>

#include "src/core/fail.h"
#include "src/nn/layers/normalization.h"
#include "src/nn/layers/relu.h"
#include "src/nn/memory.h"

namespace normkit {
namespace {

constexpr int kNone = -1;

// One operation: a node, or a normalization together with the ReLU behind it.
struct Step {
  int node = 0;      // whose layer and parameters
  Value output = 0;  // the node's own value, or the ReLU's
  std::vector<Value> inputs;
  std::unique_ptr<LayerOp> op;  // null: an input layer that changes nothing
  size_t first_parameter = 0;   // in Parameters::list()
  std::vector<bool> trainable;  // of each parameter
  std::vector<int64_t> sizes;   // likewise
  bool needs_gradient = false;  // trains parameters, or lies behind a step that does
  int saved = kNone, forward_scratch = kNone, backward_scratch = kNone;  // blocks

  // Arrays of a call, kept so that none is made in it.
  std::vector<const float*> input_arrays;
  std::vector<float*> parameter_arrays, dparameter_arrays, dinput_arrays;
  std::unique_ptr<bool[]> add;
};

std::vector<std::vector<Value>> Consumers(const Graph& graph) {
  std::vector<std::vector<Value>> consumers(static_cast<size_t>(graph.size()));
  for (Value value = 0; value < graph.size(); ++value)
    for (const Value input : graph.node(value).inputs)
      consumers[static_cast<size_t>(input)].push_back(value);
  for (Value value = 0; value < graph.output(); ++value)
    if (consumers[static_cast<size_t>(value)].empty())
      FailLayer(*graph.node(value).layer,
                "no layer reads its output, expected that of the last layer only");
  return consumers;
}

}  // namespace

class Executor::Impl {
 public:
  Impl(const Graph& graph, int64_t batch_size, bool training, bool keep_all);

  int64_t batch_size() const { return batch_size_; }
  size_t arena_bytes() const { return arena_.bytes(); }
  std::span<float> input() { return {At<float>(input_block_), Size(0)}; }
  std::span<const float> Forward(Parameters& parameters, const RunMode& mode);
  std::span<const float> value(Value value) const;
  void Backward(Parameters& parameters, std::span<const float> doutput, Value from,
                const RunMode& mode, Parameters& gradients);
  BatchMoments BatchStatistics(Value node) const;

 private:
  void MakeSteps(bool fuse);
  void MakeBlocks(bool keep_all);
  void MakeValueBlocks(bool keep_all);
  void Connect();
  void RunBackward(const Step& step, const RunMode& mode);
  void CheckParameters(const Parameters& parameters, std::string_view what) const;
  void CheckValue(Value value) const;

  // Times of the liveness: step s runs forward at s and backward at BackwardTime(s); at
  // HoldTime() the caller reads the output.
  int HoldTime() const { return static_cast<int>(steps_.size()); }
  int BackwardTime(int step) const { return 2 * HoldTime() - step; }
  int EndTime() const { return 2 * HoldTime() + 1; }

  int AddBlock(size_t bytes, int first, int last) {
    if (bytes == 0) return kNone;
    blocks_.push_back({bytes, first, last, 0});
    return static_cast<int>(blocks_.size()) - 1;
  }
  template <class T>
  T* At(int block) const {
    if (block == kNone) return nullptr;
    const auto* base = static_cast<const std::byte*>(arena_.data());
    return reinterpret_cast<T*>(
        const_cast<std::byte*>(base + blocks_[static_cast<size_t>(block)].offset));
  }
  size_t Size(Value value) const {
    return static_cast<size_t>(layouts_[static_cast<size_t>(value)].size());
  }
  size_t Bytes(Value value) const { return Size(value) * sizeof(float); }
  bool NeedsGradient(Value value) const {
    const int step = step_of_[static_cast<size_t>(value)];
    return step != kNone && steps_[static_cast<size_t>(step)].needs_gradient;
  }

  Graph graph_;
  int64_t batch_size_;
  bool training_;
  std::vector<Layout> layouts_;
  std::vector<Step> steps_;
  std::vector<int> step_of_;  // the step that makes a value; kNone: fused away
  std::vector<Block> blocks_;
  std::vector<int> value_block_, gradient_block_;
  int input_block_ = kNone;
  Tensor arena_;
  bool can_go_back_ = false;                   // the last call was a training Forward
  std::vector<char> kept_, active_, written_;  // of each value
};

Executor::Impl::Impl(const Graph& graph, int64_t batch_size, bool training, bool keep_all)
    : graph_(graph), batch_size_(batch_size), training_(training) {
  if (graph.size() == 0) Fail("executor: the graph has no layers, expected an input layer");
  if (batch_size < 1) Fail("executor: batch size is {}, expected at least 1", batch_size);
  layouts_ = graph.Layouts(batch_size);
  MakeSteps(!keep_all);
  MakeBlocks(keep_all);
  Connect();
}

// A normalization whose only reader is a ReLU becomes one step with it.
void Executor::Impl::MakeSteps(bool fuse) {
  const auto consumers = Consumers(graph_);
  const auto count = static_cast<size_t>(graph_.size());
  step_of_.assign(count, kNone);
  std::vector<char> done(count, 0);
  size_t parameter = 0;
  for (Value value = 0; value < graph_.size(); ++value) {
    if (done[static_cast<size_t>(value)]) continue;
    const Node& node = graph_.node(value);
    Step step;
    step.node = step.output = value;
    step.inputs = node.inputs;
    std::vector<Layout> inputs;
    for (const Value input : node.inputs) inputs.push_back(layouts_[static_cast<size_t>(input)]);
    step.first_parameter = parameter;
    for (const ParameterSpec& spec : node.layer->Parameters(inputs)) {
      step.trainable.push_back(spec.trainable);
      step.needs_gradient |= spec.trainable;
      int64_t size = 1;
      for (const int64_t n : spec.shape) size *= n;
      step.sizes.push_back(size);
      ++parameter;
    }
    for (const Value input : node.inputs) step.needs_gradient |= NeedsGradient(input);
    if (node.inputs.empty()) inputs.push_back(layouts_[static_cast<size_t>(value)]);

    const auto* norm = dynamic_cast<const NormalizationLayer*>(node.layer.get());
    const auto& readers = consumers[static_cast<size_t>(value)];
    if (fuse && norm && readers.size() == 1 &&
        dynamic_cast<const ReluLayer*>(graph_.node(readers[0]).layer.get())) {
      step.output = readers[0];
      done[static_cast<size_t>(readers[0])] = 1;
      step.op = norm->PrepareWith(Activation::kRelu, inputs[0]);
    } else {
      step.op = node.layer->Prepare(inputs, training_);
    }
    step_of_[static_cast<size_t>(step.output)] = static_cast<int>(steps_.size());
    steps_.push_back(std::move(step));
  }
}

void Executor::Impl::MakeValueBlocks(bool keep_all) {
  const auto count = static_cast<size_t>(graph_.size());
  std::vector<int> last(count, 0), first_gradient(count, EndTime());
  const auto extend = [&](Value value, int time) {
    last[static_cast<size_t>(value)] = std::max(last[static_cast<size_t>(value)], time);
  };
  extend(graph_.output(), HoldTime());
  for (const Value input : graph_.node(steps_.back().node).inputs) extend(input, HoldTime());
  for (int s = 0; s < HoldTime(); ++s) {
    const Step& step = steps_[static_cast<size_t>(s)];
    const bool backward = training_ && step.needs_gradient;
    extend(step.output, backward && step.op && step.op->needs_output() ? BackwardTime(s) : s);
    for (const Value input : step.inputs) {
      extend(input, backward && step.op->needs_inputs() ? BackwardTime(s) : s);
      first_gradient[static_cast<size_t>(input)] = BackwardTime(s);  // later steps come first
    }
  }
  first_gradient[static_cast<size_t>(graph_.output())] = HoldTime() + 1;

  kept_.assign(count, 0);
  value_block_.assign(count, kNone);
  gradient_block_.assign(count, kNone);
  for (Value value = 0; value < graph_.size(); ++value) {
    const auto v = static_cast<size_t>(value);
    const int s = step_of_[v];
    if (s == kNone) continue;
    kept_[v] = keep_all || last[v] >= HoldTime();
    if (value == 0 && !steps_[0].op)  // the observations themselves
      value_block_[v] = input_block_;
    else
      value_block_[v] = AddBlock(Bytes(value), keep_all ? 0 : s, keep_all ? EndTime() : last[v]);
    if (training_ && steps_[static_cast<size_t>(s)].needs_gradient)
      gradient_block_[v] =
          AddBlock(Bytes(value), keep_all ? 0 : first_gradient[v],
                   keep_all ? EndTime() : std::max(first_gradient[v], BackwardTime(s)));
  }
}

void Executor::Impl::MakeBlocks(bool keep_all) {
  input_block_ = AddBlock(Bytes(0), 0, EndTime());
  MakeValueBlocks(keep_all);
  for (int s = 0; s < HoldTime(); ++s) {
    Step& step = steps_[static_cast<size_t>(s)];
    if (!step.op) continue;
    step.forward_scratch = AddBlock(step.op->forward_scratch_bytes(), s, s);
    if (!training_) continue;
    step.saved = AddBlock(step.op->saved_bytes(), s, BackwardTime(s));
    if (step.needs_gradient)
      step.backward_scratch =
          AddBlock(step.op->backward_scratch_bytes(), BackwardTime(s), BackwardTime(s));
  }
  double largest = 0;  // before any sum that may overflow
  for (const Block& block : blocks_) largest = std::max(largest, static_cast<double>(block.bytes));
  const std::string what = fmt::format("activations for batch size {}", batch_size_);
  CheckMemory(largest, what);
  const size_t bytes = PlaceBlocks(blocks_);
  CheckMemory(static_cast<double>(bytes), what);
  arena_ = Tensor(Layout({{kC, static_cast<int64_t>(bytes / sizeof(float))}}));
}

void Executor::Impl::Connect() {
  for (Step& step : steps_) {
    const size_t inputs = std::max<size_t>(1, step.inputs.size());
    step.add = std::make_unique<bool[]>(inputs);
    step.dinput_arrays.assign(inputs, nullptr);
    step.parameter_arrays.assign(step.sizes.size(), nullptr);
    step.dparameter_arrays.assign(step.sizes.size(), nullptr);
    for (const Value input : step.inputs)
      step.input_arrays.push_back(At<float>(value_block_[static_cast<size_t>(input)]));
    if (step.inputs.empty()) step.input_arrays.push_back(At<float>(input_block_));
  }
  active_.assign(static_cast<size_t>(graph_.size()), 0);
  written_.assign(static_cast<size_t>(graph_.size()), 0);
}

void Executor::Impl::CheckParameters(const Parameters& parameters, std::string_view what) const {
  const auto& list = parameters.list();
  size_t expected = 0;
  bool same = true;
  for (const Step& step : steps_) {
    for (size_t i = 0; i < step.sizes.size() && same; ++i) {
      const size_t index = step.first_parameter + i;
      same =
          index < list.size() && list[index].node == step.node && list[index].size == step.sizes[i];
    }
    expected += step.sizes.size();
  }
  if (!same || list.size() != expected)
    Fail("executor: {} ({} arrays) were made for another graph, expected {} arrays of this one",
         what, list.size(), expected);
}

void Executor::Impl::CheckValue(Value value) const {
  if (value < 0 || value >= graph_.size())
    Fail("executor: value {} asked for, expected 0 to {}", value, graph_.output());
  if (step_of_[static_cast<size_t>(value)] == kNone)
    FailLayer(*graph_.node(value).layer,
              "has no value of its own: it runs as one operation with the ReLU behind it");
}

std::span<const float> Executor::Impl::value(Value value) const {
  CheckValue(value);
  if (!kept_[static_cast<size_t>(value)])
    FailLayer(*graph_.node(value).layer,
              "its value is not kept, expected an executor made with keep_all");
  return {At<float>(value_block_[static_cast<size_t>(value)]), Size(value)};
}

std::span<const float> Executor::Impl::Forward(Parameters& parameters, const RunMode& mode) {
  if (mode.training && !training_)
    Fail("executor: a training pass asked of an executor made for inference");
  CheckParameters(parameters, "parameters");
  can_go_back_ = false;
  float* values = parameters.values().data();
  for (Step& step : steps_) {
    if (!step.op) continue;
    for (size_t i = 0; i < step.sizes.size(); ++i)
      step.parameter_arrays[i] = values + parameters.list()[step.first_parameter + i].offset;
    ForwardContext context;
    context.mode = mode;
    context.node = step.node;
    context.inputs = step.input_arrays;
    context.output = At<float>(value_block_[static_cast<size_t>(step.output)]);
    context.parameters = step.parameter_arrays;
    if (mode.training) context.saved = At<std::byte>(step.saved);
    context.scratch = At<std::byte>(step.forward_scratch);
    step.op->Forward(context);
  }
  can_go_back_ = mode.training;
  return value(graph_.output());
}

void Executor::Impl::Backward(Parameters& parameters, std::span<const float> doutput, Value from,
                              const RunMode& mode, Parameters& gradients) {
  if (!can_go_back_) Fail("executor: Backward called without a training Forward before it");
  CheckParameters(parameters, "parameters");
  CheckParameters(gradients, "gradients");
  CheckValue(from);
  if (doutput.size() != Size(from))
    FailLayer(*graph_.node(from).layer, "doutput has {} values, expected {} ({})", doutput.size(),
              Size(from), layouts_[static_cast<size_t>(from)].ToString());
  can_go_back_ = false;

  std::fill(active_.begin(), active_.end(), 0);
  std::fill(written_.begin(), written_.end(), 0);
  const int gradient = gradient_block_[static_cast<size_t>(from)];
  if (gradient != kNone) std::memcpy(At<float>(gradient), doutput.data(), doutput.size_bytes());
  active_[static_cast<size_t>(from)] = 1;
  float *values = parameters.values().data(), *dvalues = gradients.values().data();
  for (size_t s = steps_.size(); s-- > 0;) {
    Step& step = steps_[s];
    const bool active = active_[static_cast<size_t>(step.output)] && step.needs_gradient;
    for (size_t i = 0; i < step.sizes.size(); ++i) {
      const size_t index = step.first_parameter + i;
      step.parameter_arrays[i] = values + parameters.list()[index].offset;
      float* dparameter = dvalues + gradients.list()[index].offset;
      step.dparameter_arrays[i] = step.trainable[i] ? dparameter : nullptr;
      if (step.trainable[i] && !active) std::fill_n(dparameter, step.sizes[i], 0.f);
    }
    if (!active) continue;
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const auto input = static_cast<size_t>(step.inputs[i]);
      step.dinput_arrays[i] = At<float>(gradient_block_[input]);
      step.add[i] = written_[input] != 0;
      if (step.dinput_arrays[i]) active_[input] = written_[input] = 1;
    }
    RunBackward(step, mode);
  }
}

void Executor::Impl::RunBackward(const Step& step, const RunMode& mode) {
  BackwardContext context;
  context.mode = mode;
  context.node = step.node;
  if (step.op->needs_inputs()) context.inputs = step.input_arrays;
  if (step.op->needs_output())
    context.output = At<float>(value_block_[static_cast<size_t>(step.output)]);
  context.doutput = At<float>(gradient_block_[static_cast<size_t>(step.output)]);
  context.dinputs = step.dinput_arrays;
  context.add_to_dinput = {step.add.get(), step.dinput_arrays.size()};
  context.parameters = step.parameter_arrays;
  context.dparameters = step.dparameter_arrays;
  context.saved = At<std::byte>(step.saved);
  context.scratch = At<std::byte>(step.backward_scratch);
  step.op->Backward(context);
}

BatchMoments Executor::Impl::BatchStatistics(Value node) const {
  if (!can_go_back_) return {};
  for (const Step& step : steps_) {
    const auto* op = dynamic_cast<const NormalizationOp*>(step.op.get());
    if (step.node != node || !op) continue;
    const SavedMoments moments = op->Moments(At<std::byte>(step.saved));
    return {moments.count, moments.mean, moments.variance};
  }
  return {};
}

Executor::Executor(const Graph& graph, int64_t batch_size, bool training, bool keep_all)
    : impl_(std::make_unique<Impl>(graph, batch_size, training, keep_all)) {}
Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;

int64_t Executor::batch_size() const { return impl_->batch_size(); }
size_t Executor::arena_bytes() const { return impl_->arena_bytes(); }
std::span<float> Executor::input() { return impl_->input(); }
std::span<const float> Executor::Forward(Parameters& parameters, const RunMode& mode) {
  return impl_->Forward(parameters, mode);
}
std::span<const float> Executor::value(Value value) const { return impl_->value(value); }
void Executor::Backward(Parameters& parameters, std::span<const float> doutput, Value from,
                        const RunMode& mode, Parameters& gradients) {
  impl_->Backward(parameters, doutput, from, mode, gradients);
}
BatchMoments Executor::BatchStatistics(Value node) const { return impl_->BatchStatistics(node); }

}  // namespace normkit
