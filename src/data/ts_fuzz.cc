#include "src/data/fuzz.h"
#include "src/data/ts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return normkit::Fuzz(data, size, [](std::string_view bytes) { normkit::ParseTs(bytes, "file"); });
}
