#include "src/data/fuzz.h"
#include "src/data/image_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  normkit::Fuzz(data, size, [](std::string_view bytes) { normkit::InfoOf(bytes, "file"); });
  return normkit::Fuzz(data, size,
                       [](std::string_view bytes) { normkit::DecodeImage(bytes, 0, "file"); });
}
