#include "normkit/nn/executor.h"

#include <algorithm>
#include <cstring>

#include "src/core/fail.h"
#include "src/nn/layers/normalization.h"
#include "src/nn/value_blocks.h"

namespace normkit {
class __attribute__((visibility("hidden"))) Executor::Impl {  // else exported as Executor is
 public:
  Impl(const Graph& graph, int64_t batch_size, bool training, bool keep_all);
  void Allocate();  // what follows needs it

  int64_t batch_size() const { return batch_size_; }
  size_t arena_bytes() const { return arena_.bytes(); }
  double planned_bytes() const { return planned_bytes_; }
  std::span<float> input() { return {At<float>(input_block_), Size(0)}; }
  std::span<const float> Forward(Parameters& parameters, const RunMode& mode);
  std::span<const float> value(Value value) const;
  void Backward(Parameters& parameters, std::span<const float> doutput, Value from,
                const RunMode& mode, Parameters& gradients);
  BatchMoments BatchStatistics(Value node) const;

 private:
  void MakeBlocks(bool keep_all);
  void Connect();
  void RunBackward(const Step& step, const RunMode& mode);
  void CheckParameters(const Parameters& parameters, std::string_view what) const;
  void CheckValue(Value value) const;

  int AddBlock(size_t bytes, int first, int last) {
    if (bytes == 0) return kMissing;
    blocks_.push_back({bytes, first, last, 0});
    return static_cast<int>(blocks_.size()) - 1;
  }
  template <class T>
  T* At(int block) const {
    if (block == kMissing) return nullptr;
    const auto* base = static_cast<const std::byte*>(arena_.data());
    return reinterpret_cast<T*>(
        const_cast<std::byte*>(base + blocks_[static_cast<size_t>(block)].offset));
  }
  size_t Size(Value value) const {
    return static_cast<size_t>(layouts_[static_cast<size_t>(value)].size());
  }
  size_t Bytes(Value value) const { return Size(value) * sizeof(float); }
  Graph graph_;
  int64_t batch_size_;
  bool training_;
  std::vector<Layout> layouts_;
  Steps steps_;
  std::vector<Block> blocks_;
  ValueBlocks of_;
  int input_block_ = kMissing;
  double planned_bytes_ = 0;  // of the arena
  Tensor arena_;
  bool can_go_back_ = false;            // the last call was a training Forward
  std::vector<char> active_, written_;  // of each value
};

Executor::Impl::Impl(const Graph& graph, int64_t batch_size, bool training, bool keep_all)
    : graph_(graph), batch_size_(batch_size), training_(training) {
  if (graph.size() == 0) Fail("executor: the graph has no layers, expected an input layer");
  if (batch_size < 1) Fail("executor: batch size is {}, expected at least 1", batch_size);
  layouts_ = graph.Layouts(batch_size);
  steps_ = MakeSteps(graph_, layouts_, training, !keep_all);
  MakeBlocks(keep_all);
}

void Executor::Impl::Allocate() {
  CheckMemory(planned_bytes_, fmt::format("activations for batch size {}", batch_size_));
  arena_ = Tensor(Layout({{kC, static_cast<int64_t>(planned_bytes_ / sizeof(float))}}));
  Connect();
}

void Executor::Impl::MakeBlocks(bool keep_all) {
  const Times times{static_cast<int>(steps_.list.size())};
  input_block_ = AddBlock(Bytes(0), 0, times.End());
  std::vector<size_t> bytes;
  for (Value value = 0; value < graph_.size(); ++value) bytes.push_back(Bytes(value));
  of_ = MakeValueBlocks(steps_, bytes, input_block_, training_, keep_all, blocks_);
  for (int s = 0; s < times.steps; ++s) {
    Step& step = steps_.list[static_cast<size_t>(s)];
    if (!step.op) continue;
    const int backward = times.Backward(s);
    step.forward_scratch = AddBlock(step.op->forward_scratch_bytes(), s, s);
    if (!training_) continue;
    step.saved = AddBlock(step.op->saved_bytes(), s, backward);
    if (step.needs_gradient)
      step.backward_scratch = AddBlock(step.op->backward_scratch_bytes(), backward, backward);
  }
  constexpr double kMost = 1e14;  // above, sums might overflow, and no machine has as much
  for (const Block& block : blocks_)
    planned_bytes_ = std::max(planned_bytes_, static_cast<double>(block.bytes));
  if (planned_bytes_ < kMost) planned_bytes_ = static_cast<double>(PlaceBlocks(blocks_));
}

void Executor::Impl::Connect() {
  for (Step& step : steps_.list) {
    const size_t inputs = std::max<size_t>(1, step.inputs.size());
    step.add = std::make_unique<bool[]>(inputs);
    step.dinput_arrays.assign(inputs, nullptr);
    step.parameter_arrays.assign(step.sizes.size(), nullptr);
    step.dparameter_arrays.assign(step.sizes.size(), nullptr);
    for (const Value input : step.inputs)
      step.input_arrays.push_back(At<float>(of_.value[static_cast<size_t>(input)]));
    if (step.inputs.empty()) step.input_arrays.push_back(At<float>(input_block_));
    step.backward_inputs = step.input_arrays;
    for (size_t i = 0; step.op && i < inputs; ++i)
      if (!step.op->needs_input(i)) step.backward_inputs[i] = nullptr;
  }
  active_.assign(static_cast<size_t>(graph_.size()), 0);
  written_.assign(static_cast<size_t>(graph_.size()), 0);
}

void Executor::Impl::CheckParameters(const Parameters& parameters, std::string_view what) const {
  const auto& list = parameters.list();
  size_t expected = 0;
  bool same = true;
  for (const Step& step : steps_.list) {
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
  if (steps_.of_value[static_cast<size_t>(value)] == kMissing)
    FailLayer(*graph_.node(value).layer,
              "has no value of its own: it runs as one operation with the ReLU behind it");
}

std::span<const float> Executor::Impl::value(Value value) const {
  CheckValue(value);
  if (!of_.kept[static_cast<size_t>(value)])
    FailLayer(*graph_.node(value).layer,
              "its value is not kept, expected an executor made with keep_all");
  return {At<float>(of_.value[static_cast<size_t>(value)]), Size(value)};
}

std::span<const float> Executor::Impl::Forward(Parameters& parameters, const RunMode& mode) {
  if (mode.training && !training_)
    Fail("executor: a training pass asked of an executor made for inference");
  CheckParameters(parameters, "parameters");
  can_go_back_ = false;
  float* values = parameters.values().data();
  for (Step& step : steps_.list) {
    if (!step.op) continue;
    for (size_t i = 0; i < step.sizes.size(); ++i)
      step.parameter_arrays[i] = values + parameters.list()[step.first_parameter + i].offset;
    ForwardContext context;
    context.mode = mode;
    context.node = step.node;
    context.inputs = step.input_arrays;
    context.output = At<float>(of_.value[static_cast<size_t>(step.output)]);
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
  const int gradient = of_.gradient[static_cast<size_t>(from)];
  if (gradient != kMissing) std::memcpy(At<float>(gradient), doutput.data(), doutput.size_bytes());
  active_[static_cast<size_t>(from)] = 1;
  float *values = parameters.values().data(), *dvalues = gradients.values().data();
  for (size_t s = steps_.list.size(); s-- > 0;) {
    Step& step = steps_.list[s];
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
      step.dinput_arrays[i] = At<float>(of_.gradient[input]);
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
  context.inputs = step.backward_inputs;
  if (step.op->needs_output())
    context.output = At<float>(of_.value[static_cast<size_t>(step.output)]);
  context.doutput = At<float>(of_.gradient[static_cast<size_t>(step.output)]);
  context.dinputs = step.dinput_arrays;
  context.add_to_dinput = {step.add.get(), step.dinput_arrays.size()};
  context.parameters = step.parameter_arrays;
  context.dparameters = step.dparameter_arrays;
  context.saved = At<std::byte>(step.saved);
  context.scratch = At<std::byte>(step.backward_scratch);
  step.op->Backward(context);
}

BatchMoments Executor::Impl::BatchStatistics(Value node) const {
  if (!can_go_back_ || node < 0 || node >= graph_.size()) return {};
  const int index = steps_.of_node[static_cast<size_t>(node)];
  if (index == kMissing) return {};
  const Step& step = steps_.list[static_cast<size_t>(index)];
  const auto* op = dynamic_cast<const NormalizationOp*>(step.op.get());
  if (!op) return {};
  const SavedMoments moments = op->Moments(At<std::byte>(step.saved));
  return {moments.count, moments.mean, moments.variance};
}

Executor::Executor(const Graph& graph, int64_t batch_size, bool training, bool keep_all)
    : impl_(std::make_unique<Impl>(graph, batch_size, training, keep_all)) {
  impl_->Allocate();
}
Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;

double Executor::PlannedBytes(const Graph& graph, int64_t batch_size, bool training,
                              bool keep_all) {
  return Impl(graph, batch_size, training, keep_all).planned_bytes();
}

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
