// export_models FOLDER: one model for each layer kind and way to write it, with an input and what
// normkit makes of it, for onnx_test.py to judge: NAME.onnx, NAME.x.npy, NAME.y.npy. Arrays are
// [N,C,H,W] or [N,C], as in the file. All come from the network as it is read back from the file.
#include <cstdio>
#include <string>
#include <vector>

#include "normkit/normkit.h"
#include "src/onnx/testing.h"

namespace normkit {
namespace {

constexpr int64_t kBatchSize = 3;

// BSSC to BCSS; BC stays.
NpyArray ToChannelsFirst(std::span<const float> values, const Layout& layout) {
  const int64_t batch = layout.SizeOf(kB), space = layout.SizeOf(kS), channels = layout.channels();
  std::vector<float> moved(values.size());
  size_t next = 0;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t s = 0; s < space; ++s)
        moved[next++] = values[static_cast<size_t>((b * space + s) * channels + c)];
  std::vector<int64_t> shape{batch, channels};
  for (const Axis& axis : layout.axes())
    if (axis.label == kS) shape.push_back(axis.size);
  return MakeNpy(DType::kF32, shape, moved.data());
}

void Export(const Sample& sample, const std::string& folder) {
  const std::string path = folder + "/" + sample.name;
  SaveOnnx(sample.network, path + ".onnx");
  Network network = LoadOnnx(path + ".onnx");
  const auto layout = [&](Value value) {
    return network.graph.layout(value).WithBatch(kBatchSize);
  };
  Executor executor(network.graph, kBatchSize, false);
  Random random(2);
  for (float& x : executor.input()) x = static_cast<float>(random.Normal() + 0.5);
  WriteNpy(path + ".x.npy", ToChannelsFirst(executor.input(), layout(network.graph.inputs()[0])));
  const std::span<const float> y = executor.Forward(network.parameters, {});
  WriteNpy(path + ".y.npy", ToChannelsFirst(y, layout(network.graph.output())));
}

}  // namespace
}  // namespace normkit

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: export_models FOLDER\n");
    return 2;
  }
  try {
    for (const normkit::Sample& sample : normkit::AllSamples()) normkit::Export(sample, argv[1]);
  } catch (const normkit::Error& error) {
    std::fprintf(stderr, "export_models: %s\n", error.what());
    return 1;
  }
  return 0;
}
