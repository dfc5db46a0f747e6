// libFuzzer: whatever the bytes, reading a model ends with a network or an Error; and a network
// that was read can be written.
#include <cstddef>
#include <cstdint>

#include "normkit/core/error.h"
#include "src/onnx/model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    static_cast<void>(normkit::OnnxBytes(normkit::NetworkFromOnnx(bytes, "fuzz.onnx")));
  } catch (const normkit::Error&) {
  }
  return 0;
}
