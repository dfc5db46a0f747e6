// Networks of others in C++: planned for any sizes, and trained as any other.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "normkit/core/random.h"
#include "normkit/graph/executor.h"
#include "src/core/testing.h"
#include "src/onnx/model.h"
#include "src/onnx/testing.h"

namespace normkit {
namespace {

ImportedNetwork Import(const Network& network, const ImportOptions& options = {}) {
  return NetworkFromOthers(OnnxBytes(network), "m.onnx", "", options);
}

Tensor Images(int64_t batch) {
  Tensor x(Layout::Make("BSSC", std::vector<int64_t>{batch, 12, 12, 3}));
  Random random(7);
  for (float& value : x.values<float>()) value = static_cast<float>(random.Normal());
  return x;
}

std::vector<float> RunOn(const ImportedNetwork& imported, Executor& executor, Tensor x) {
  const ArrayView view = x.view();
  const ArrayView y = executor.Run(imported.network.parameters, std::span(&view, 1));
  const auto values = y.values<float>();
  return {values.begin(), values.end()};
}

TEST(Import, GivesWhatOurOwnReaderGives) {
  const Network own = ResidualNetwork();
  const ImportedNetwork imported = Import(own);
  ASSERT_EQ(imported.inputs.size(), 1u);
  EXPECT_EQ(imported.inputs[0].shape, (std::vector<int64_t>{-1, 3, 12, 12}));
  EXPECT_TRUE(imported.inputs[0].channels_last);
  EXPECT_EQ(imported.network.facts.at("normkit.format"), "1");
  Tensor x = Images(3);
  Executor own_executor(own.graph, 3, false);
  std::ranges::copy(x.values<float>(), own_executor.input().begin());
  const std::span<const float> expected = own_executor.Forward(own.parameters, {});
  Executor executor(imported.network.graph);
  const std::vector<float> y = RunOn(imported, executor, x.Clone());
  ASSERT_EQ(y.size(), expected.size());
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 1e-5) << i;
}

// Shapes in the graph follow the inputs: one graph for all batch sizes.
TEST(Import, OneGraphServesAllSizes) {
  const ImportedNetwork imported = Import(ResidualNetwork());
  const ImportedNetwork for_five =
      Import(ResidualNetwork(), {.shapes = {{"image", {5, 3, 12, 12}}}});
  Executor executor(imported.network.graph), other(for_five.network.graph);
  const std::vector<float> expected = RunOn(for_five, other, Images(5));
  EXPECT_EQ(RunOn(imported, executor, Images(2)).size(), 20u);
  EXPECT_EQ(RunOn(imported, executor, Images(5)), expected);
  EXPECT_ERROR(Import(ResidualNetwork(), {.shapes = {{"image", {5, 3, 12}}}}),
               "m.onnx: input 'image': is given as [5,3,12], expected [any,3,12,12]");
  EXPECT_ERROR(Import(ResidualNetwork(), {.shapes = {{"picture", {5, 3, 12, 12}}}}),
               "m.onnx: has no input 'picture', expected image");
}

// The loss changes along its gradient by as much as the gradient says.
TEST(Import, Trains) {
  ImportedNetwork imported = Import(ResidualNetwork());
  Parameters& parameters = imported.network.parameters;
  Executor executor(imported.network.graph, 4, /*training=*/true);
  const Tensor x = Images(4);
  std::vector<float> weights(40);
  Random random(9);
  for (float& w : weights) w = static_cast<float>(random.Normal());
  const auto loss = [&] {
    std::ranges::copy(x.values<float>(), executor.input().begin());
    const auto y = executor.Forward(parameters, {.training = true});
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(weights[i]) * y[i];
    return sum;
  };
  loss();
  Parameters gradients = parameters.Clone();
  executor.Backward(parameters, weights, imported.network.graph.output(), {.training = true},
                    gradients);
  double squares = 0;
  int trained = 0;
  for (const Parameter& p : gradients.list()) {
    if (!p.trainable) continue;
    double own = 0;
    for (const float g : gradients.Get(p)) own += static_cast<double>(g) * g;
    EXPECT_GT(own, 0) << p.name;
    squares += own;
    ++trained;
  }
  EXPECT_EQ(trained, 12);  // three of two weights and biases, three norms of scale and offset
  const double step = 1e-3 / std::sqrt(squares);
  const auto move = [&](double by) {
    for (const Parameter& p : parameters.list())
      if (p.trainable)
        for (size_t i = 0; i < parameters.Get(p).size(); ++i)
          parameters.Get(p)[i] += static_cast<float>(by * gradients.Get(p)[i]);
  };
  move(step);
  const double up = loss();
  move(-2 * step);
  const double down = loss();
  EXPECT_NEAR((up - down) / (2 * step), squares, 0.02 * squares);
}

}  // namespace
}  // namespace normkit
