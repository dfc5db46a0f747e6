// libFuzzer: whatever the bytes, reading a model, as a network of our own or of others, ends with a
// network, which can be planned, or an Error; and one of our own that was read can be written.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "normkit/core/error.h"
#include "normkit/graph/executor.h"
#include "src/onnx/model.h"
#include "src/onnx/model_mutations.h"

namespace {

constexpr int64_t kMostPlanned = int64_t{1} << 26;

void ReadAndPlan(std::string_view bytes) {
  const normkit::ImportedNetwork imported = normkit::NetworkFromOthers(bytes, "fuzz.onnx", "", {});
  for (const normkit::ValueInfo& value : imported.network.graph.values())
    if (value.type.shape.size() > kMostPlanned) return;  // what is planned grows with the arrays
  std::vector<normkit::Layout> shapes;
  for (const normkit::ImportedArray& input : imported.inputs)
    shapes.push_back(imported.network.graph.layout(input.value));
  static_cast<void>(normkit::Executor::PlannedBytes(imported.network.graph, shapes, {}));
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

// Every second time other parts of the model, else other bytes.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  normkit::Random random(seed);
  if (random.Below(2) == 0) return LLVMFuzzerMutate(data, size, max_size);
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const std::string mutated = normkit::MutatedModel(random, bytes, 3);
  if (mutated.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::copy(mutated.begin(), mutated.end(), data);
  return mutated.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    ReadAndPlan(bytes);
  } catch (const normkit::Error&) {
  }
  try {
    static_cast<void>(normkit::OnnxBytes(normkit::NetworkFromOnnx(bytes, "fuzz.onnx")));
  } catch (const normkit::Error&) {
  }
  return 0;
}
