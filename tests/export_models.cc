// export_models FOLDER: one model for each layer kind and way to write it, with an input and what
// normkit makes of it, for onnx_test.py to judge: NAME.onnx, NAME.x.npy, NAME.y.npy. Arrays are
// [N,C,H,W] or [N,C], as in the file; of sequences [N,T,C] with NAME.lengths.npy, y 0 in padding
// and x whatever. All come from the network as it is read back from the file.
#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string>
#include <vector>

#include "normkit/normkit.h"
#include "src/onnx/sequence_testing.h"

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

constexpr int64_t kLengths[] = {7, 2, 9, 1}, kSequences = std::size(kLengths), kLongest = 9;

// [rows,C] as [N,T,C] with `padding` behind each.
NpyArray Padded(std::span<const float> rows, int64_t width, float padding) {
  std::vector<float> all(static_cast<size_t>(kSequences * kLongest * width), padding);
  const float* from = rows.data();
  for (int64_t i = 0; i < kSequences; ++i, from += kLengths[i - 1] * width)
    std::copy_n(from, kLengths[i] * width, all.data() + i * kLongest * width);
  return MakeNpy(DType::kF32, {kSequences, kLongest, width}, all.data());
}

// The same of rows that may be pictures, channels last: [N,T,C,H,W].
NpyArray PaddedSteps(std::span<const float> rows, const Layout& layout, float padding) {
  std::vector<Axis> axes = layout.axes();
  axes[0] = {kB, static_cast<int64_t>(rows.size()) / layout.size()};
  const NpyArray first = ToChannelsFirst(rows, Layout(axes));
  NpyArray padded = Padded({reinterpret_cast<const float*>(first.data.data()), rows.size()},
                           layout.size(), padding);
  padded.shape = {kSequences, kLongest};
  padded.shape.insert(padded.shape.end(), first.shape.begin() + 1, first.shape.end());
  return padded;
}

void ExportSequences(const Sample& sample, const Network& network, const std::string& path) {
  std::vector<int64_t> offsets{0};
  for (const int64_t length : kLengths) offsets.push_back(offsets.back() + length);
  Executor executor(network.graph);
  executor.SetBatch({.whole = kSequences}, offsets);
  Random random(2);
  for (float& x : executor.input())
    x = sample.tokens > 0 ? static_cast<float>(random.Below(sample.tokens))
                          : static_cast<float>(random.Normal() + 0.5);
  WriteNpy(path + ".lengths.npy", MakeNpy(DType::kI64, {kSequences}, kLengths));
  WriteNpy(path + ".x.npy", PaddedSteps(executor.input(), network.graph.input_layout(), 1e30f));
  const std::span<const float> y = executor.Forward(network.parameters, {});
  const Layout& output = network.graph.layout(network.graph.output());
  WriteNpy(path + ".y.npy", output.packed()
                                ? PaddedSteps(y, output, 0)
                                : MakeNpy(DType::kF32, {kSequences, output.channels()}, y.data()));
}

void Export(const Sample& sample, const std::string& folder) {
  const std::string path = folder + "/" + sample.name;
  SaveOnnx(sample.network, path + ".onnx");
  Network network = LoadOnnx(path + ".onnx");
  if (network.graph.layout(network.graph.inputs()[0]).packed())
    return ExportSequences(sample, network, path);
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
    for (const normkit::Sample& sample : normkit::SequenceSamples())
      normkit::Export(sample, argv[1]);
  } catch (const normkit::Error& error) {
    std::fprintf(stderr, "export_models: %s\n", error.what());
    return 1;
  }
  return 0;
}
