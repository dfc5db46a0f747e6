#include "normkit/graph/executor.h"

#include <algorithm>
#include <cstring>
#include <list>

#include "src/core/at_work.h"
#include "src/core/fail.h"
#include "src/core/late_sums.h"
#include "src/core/parallel.h"
#include "src/graph/fail_layer.h"
#include "src/graph/plan.h"

namespace normkit {

class __attribute__((visibility("hidden"))) Executor::Impl {  // else exported as Executor is
 public:
  Impl(const Graph& graph, const ExecutorOptions& options)
      : graph_(graph),
        options_(options),
        arena_(options.arena ? options.arena : std::make_shared<Tensor>()) {
    if (graph.empty()) Fail("executor: the graph has no layers, expected an input layer");
    for (const Value value : options.keep) CheckValue(value);
    active_.resize(graph.values().size());
    written_.resize(graph.values().size());
  }

  void SetShapes(std::span<const Layout> shapes);
  void SetBatch(const BatchPart& part, std::span<const int64_t> offsets);
  const ExecutionPlan& plan() const {
    if (!plan_) Fail("executor: no shapes set, expected those of the inputs");
    return *plan_;
  }
  size_t arena_bytes() const { return arena_->bytes(); }
  ArrayView input(size_t index) const;
  void Forward(const Parameters& parameters, const RunContext& run);
  void* Find(Value value) const;
  void Backward(const Parameters& parameters, std::span<const float> doutput, Value from,
                const RunContext& run, Parameters& gradients);

  const Graph& graph() const { return graph_; }
  bool can_go_back() const { return can_go_back_; }

 private:
  static constexpr size_t kMostPlans = 4;

  void SetShapes(std::span<const Layout> shapes, const BatchPart& part,
                 std::span<const int64_t> offsets);
  void MakePlan(std::span<const Layout> shapes, const BatchPart& part,
                std::span<const int64_t> offsets);
  void CheckOffsets(const BatchPart& part, std::span<const int64_t> offsets) const;
  void Use(std::list<ExecutionPlan>::iterator plan, std::span<const int64_t> offsets);
  void CheckParameters(const Parameters& parameters, std::string_view what) const;
  void CheckRanks(const RunContext& run) const;
  void CheckValue(Value value) const;
  void CheckMade(Value value) const;
  bool AddsToParameter(const Step& step) const;
  bool Prepare(Step& step, const Parameters& parameters, Parameters& gradients);
  void RunBackward(Step& step, const RunContext& run, Parameters& gradients);
  int ParameterOf(Value value) const { return graph_.value(value).parameter; }
  std::span<float> GradientOf(Value value, Parameters& gradients) const;

  Graph graph_;
  ExecutorOptions options_;
  std::list<ExecutionPlan> plans_;  // the last used first
  ExecutionPlan* plan_ = nullptr;
  std::shared_ptr<Tensor> arena_;
  bool can_go_back_ = false;            // the last call was a training Forward
  std::vector<char> active_, written_;  // of each value
  LateSums late_;
};

// Observations are what the first input has of them. Without offsets packed time is that of one.
void Executor::Impl::SetShapes(std::span<const Layout> shapes) {
  const bool packed = !shapes.empty() && shapes[0].packed();
  if (packed) {
    const int64_t offsets[] = {0, shapes[0].axes()[0].size};
    return SetShapes(shapes, {.whole = 1}, offsets);
  }
  const bool observations = !shapes.empty() && shapes[0].Has(kB);
  SetShapes(shapes, {.whole = observations ? shapes[0].SizeOf(kB) : 0}, {});
}

void Executor::Impl::SetShapes(std::span<const Layout> shapes, const BatchPart& part,
                               std::span<const int64_t> offsets) {
  const auto found = std::ranges::find_if(plans_, [&](const ExecutionPlan& plan) {
    return plan.part() == part && std::ranges::equal(plan.shapes(), shapes);
  });
  if (found == plans_.end()) return MakePlan(shapes, part, offsets);
  Use(found, offsets);
}

void Executor::Impl::MakePlan(std::span<const Layout> shapes, const BatchPart& part,
                              std::span<const int64_t> offsets) {
  for (const Layout& shape : shapes) {
    if (shape.size() < 1)
      Fail("executor: an input of {} given, expected one with elements", shape.ToString());
    if (shape.packed() && shape.axes()[0].size != shapes[0].axes()[0].size)
      Fail("executor: inputs of {} and {} given, expected as many rows of packed time",
           shapes[0].ToString(), shape.ToString());
  }
  plans_.emplace_front(graph_, shapes, part, offsets, options_);
  if (plans_.size() > kMostPlans) plans_.pop_back();
  Use(plans_.begin(), offsets);
}

void Executor::Impl::CheckOffsets(const BatchPart& part, std::span<const int64_t> offsets) const {
  if (offsets.empty()) return;
  if (std::ranges::none_of(graph_.inputs(), [&](Value v) { return graph_.layout(v).packed(); }))
    Fail(
        "executor: offsets of observations given, expected none: no input has packed time (T "
        "first)");
  if (std::ssize(offsets) != part.whole + 1)
    Fail("executor: {} offsets given, expected {} (one an observation, and the end)",
         offsets.size(), part.whole + 1);
  for (size_t i = 0; i < offsets.size(); ++i) {
    if (i == 0 ? offsets[i] == 0 : offsets[i] > offsets[i - 1]) continue;
    if (i == 0) Fail("executor: offsets begin at {}, expected 0", offsets[i]);
    Fail("executor: observation {} has rows {} to {}, expected one row or more", i - 1,
         offsets[i - 1], offsets[i]);
  }
}

// Looks first, for this is asked at each pass.
void Executor::Impl::SetBatch(const BatchPart& part, std::span<const int64_t> offsets) {
  CheckOffsets(part, offsets);
  const auto row = [&](int leaf) {
    const int64_t observation = part.leaf_begin(leaf);
    return offsets.empty() ? observation : offsets[static_cast<size_t>(observation)];
  };
  const int64_t observations = part.rows(), all_rows = row(BatchPart::kLeaves),
                rows = std::max<int64_t>(1, row(part.last_leaf) - row(part.first_leaf));
  const auto size = [&](const Layout& wanted, size_t axis) {
    if (wanted.axes()[axis].label == kB) return observations;
    return axis == 0 && wanted.packed() ? rows : wanted.axes()[axis].size;
  };
  const auto fits = [&](const ExecutionPlan& plan) {
    if (plan.part() != part || plan.time().rows.whole != all_rows) return false;
    for (size_t i = 0; i < plan.shapes().size(); ++i) {
      const Layout& wanted = graph_.layout(graph_.inputs()[i]);
      const auto& axes = plan.shapes()[i].axes();
      if (axes.size() != wanted.axes().size()) return false;
      for (size_t k = 0; k < axes.size(); ++k)
        if (axes[k].size != size(wanted, k)) return false;
    }
    return true;
  };
  const auto found = std::ranges::find_if(plans_, fits);
  if (found != plans_.end()) return Use(found, offsets);
  std::vector<Layout> shapes;
  for (const Value input : graph_.inputs())
    shapes.push_back(graph_.layout(input).WithBatch(observations, rows));
  MakePlan(shapes, part, offsets);
}

void Executor::Impl::Use(std::list<ExecutionPlan>::iterator plan,
                         std::span<const int64_t> offsets) {
  if (!offsets.empty()) can_go_back_ = false;  // what was saved is of other observations
  plan->SetTime(offsets);
  if (plan_ == &*plan && plan->IsConnected(static_cast<std::byte*>(arena_->data()))) return;
  can_go_back_ = false;
  plan_ = nullptr;  // until there is memory
  plans_.splice(plans_.begin(), plans_, plan);
  ExecutionPlan& used = plans_.front();
  if (used.bytes() > static_cast<double>(arena_->bytes()) || arena_->bytes() == 0) {
    const Layout& first = used.shapes()[0];
    CheckMemory(used.bytes(), first.packed()
                                  ? fmt::format("activations for {} rows", first.axes()[0].size)
                                  : fmt::format("activations for batch size {}", first.SizeOf(kB)));
    *arena_ = {};
    *arena_ = Tensor(Layout({{kC, static_cast<int64_t>(used.bytes())}}), DType::kU8,
                     Tensor::kUninitialized);
  }
  used.Connect(static_cast<std::byte*>(arena_->data()));
  plan_ = &used;
}

void Executor::Impl::CheckParameters(const Parameters& parameters, std::string_view what) const {
  const auto& list = parameters.list();
  const auto expected = graph_.parameters();
  const auto same = [](const Parameter& a, const GraphParameter& b) {
    return a.value == b.value && a.shape == b.spec.shape;
  };
  if (!std::ranges::equal(list, expected, same))
    Fail("executor: {} ({} arrays) were made for another graph, expected {} arrays of this one",
         what, list.size(), expected.size());
}

// Whether the others have what this one has not.
void Executor::Impl::CheckRanks(const RunContext& run) const {
  const BatchPart& part = plan().part();
  const int ranks = run.reducer ? run.reducer->ranks() : 1,
            rank = run.reducer ? run.reducer->rank() : 0;
  if (!run.training || part == BatchPart::OfRank(part.whole, rank, ranks)) return;
  Fail(
      "executor: leaves [{},{}) of a mini-batch for rank {} of {}, expected those of "
      "BatchPart::OfRank",
      part.first_leaf, part.last_leaf, rank, ranks);
}

void Executor::Impl::CheckValue(Value value) const {
  if (value < 0 || static_cast<size_t>(value) >= graph_.values().size())
    Fail("executor: value {} asked for, expected 0 to {}", value, graph_.values().size() - 1);
}

ArrayView Executor::Impl::input(size_t index) const {
  if (index >= graph_.inputs().size())
    Fail("executor: input {} asked for, expected 0 to {}", index, graph_.inputs().size() - 1);
  const Value value = graph_.inputs()[index];
  return {plan().value(value), plan().type(value)};
}

void Executor::Impl::CheckMade(Value value) const {
  CheckValue(value);
  if (ParameterOf(value) >= 0)
    Fail("{}: value {} is a parameter, expected one that the graph computes", graph_.TitleOf(value),
         value);
  if (!plan().value(value))
    Fail("{}: has no value of its own: it runs as one operation with others",
         graph_.TitleOf(value));
}

void* Executor::Impl::Find(Value value) const {
  CheckMade(value);
  if (!plan().kept(value))
    Fail("{}: its value is not kept, expected an executor made with keep_all, or to keep it",
         graph_.TitleOf(value));
  return plan().value(value);
}

void Executor::Impl::Forward(const Parameters& parameters, const RunContext& run) {
  if (run.training && !options_.training)
    Fail("executor: a training pass asked of an executor made for inference");
  CheckRanks(run);
  CheckParameters(parameters, "parameters");
  can_go_back_ = false;
  const WithThreads threads(run.threads);
  const float* values = parameters.values().data();
  for (Step& step : plan_->list()) {
    for (size_t i = 0; i < step.inputs.size(); ++i)
      if (const int p = ParameterOf(step.inputs[i]); p >= 0)
        step.input_arrays[i] = values + parameters.list()[static_cast<size_t>(p)].offset;
    ForwardContext context;
    context.run = run;
    context.stream = graph_.node(step.node).layer;
    context.inputs = step.input_arrays;
    context.outputs = step.output_arrays;
    if (run.training) context.saved = plan_->At<std::byte>(step.saved);
    context.scratch = plan_->At<std::byte>(step.forward_scratch);
    const AtWork work;
    step.kernel->Forward(context);
  }
  can_go_back_ = run.training;
}

void Executor::Impl::Backward(const Parameters& parameters, std::span<const float> doutput,
                              Value from, const RunContext& run, Parameters& gradients) {
  if (!can_go_back_) Fail("executor: Backward called without a training Forward before it");
  CheckRanks(run);
  CheckParameters(parameters, "parameters");
  CheckParameters(gradients, "gradients");
  CheckMade(from);
  const ArrayType& type = plan_->type(from);
  if (doutput.size() * sizeof(float) != type.bytes() || type.dtype != DType::kF32)
    Fail("{}: doutput has {} values, expected {} ({})", graph_.TitleOf(from), doutput.size(),
         type.shape.size(), type.shape.ToString());
  can_go_back_ = false;

  const WithThreads threads(run.threads);
  std::ranges::fill(active_, 0);
  std::ranges::fill(written_, 0);
  float* gradient = plan_->gradient(from);
  if (gradient) std::memcpy(gradient, doutput.data(), doutput.size_bytes());
  active_[static_cast<size_t>(from)] = gradient != nullptr;
  RunContext context = run;
  auto* const transfers = dynamic_cast<TransferReducer*>(run.reducer);
  const bool late = transfers && transfers->ranks() > 1;
  if (late) late_.Begin(*transfers, gradients.values());
  if (late) context.reducer = &late_;
  for (size_t s = plan_->list().size(); s-- > 0;) {
    Step& step = plan_->list()[s];
    if (!Prepare(step, parameters, gradients)) continue;
    if (late && AddsToParameter(step)) late_.Finish();  // it has to be there
    RunBackward(step, context, gradients);
    if (late) late_.Progress();
  }
  if (late) late_.Finish();
  for (const Parameter& p : gradients.list())
    if (p.trainable && !written_[static_cast<size_t>(p.value)])
      std::ranges::fill(gradients.Get(p), 0.f);
}

// Where the gradient of a value is gathered; empty: none is wanted.
std::span<float> Executor::Impl::GradientOf(Value value, Parameters& gradients) const {
  if (const int p = ParameterOf(value); p >= 0) {
    const Parameter& parameter = gradients.list()[static_cast<size_t>(p)];
    return parameter.trainable ? gradients.Get(parameter) : std::span<float>();
  }
  float* gradient = plan_->gradient(value);
  if (!gradient) return {};
  return {gradient, static_cast<size_t>(plan_->type(value).shape.size())};
}

// Sets the arrays of a step; false: nothing that it gives matters.
bool Executor::Impl::Prepare(Step& step, const Parameters& parameters, Parameters& gradients) {
  bool active = false;
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    const bool matters = active_[static_cast<size_t>(step.outputs[i])] != 0;
    step.doutput_arrays[i] = matters ? plan_->gradient(step.outputs[i]) : nullptr;
    active |= matters;
  }
  if (!active || !step.needs_gradient) return false;
  const float* values = parameters.values().data();
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    const auto v = static_cast<size_t>(step.inputs[i]);
    if (const int p = ParameterOf(step.inputs[i]); p >= 0)
      step.backward_inputs[i] = values + parameters.list()[static_cast<size_t>(p)].offset;
    float* dinput = GradientOf(step.inputs[i], gradients).data();
    if (dinput && written_[v] && !step.kernel->adds(i)) dinput = plan_->At<float>(step.apart[i]);
    step.dinput_arrays[i] = dinput;
    step.add[i] = written_[v] != 0;
    if (dinput) active_[v] = written_[v] = 1;
  }
  return true;
}

// To what another step has given.
bool Executor::Impl::AddsToParameter(const Step& step) const {
  for (size_t i = 0; i < step.inputs.size(); ++i)
    if (step.add[i] && step.dinput_arrays[i] && ParameterOf(step.inputs[i]) >= 0) return true;
  return false;
}

void Executor::Impl::RunBackward(Step& step, const RunContext& run, Parameters& gradients) {
  BackwardContext context;
  context.run = run;
  context.inputs = step.backward_inputs;
  context.outputs = step.backward_outputs;
  context.doutputs = step.doutput_arrays;
  context.dinputs = step.dinput_arrays;
  context.add = {step.add.get(), step.inputs.size()};
  context.saved = plan_->At<std::byte>(step.saved);
  context.scratch = plan_->At<std::byte>(step.backward_scratch);
  const AtWork work;
  step.kernel->Backward(context);
  for (size_t i = 0; i < step.inputs.size(); ++i) {
    const float* apart = plan_->At<float>(step.apart[i]);
    if (!apart || step.dinput_arrays[i] != apart) continue;
    for (float& gradient : GradientOf(step.inputs[i], gradients)) gradient += *apart++;
  }
}

Executor::Executor(const Graph& graph, const ExecutorOptions& options)
    : impl_(std::make_unique<Impl>(graph, options)) {}
Executor::Executor(const Graph& graph, int64_t batch_size, bool training, bool keep_all)
    : Executor(graph, {.training = training, .keep_all = keep_all}) {
  SetBatchSize(batch_size);
}
Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;

double Executor::PlannedBytes(const Graph& graph, int64_t batch_size, bool training,
                              bool keep_all) {
  if (batch_size < 1) Fail("executor: batch size is {}, expected at least 1", batch_size);
  std::vector<Layout> shapes;
  for (const Value input : graph.inputs())
    shapes.push_back(graph.layout(input).WithBatch(batch_size));
  return ExecutionPlan(graph, shapes, {.whole = batch_size}, {},
                       {.training = training, .keep_all = keep_all})
      .bytes();
}

double Executor::PlannedBytes(const Graph& graph, std::span<const Layout> shapes,
                              const ExecutorOptions& options) {
  const bool rows = !shapes.empty() && shapes[0].rank() > 0;
  return ExecutionPlan(graph, {shapes.begin(), shapes.end()},
                       {.whole = rows ? shapes[0].axes()[0].size : 1}, {}, options)
      .bytes();
}

void Executor::SetShapes(std::span<const Layout> shapes) { impl_->SetShapes(shapes); }
void Executor::SetBatchSize(int64_t batch_size) {
  if (batch_size < 1) Fail("executor: batch size is {}, expected at least 1", batch_size);
  impl_->SetBatch({.whole = batch_size}, {});
}
void Executor::SetBatch(const BatchPart& part, std::span<const int64_t> offsets) {
  if (part.whole < 1) Fail("executor: batch size is {}, expected at least 1", part.whole);
  if (part.first_leaf < 0 || part.last_leaf < part.first_leaf ||
      part.last_leaf > BatchPart::kLeaves || part.begins)
    Fail("executor: a part of leaves [{},{}) given, expected a run of [0,{})", part.first_leaf,
         part.last_leaf, BatchPart::kLeaves);
  impl_->SetBatch(part, offsets);
}
const BatchPart& Executor::part() const { return impl_->plan().part(); }
const BatchPart& Executor::part(Value value) const {
  const ExecutionPlan& plan = impl_->plan();
  return impl_->graph().layout(value).packed() ? plan.time().rows : plan.part();
}
int64_t Executor::batch_size() const {
  const Layout& first = impl_->plan().shapes()[0];
  return first.packed() ? part().rows() : first.SizeOf(kB);
}
size_t Executor::arena_bytes() const { return impl_->arena_bytes(); }
std::span<float> Executor::input() {
  const auto [data, size] = Find(impl_->graph().inputs()[0], DType::kF32);
  return {static_cast<float*>(const_cast<void*>(data)), size};
}
ArrayView Executor::input(size_t index) { return impl_->input(index); }

std::span<const float> Executor::Forward(const Parameters& parameters, const RunContext& run) {
  impl_->Forward(parameters, run);
  return value(impl_->graph().output());
}

ArrayView Executor::Run(const Parameters& parameters, std::span<const ArrayView> inputs,
                        const RunContext& run) {
  std::vector<Layout> shapes;
  for (const ArrayView& input : inputs) shapes.push_back(input.type.shape);
  impl_->SetShapes(shapes);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ArrayView to = impl_->input(i);
    inputs[i].CheckDense(to.type.dtype);
    std::memcpy(to.data, inputs[i].data, to.type.bytes());
  }
  impl_->Forward(parameters, run);
  return array(impl_->graph().output());
}

std::pair<const void*, size_t> Executor::Find(Value value, DType dtype) const {
  const void* data = impl_->Find(value);
  const ArrayType& type = impl_->plan().type(value);
  if (type.dtype != dtype)
    Fail("{}: its value is {}, asked for {}", impl_->graph().TitleOf(value), type.ToString(),
         Name(dtype));
  return {data, static_cast<size_t>(type.shape.size())};
}
ArrayView Executor::array(Value value) const {
  return {impl_->Find(value), impl_->plan().type(value)};
}
bool Executor::can_go_back() const { return impl_->can_go_back(); }

void Executor::Backward(const Parameters& parameters, std::span<const float> doutput, Value from,
                        const RunContext& run, Parameters& gradients) {
  impl_->Backward(parameters, doutput, from, run, gradients);
}

}  // namespace normkit
