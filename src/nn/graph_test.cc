// What graphs can say beyond chains of layers: several outputs, shared parameters, arithmetic on
// shapes, inputs of any size.
#include "normkit/graph/graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "normkit/graph/executor.h"
#include "normkit/nn/layers.h"
#include "src/core/testing.h"
#include "src/ops/ops.h"

namespace normkit {
namespace {

Tensor Whole(std::vector<int64_t> elements) {
  Tensor tensor(Layout::Unlabelled(std::vector{static_cast<int64_t>(elements.size())}),
                DType::kI64);
  std::ranges::copy(elements, tensor.values<int64_t>().begin());
  return tensor;
}

void FillNormal(std::span<float> values, uint64_t seed) {
  Random random(seed);
  for (float& value : values) value = static_cast<float>(random.Normal());
}

// One step of a recurrent cell, in the shape of an LSTM: h' = tanh(c') , c' = c + tanh(x + h). Two
// outputs, both of which have gradients.
class CellKernel : public Kernel {
 public:
  explicit CellKernel(int64_t size) : size_(size) {}
  bool needs_input(size_t i) const override { return i < 2; }
  bool needs_output(size_t i) const override { return i == 0; }
  void Forward(const ForwardContext& context) override {
    for (int64_t i = 0; i < size_; ++i) {
      const float c = context.x(2)[i] + std::tanh(context.x(0)[i] + context.x(1)[i]);
      context.y(1)[i] = c;
      context.y(0)[i] = std::tanh(c);
    }
  }
  void Backward(const BackwardContext& context) override {
    for (int64_t i = 0; i < size_; ++i) {
      const float h = context.y(0)[i], t = std::tanh(context.x(0)[i] + context.x(1)[i]);
      float dc = context.dy(1) ? context.dy(1)[i] : 0;
      if (context.dy(0)) dc += context.dy(0)[i] * (1 - h * h);
      const float gradients[] = {dc * (1 - t * t), dc * (1 - t * t), dc};
      for (size_t k = 0; k < 3; ++k)
        if (float* dx = context.dx(k)) dx[i] = (context.add[k] ? dx[i] : 0) + gradients[k];
    }
  }

 private:
  int64_t size_;
};

class CellOp : public Op {
 public:
  std::string_view name() const override { return "cell"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    return {inputs[0].type, inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<CellKernel>(inputs[0].type.shape.size());
  }
};

const Layout kRow = Layout::Make("BC", std::vector<int64_t>{1, 3});

// Two steps; the first one's two outputs are the second one's state.
struct Recurrent {
  Graph graph;
  Value x, h, c, weight, last_h, last_c;
  Recurrent() {
    x = graph.AddInput({DType::kF32, kRow});
    h = graph.AddInput({DType::kF32, kRow});
    c = graph.AddInput({DType::kF32, kRow});
    weight = graph.AddParameter({"weight", {3, 3}, [](std::span<float> values, Random& random) {
                                   for (float& v : values) v = static_cast<float>(random.Normal());
                                 }});
    const auto step = [&](Value state_h, Value state_c) {
      const Value driven = graph.AddNode(ops::MatrixProduct(), {x, weight})[0];
      return graph.AddNode(std::make_shared<CellOp>(), {driven, state_h, state_c});
    };
    const std::vector<Value> first = step(h, c);
    const std::vector<Value> second = step(first[0], first[1]);
    last_h = second[0];
    last_c = second[1];
  }
};

TEST(GraphTest, StateGoesThroughTwoOutputs) {
  Recurrent cell;
  Parameters parameters(cell.graph), gradients(cell.graph);
  parameters.Initialize(cell.graph, 1);
  Executor executor(cell.graph, {.training = true, .keep = {cell.last_h, cell.last_c}});
  executor.SetBatchSize(2);
  for (size_t i = 0; i < 3; ++i) FillNormal(executor.input(i).values<float>(), i);
  const RunContext mode{.training = true};
  const auto loss = [&] {  // half the sum of squares of the last state
    executor.Forward(parameters, mode);
    double sum = 0;
    for (const float v : executor.value(cell.last_h)) sum += 0.5 * v * v;
    return sum;
  };
  loss();
  const auto y = executor.value(cell.last_h);
  executor.Backward(parameters, std::vector<float>(y.begin(), y.end()), cell.last_h, mode,
                    gradients);
  const auto dw = gradients.Get(gradients.list()[0]);
  const auto w = parameters.Get(parameters.list()[0]);
  for (size_t i = 0; i < w.size(); ++i) {  // the weight is read by two nodes: gradients add up
    const float middle = w[i];
    const auto at = [&](float step) {
      w[i] = middle + step;
      return loss();
    };
    constexpr float kStep = 0.01f;  // of fourth order: gradient_test.cc
    const double near = at(kStep) - at(-kStep), far = at(2 * kStep) - at(-2 * kStep);
    EXPECT_NEAR(dw[i], (8 * near - far) / (12 * kStep), 5e-4) << i;
    w[i] = middle;
  }
}

// Two passes of one step each, the state carried by the caller, are one pass of two steps.
TEST(GraphTest, CarriedStateIsThatOfOnePass) {
  Recurrent two;
  Graph one;
  const Value x = one.AddInput({DType::kF32, kRow}), h = one.AddInput({DType::kF32, kRow}),
              c = one.AddInput({DType::kF32, kRow});
  const Value weight = one.AddParameter(two.graph.parameters()[0].spec);
  const Value driven = one.AddNode(ops::MatrixProduct(), {x, weight})[0];
  const std::vector<Value> state = one.AddNode(std::make_shared<CellOp>(), {driven, h, c});
  Parameters parameters(two.graph), same(one);
  parameters.Initialize(two.graph, 1);
  same.Initialize(one, 1);
  Executor whole(two.graph, {.keep = {two.last_h, two.last_c}}), part(one, {.keep = state});
  whole.SetBatchSize(4);
  part.SetBatchSize(4);
  for (size_t i = 0; i < 3; ++i) {
    FillNormal(whole.input(i).values<float>(), i);
    FillNormal(part.input(i).values<float>(), i);
  }
  whole.Forward(parameters, {});
  for (int step = 0; step < 2; ++step) {
    part.Forward(same, {});
    std::ranges::copy(part.value(state[0]), part.input(1).values<float>().begin());
    std::ranges::copy(part.value(state[1]), part.input(2).values<float>().begin());
  }
  EXPECT_TRUE(std::ranges::equal(part.value(state[0]), whole.value(two.last_h)));
  EXPECT_TRUE(std::ranges::equal(part.value(state[1]), whole.value(two.last_c)));
}

// Tied layers have one set of parameters; its gradient is the sum of both. As long as the weights
// are the same, that is the sum of the gradients of two layers apart.
TEST(GraphTest, TiedLayersShareParameters) {
  const auto make = [](bool tied) {
    Graph graph;
    graph.Add(FeatureInput({.num_features = 6}));
    graph.Add(FullyConnected({.name = "a", .output_size = 6}));
    graph.Add(BatchNormalization({.name = "norm"}));
    const Value x = graph.Add(Tanh());
    const LayerPtr again = FullyConnected({.name = "b", .output_size = 6});
    const Value y = tied ? graph.AddTied(again, {x}, "a") : graph.Add(again, {x});
    graph.Add(BatchNormalization({.name = "last"}), {y});
    return graph;
  };
  const Graph tied = make(true), apart = make(false);
  EXPECT_EQ(apart.parameters().size(), tied.parameters().size() + 2);
  Parameters p(tied), g(tied), q(apart), dq(apart);
  p.Initialize(tied, 1);
  q.Initialize(apart, 1);
  for (const char* name : {"weights", "bias"}) {
    const auto from = q.Get(*q.Find(std::string("a.") + name));
    std::ranges::copy(from, q.Get(*q.Find(std::string("b.") + name)).begin());
  }
  const auto run = [](const Graph& graph, Parameters& parameters, Parameters& gradients) {
    Executor executor(graph, 5, true);
    FillNormal(executor.input(), 3);
    const RunContext mode{.training = true};
    executor.Forward(parameters, mode);
    std::vector<float> dy(30);
    FillNormal(dy, 4);
    executor.Backward(parameters, dy, graph.output(), mode, gradients);
  };
  run(tied, p, g);
  run(apart, q, dq);
  for (const char* name : {"weights", "bias"}) {
    const auto both = g.Get(*g.Find(std::string("a.") + name));
    const auto first = dq.Get(*dq.Find(std::string("a.") + name));
    const auto second = dq.Get(*dq.Find(std::string("b.") + name));
    for (size_t i = 0; i < both.size(); ++i) EXPECT_EQ(both[i], second[i] + first[i]) << name << i;
  }
  Graph other = make(false);
  EXPECT_ERROR(other.AddTied(FullyConnected({.name = "c", .output_size = 7}), {0}, "a"),
               "fully connected 'c': weights is [7,6], expected that of 'a', [6,6]");
  EXPECT_ERROR(other.AddTied(Relu("c"), {0}, "z"),
               "graph: there is no layer 'z' to take parameters from");
}

// y = 2 x, by a kernel that can only overwrite dx.
class TwiceKernel : public Kernel {
 public:
  explicit TwiceKernel(int64_t size) : size_(size) {}
  bool adds(size_t) const override { return false; }
  void Forward(const ForwardContext& context) override {
    for (int64_t i = 0; i < size_; ++i) context.y()[i] = 2 * context.x()[i];
  }
  void Backward(const BackwardContext& context) override {
    for (int64_t i = 0; context.dx() && i < size_; ++i) context.dx()[i] = 2 * context.dy()[i];
  }

 private:
  int64_t size_;
};

class TwiceOp : public Op {
 public:
  std::string_view name() const override { return "twice"; }
  std::vector<ArrayType> Infer(std::span<const OpInput> inputs) const override {
    return {inputs[0].type};
  }
  std::unique_ptr<Kernel> Prepare(std::span<const OpInput> inputs,
                                  const Preparation&) const override {
    return std::make_unique<TwiceKernel>(inputs[0].type.shape.size());
  }
};

// y = 2 z + 2 z + 2 w + 2 w with z = w + w: dw is 12 dy, of a parameter and of a computed value.
TEST(GraphTest, TheExecutorAddsWhereKernelsCannot) {
  Graph graph;
  const auto node = [&](const ops::OpPtr& op, std::vector<Value> inputs) {
    return graph.AddNode(op, std::move(inputs))[0];
  };
  const auto twice = std::make_shared<TwiceOp>();
  graph.AddInput({DType::kF32, Layout::Make("BC", std::vector<int64_t>{1, 3})});
  const Value w = graph.AddParameter({"w", {4}, nullptr});
  const Value z = node(ops::Addition(), {w, w});
  const Value sum = node(ops::Addition(), {node(twice, {z}), node(twice, {z})});
  node(ops::Addition(), {node(ops::Addition(), {sum, node(twice, {w})}), node(twice, {w})});
  Parameters parameters(graph), gradients(graph);
  for (const bool keep_all : {false, true}) {
    Executor executor(graph, 1, true, keep_all);
    const RunContext mode{.training = true};
    executor.Forward(parameters, mode);
    executor.Backward(parameters, std::vector<float>{1, 2, 3, 4}, graph.output(), mode, gradients);
    for (size_t i = 0; i < 4; ++i)
      EXPECT_EQ(gradients.values()[i], 12 * static_cast<float>(i + 1)) << keep_all;
  }
}

// What was planned for arrays of another rank is no plan for a batch.
TEST(GraphTest, BatchesAfterShapesOfAnotherRank) {
  Graph graph;
  graph.Add(FeatureInput({.num_features = 3}));
  graph.Add(Tanh());
  const Parameters none(graph);
  Executor executor(graph);
  const Layout image = Layout::Make("BSSC", std::vector<int64_t>{2, 2, 2, 3});
  executor.SetShapes({&image, 1});
  EXPECT_EQ(executor.Forward(none, {}).size(), 24u);
  executor.SetBatchSize(2);
  EXPECT_EQ(executor.Forward(none, {}).size(), 6u);
  const Layout empty = Layout::Make("BC", std::vector<int64_t>{0, 3});
  EXPECT_ERROR(executor.SetShapes({&empty, 1}),
               "executor: an input of BC [0,3] given, expected one with elements");
}

// [B,H,W,C] -> [B * H, W * C] -> tanh -> back, by shapes that only arithmetic knows: nothing of it
// is left when the graph runs, and every size of input has its own.
TEST(GraphTest, ShapeArithmeticIsFoldedWhenPlanned) {
  Graph graph;
  const Value x =
      graph.AddInput({DType::kF32, Layout::Make("BSSC", std::vector<int64_t>{1, 4, 6, 3})});
  const auto node = [&](const ops::OpPtr& op, std::vector<Value> inputs) {
    return graph.AddNode(op, std::move(inputs))[0];
  };
  const Value shape = node(ops::ShapeOf(), {x});
  const Value rows = node(ops::MakeArithmetic(ops::Arithmetic::kMultiply),
                          {node(ops::Slice(0, 1), {shape}), node(ops::Slice(1, 1), {shape})});
  const Value open = graph.AddConstant(Whole({-1}));
  const Value flat = node(ops::Reshape("BC"), {x, node(ops::Join(), {rows, open})});
  const Value y = node(ops::Reshape("BSSC"), {flat, shape});
  EXPECT_EQ(graph.layout(flat).ToString(), "BC [4,18]");
  Executor executor(graph, {.keep = {flat}});
  const Parameters none(graph);
  for (const std::vector<int64_t>& size :
       {std::vector<int64_t>{2, 4, 6, 3}, {3, 5, 2, 1}, {2, 4, 6, 3}}) {
    Tensor input(Layout::Make("BSSC", size));
    FillNormal(input.values<float>(), 1);
    const ArrayView view = input.view();
    const ArrayView output = executor.Run(none, {&view, 1});
    EXPECT_EQ(output.type, input.type());
    EXPECT_TRUE(std::ranges::equal(output.values<float>(), input.values<float>()));
    EXPECT_EQ(executor.array(flat).type.shape.shape(),
              (std::vector<int64_t>{size[0] * size[1], size[2] * size[3]}));
    EXPECT_EQ(executor.value<int64_t>(rows)[0], size[0] * size[1]);
  }
  EXPECT_EQ(y, graph.output());
  EXPECT_ERROR(node(ops::Reshape(), {x, graph.AddConstant(Whole({7, -1}))}),
               "reshape: shape [7,-1] does not hold the 72 elements of x (BSSC [1,4,6,3])");
  EXPECT_ERROR(
      node(ops::MakeArithmetic(ops::Arithmetic::kDivide), {shape, graph.AddConstant(Whole({0}))}),
      "arithmetic: 1 is divided by 0");
  EXPECT_ERROR(node(ops::Reshape(), {x, x}),
               "reshape: the shape is f32 BSSC [1,4,6,3], expected an i64 vector");
}

TEST(GraphTest, ManyUnnamedNodesAreQuick) {
  Graph graph;
  Value x = graph.AddInput({DType::kF32, kRow});
  const auto op = ops::Addition();
  for (int i = 0; i < (1 << 14); ++i) x = graph.AddNode(op, {x, x})[0];
  EXPECT_EQ(graph.nodes().size(), size_t{1} << 14);
  EXPECT_EQ(graph.Infer(3).types.back().shape.ToString(), "BC [3,3]");
}

}  // namespace
}  // namespace normkit
