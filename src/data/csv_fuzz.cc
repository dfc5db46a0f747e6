#include "src/data/csv.h"
#include "src/data/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return normkit::Fuzz(data, size,
                       [](std::string_view bytes) { normkit::ParseCsv(bytes, "file", true); });
}
