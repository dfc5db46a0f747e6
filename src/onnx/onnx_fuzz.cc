// libFuzzer: whatever the bytes, reading a model, as a network of our own or of others, ends with a
// network or an Error; and one of our own that was read can be written.
#include <cstddef>
#include <cstdint>

#include "normkit/core/error.h"
#include "src/onnx/model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    static_cast<void>(normkit::NetworkFromOthers(bytes, "fuzz.onnx", "", {}));
  } catch (const normkit::Error&) {
  }
  try {
    static_cast<void>(normkit::OnnxBytes(normkit::NetworkFromOnnx(bytes, "fuzz.onnx")));
  } catch (const normkit::Error&) {
  }
  return 0;
}
