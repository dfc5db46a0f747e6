// A layer of a program's own: y = x / (1 + exp(-slope x)), with a learned slope a channel
// (Ramachandran, Zoph & Le 2017). An operation says what comes out and computes it, forward and
// backward; a layer adds it and its parameters to a graph. Everything else (executor, training,
// gradients that add up, memory) comes with the graph.

#include <normkit/normkit.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace {

using normkit::Value;

float Sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

// Inputs: x [.., C] and slope [C]. One thread; see normkit/ops/op.h for what else a kernel may say.
class SwishKernel : public normkit::Kernel {
 public:
  SwishKernel(int64_t size, int64_t channels) : size_(size), channels_(channels) {}

  void Forward(const normkit::ForwardContext& context) override {
    for (int64_t i = 0; i < size_; ++i) {
      const float x = context.x(0)[i], slope = context.x(1)[i % channels_];
      context.y()[i] = x * Sigmoid(slope * x);
    }
  }

  void Backward(const normkit::BackwardContext& context) override {
    float *dx = context.dx(0), *dslope = context.dx(1);
    if (dslope && !context.add[1]) std::fill_n(dslope, channels_, 0.f);
    for (int64_t i = 0; i < size_; ++i) {
      const float x = context.x(0)[i], slope = context.x(1)[i % channels_], dy = context.dy()[i];
      const float s = Sigmoid(slope * x), ds = s * (1 - s);
      if (dx) dx[i] = dy * (s + x * slope * ds) + (context.add[0] ? dx[i] : 0);
      if (dslope) dslope[i % channels_] += dy * x * x * ds;
    }
  }

 private:
  int64_t size_, channels_;
};

class SwishOp : public normkit::Op {
 public:
  std::string_view name() const override { return "swish"; }
  std::vector<normkit::ArrayType> Infer(std::span<const normkit::OpInput> inputs) const override {
    return {inputs[0].type};
  }
  std::unique_ptr<normkit::Kernel> Prepare(std::span<const normkit::OpInput> inputs,
                                           const normkit::Preparation&) const override {
    return std::make_unique<SwishKernel>(inputs[0].type.shape.size(), inputs[1].type.shape.size());
  }
};

class SwishLayer : public normkit::Layer {
 public:
  using Layer::Layer;
  std::string_view type() const override { return "swish"; }
  std::string_view short_name() const override { return "swish"; }
  std::vector<Value> Build(normkit::Graph& graph, std::span<const Value> inputs) const override {
    if (inputs.size() != 1) throw normkit::Error(Title(*this) + ": expected one input");
    const normkit::Layout& x = graph.layout(inputs[0]);
    if (!x.channels_last())
      throw normkit::Error(Title(*this) + ": input is " + x.ToString() +
                           ", expected channels last");
    const Value slope =
        graph.AddParameter({"slope", {x.channels()}, [](std::span<float> values, normkit::Random&) {
                              std::fill(values.begin(), values.end(), 1.f);
                            }});
    return graph.AddNode(std::make_shared<SwishOp>(), {inputs[0], slope});
  }
};

}  // namespace

int main() {
  normkit::Graph graph;
  graph.Add(normkit::ImageInput({.input_size = {28, 28, 1}}));
  graph.Add(normkit::Convolution2d({.filter_size = {3, 3}, .num_filters = 8, .stride = {2, 2}}));
  graph.Add(normkit::BatchNormalization());
  graph.Add(std::make_shared<SwishLayer>(""));
  graph.Add(normkit::Flatten());
  graph.Add(normkit::FullyConnected({.output_size = 10}));
  graph.Add(normkit::Softmax());

  const normkit::TrainingResult result = normkit::TrainNetwork(
      normkit::GenerateDigits(400, /*seed=*/1), graph,
      {.solver = normkit::Solver::kAdam, .max_epochs = 8, .mini_batch_size = 40});
  const normkit::Parameters& parameters = result.network.parameters;
  const float slope = parameters.Get(*parameters.Find("swish_1.slope"))[0];
  std::printf("training accuracy %.1f %%, first slope %.3f\n", TrainingAccuracy(result), slope);
  return TrainingAccuracy(result) > 50 && slope != 1 ? 0 : 1;
}
