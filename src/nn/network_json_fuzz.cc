// Fuzz target: network files of any bytes.
#include <cstdint>

#include "normkit/core/error.h"
#include "normkit/nn/networks.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    normkit::ParseNetworkJson({reinterpret_cast<const char*>(data), size}, "net.json",
                              {.input_size = {8, 8, 3}, .num_classes = 4});
  } catch (const normkit::Error&) {
  }
  return 0;
}
