#include "src/data/fuzz.h"
#include "src/data/npy_format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return normkit::Fuzz(data, size,
                       [](std::string_view bytes) { normkit::ParseNpz(bytes, "file"); });
}
