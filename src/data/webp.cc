#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <memory>

#include "src/core/fail.h"
#include "src/data/colour_profile.h"
#include "src/data/image_codec.h"

namespace normkit {
namespace {

// One colour all over takes a few bytes whatever the size; what claims more than this is damaged.
constexpr int64_t kWebPPixelsPerByte = int64_t{1} << 12;

const uint8_t* Begin(std::string_view bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}

WebPBitstreamFeatures Features(std::string_view bytes, const std::string& where) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(Begin(bytes), bytes.size(), &features);
  if (status != VP8_STATUS_OK || features.width < 1 || features.height < 1)
    Fail("{}: damaged WebP: the header is not that of a picture ({})", where,
         static_cast<int>(status));
  CheckPixels(features.height, features.width, where);
  return features;
}

// Metadata of this name, "" where there are none.
std::string Metadata(std::string_view bytes, const char* name) {
  const WebPData file{Begin(bytes), bytes.size()};
  const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> demuxer(WebPDemux(&file),
                                                                     WebPDemuxDelete);
  WebPChunkIterator chunk;
  if (!demuxer || !WebPDemuxGetChunk(demuxer.get(), name, 1, &chunk)) return "";
  std::string data(reinterpret_cast<const char*>(chunk.chunk.bytes), chunk.chunk.size);
  WebPDemuxReleaseChunkIterator(&chunk);
  return data;
}

// EXIF data stand behind the pixels.
int Orientation(std::string_view bytes) {
  const std::string data = Metadata(bytes, "EXIF");
  std::string_view exif = data;
  constexpr std::string_view kExif("Exif\0\0", 6);
  if (exif.starts_with(kExif)) exif.remove_prefix(kExif.size());
  return ExifOrientation(exif);
}

bool ReadStill(std::string_view bytes, const WebPBitstreamFeatures& features,
               std::vector<uint8_t>& pixels) {
  const int stride = features.width * (features.has_alpha ? 4 : 3);
  uint8_t *out = pixels.data(), *end = nullptr;
  if (features.has_alpha)
    end = WebPDecodeRGBAInto(Begin(bytes), bytes.size(), out, pixels.size(), stride);
  else
    end = WebPDecodeRGBInto(Begin(bytes), bytes.size(), out, pixels.size(), stride);
  return end != nullptr;
}

// The first picture of several.
bool ReadAnimation(std::string_view bytes, std::vector<uint8_t>& rgba) {
  WebPAnimDecoderOptions options;
  if (!WebPAnimDecoderOptionsInit(&options)) return false;
  const WebPData data{Begin(bytes), bytes.size()};
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(
      WebPAnimDecoderNew(&data, &options), WebPAnimDecoderDelete);
  uint8_t* frame = nullptr;
  int timestamp = 0;
  if (!decoder || !WebPAnimDecoderGetNext(decoder.get(), &frame, &timestamp)) return false;
  std::copy_n(frame, rgba.size(), rgba.begin());
  return true;
}

}  // namespace

Decoded PeekWebp(std::string_view bytes, const std::string& where) {
  const WebPBitstreamFeatures features = Features(bytes, where);
  // RIFF SIZE WEBP VP8X SIZE FLAGS: bit 3 says that EXIF data follow the pixels.
  const bool exif = bytes.size() > 20 && bytes.substr(12, 4) == "VP8X" && (bytes[20] & 8) != 0;
  uint64_t size = 8;
  for (size_t i = 0; i < 4; ++i)
    size += uint64_t{static_cast<unsigned char>(bytes[4 + i])} << 8 * i;
  if (exif && bytes.size() < size)
    Fail("{}: damaged WebP: {} bytes of {} are there", where, bytes.size(), size);
  return {{features.height, features.width, 3, {}}, exif ? Orientation(bytes) : 1};
}

Decoded DecodeWebp(std::string_view bytes, const std::string& where) {
  const WebPBitstreamFeatures features = Features(bytes, where);
  const int64_t height = features.height, width = features.width;
  CheckDensity(height, width, kWebPPixelsPerByte, bytes.size(), "WebP", where);
  const bool alpha = features.has_alpha || features.has_animation;
  Decoded decoded{{height, width, 3, {}}, Orientation(bytes)};
  decoded.image.pixels.resize(static_cast<size_t>(height * width * (alpha ? 4 : 3)));
  const bool done = features.has_animation ? ReadAnimation(bytes, decoded.image.pixels)
                                           : ReadStill(bytes, features, decoded.image.pixels);
  if (!done) Fail("{}: damaged WebP: the pixels cannot be decoded", where);
  const Samples samples = alpha ? Samples::kRgba : Samples::kRgb;
  SrgbConverter(Metadata(bytes, "ICCP"), samples, where).Convert(decoded.image.pixels);
  if (alpha) decoded.image.pixels = OnWhite(decoded.image.pixels, 3);
  return decoded;
}

}  // namespace normkit
