// Damaged files of networks, read as those of others: each is planned, or ends in one line.
#include <gtest/gtest.h>

#include "normkit/core/random.h"
#include "normkit/graph/executor.h"
#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/onnx/model.h"
#include "src/onnx/testing.h"

namespace normkit {
namespace {

// What reading and planning say; "": both work.
std::string Say(const std::string& bytes) {
  try {
    const ImportedNetwork imported = NetworkFromOthers(bytes, "m.onnx", "", {});
    std::vector<Layout> shapes;
    double elements = 0;
    for (const ImportedArray& input : imported.inputs)
      shapes.push_back(imported.network.graph.layout(input.value));
    for (const ValueInfo& value : imported.network.graph.values())
      elements += static_cast<double>(value.type.shape.size());
    if (elements < 1e7) Executor(imported.network.graph).SetShapes(shapes);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// How many of so many damaged copies can be read.
int DamageAndRead(const std::string& bytes, int copies, uint64_t seed) {
  Random random(seed);
  int read = 0;
  for (int i = 0; i < copies; ++i) {
    std::string damaged = bytes;
    const auto below = [&](size_t n) {
      return static_cast<size_t>(random.Below(static_cast<int64_t>(n)));
    };
    const size_t changes = 1 + below(8);
    for (size_t k = 0; k < changes; ++k)
      damaged[below(damaged.size())] = static_cast<char>(below(256));
    if (i % 8 == 0) damaged.resize(below(damaged.size()));
    const std::string said = Say(damaged);
    read += said.empty();
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
    EXPECT_LT(said.size(), 1200u);
  }
  return read;
}

TEST(ImportHostile, DamagedNetworksOfOurOwn) {
  const std::string bytes = OnnxBytes(ResidualNetwork());
  EXPECT_EQ(Say(bytes), "");
  EXPECT_LT(DamageAndRead(bytes, 1000, 1), 1000);
}

TEST(ImportHostile, DamagedNetworksOfOthers) {
  for (const char* name : {"style/candy-decomposed-256.onnx", "style/candy-opset7-720.onnx",
                           "models/resnet20-cifar10.onnx", "models/mnist-cnn.onnx"}) {
    const std::string path = RealData(name);
    SKIP_WITHOUT(path);
    EXPECT_LT(DamageAndRead(ReadFile(path), 250, 2), 250);
  }
}

}  // namespace
}  // namespace normkit
