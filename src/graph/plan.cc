#include "src/graph/plan.h"

#include <algorithm>

#include "src/core/fail.h"

namespace normkit {

TimeCut::TimeCut(const BatchPart& part, std::span<const int64_t> offsets, bool packed)
    : packed_(packed) {
  Set(part, offsets);
}

void TimeCut::Set(const BatchPart& part, std::span<const int64_t> offsets) {
  const auto at = [&](int64_t i) { return offsets.empty() ? i : offsets[static_cast<size_t>(i)]; };
  for (int leaf = 0; leaf <= BatchPart::kLeaves; ++leaf)
    begins_[static_cast<size_t>(leaf)] = at(part.leaf_begin(leaf));
  const int64_t first = part.begin();
  offsets_.resize(packed_ && part.size() > 0 ? static_cast<size_t>(part.size() + 1) : 0);
  for (size_t i = 0; i < offsets_.size(); ++i)
    offsets_[i] = at(first + static_cast<int64_t>(i)) - at(first);
  time_ = {{begins_.back(), part.first_leaf, part.last_leaf, begins_.data()}, offsets_};
}

ExecutionPlan::ExecutionPlan(const Graph& graph, std::span<const Layout> shapes,
                             const BatchPart& part, std::span<const int64_t> offsets,
                             const ExecutorOptions& options)
    : shapes_(shapes.begin(), shapes.end()),
      part_(part),
      time_cut_(part, offsets, std::ranges::any_of(shapes, &Layout::packed)),
      types_(graph.Infer(shapes, part.rows())) {
  std::vector<char> wanted(graph.values().size(), 0);
  for (const Value value : options.keep) wanted.at(static_cast<size_t>(value)) = 1;
  steps_ = MakeSteps(graph, types_, {options.training, part, &time()}, !options.keep_all, wanted);
  MakeBlocks(graph, options, wanted);
}

int ExecutionPlan::AddBlock(size_t bytes, int first, int last) {
  if (bytes == 0) return kMissing;
  blocks_.push_back({bytes, first, last, 0});
  return static_cast<int>(blocks_.size()) - 1;
}

void ExecutionPlan::MakeBlocks(const Graph& graph, const ExecutorOptions& options,
                               std::span<const char> wanted) {
  const Times times{static_cast<int>(steps_.list.size())};
  std::vector<size_t> bytes;
  for (const ArrayType& type : types_.types) bytes.push_back(type.bytes());
  of_ = MakeValueBlocks(graph, steps_, bytes, options.training, wanted, !options.keep_all, blocks_);
  last_reader_.assign(types_.types.size(), kMissing);
  for (int s = 0; s < times.steps; ++s)
    for (const Value input : steps_.list[static_cast<size_t>(s)].inputs)
      last_reader_[static_cast<size_t>(input)] = s;
  for (int s = 0; s < times.steps; ++s) MakeBlocksOfStep(s, times, options.training);
  constexpr double kMost = 1e14;  // above, sums might overflow, and no machine has as much
  for (const Block& block : blocks_) bytes_ = std::max(bytes_, static_cast<double>(block.bytes));
  if (bytes_ < kMost) bytes_ = static_cast<double>(PlaceBlocks(blocks_));
}

void ExecutionPlan::MakeBlocksOfStep(int s, const Times& times, bool training) {
  Step& step = steps_.list[static_cast<size_t>(s)];
  const int backward = times.Backward(s);
  step.forward_scratch = AddBlock(step.kernel->forward_scratch_bytes(), s, s);
  step.apart.assign(step.inputs.size(), kMissing);
  step.add = std::make_unique<bool[]>(step.inputs.size());
  if (!training) return;
  step.saved = AddBlock(step.kernel->saved_bytes(), s, backward);
  if (!step.needs_gradient) return;
  step.backward_scratch = AddBlock(step.kernel->backward_scratch_bytes(), backward, backward);
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    const auto v = static_cast<size_t>(step.inputs[i]);
    // Backwards, those that read it later come first.
    const bool added = last_reader_[v] > s || std::ranges::count(step.inputs, step.inputs[i]) > 1;
    if (steps_.needs_gradient[v] && added && !step.kernel->adds(i))
      step.apart[i] = AddBlock(types_.types[v].bytes(), backward, backward);
  }
}

void* ExecutionPlan::value(Value value) const {
  const auto v = static_cast<size_t>(value);
  if (types_.known[v]) return const_cast<void*>(types_.known[v]->data());
  return At<std::byte>(of_.value[v]);
}

void ExecutionPlan::Connect(std::byte* arena) {
  if (arena_ == arena) return;
  arena_ = arena;
  for (Step& step : steps_.list) {
    step.dinput_arrays.assign(step.inputs.size(), nullptr);
    step.doutput_arrays.assign(step.outputs.size(), nullptr);
    step.input_arrays.clear();
    step.output_arrays.clear();
    for (const Value input : step.inputs) step.input_arrays.push_back(value(input));
    for (const Value output : step.outputs) step.output_arrays.push_back(value(output));
    step.backward_inputs = step.input_arrays;
    step.backward_outputs.assign(step.output_arrays.begin(), step.output_arrays.end());
    for (size_t i = 0; i < step.inputs.size(); ++i)
      if (!step.kernel->needs_input(i)) step.backward_inputs[i] = nullptr;
    for (size_t i = 0; i < step.outputs.size(); ++i)
      if (!step.kernel->needs_output(i)) step.backward_outputs[i] = nullptr;
  }
}

}  // namespace normkit
