#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "src/core/fail.h"
#include "src/data/colour_profile.h"
#include "src/data/image_codec.h"

namespace normkit {
namespace {

// An empty page of a fax takes a bit a row.
constexpr int64_t kTiffPixelsPerByte = int64_t{1} << 16;

// A file in memory, as libtiff reads and seeks in it.
struct Memory {
  std::string_view bytes;
  uint64_t at = 0;
  char message[200] = "the file ends too early";
  bool bad_profile = false;
};

tmsize_t OnRead(thandle_t handle, void* out, tmsize_t size) {
  auto* memory = static_cast<Memory*>(handle);
  const uint64_t rest = memory->bytes.size() - std::min<uint64_t>(memory->at, memory->bytes.size());
  const auto count = static_cast<size_t>(std::min<uint64_t>(rest, static_cast<uint64_t>(size)));
  if (count > 0) std::memcpy(out, memory->bytes.data() + memory->at, count);
  memory->at += count;
  return static_cast<tmsize_t>(count);
}
tmsize_t OnWrite(thandle_t, void*, tmsize_t) { return 0; }
toff_t OnSeek(thandle_t handle, toff_t offset, int whence) {
  auto* memory = static_cast<Memory*>(handle);
  memory->at = offset + (whence == SEEK_CUR   ? memory->at
                         : whence == SEEK_END ? memory->bytes.size()
                                              : 0);
  return memory->at;
}
int OnClose(thandle_t) { return 0; }
toff_t OnSize(thandle_t handle) { return static_cast<Memory*>(handle)->bytes.size(); }

int OnError(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  auto* memory = static_cast<Memory*>(user);
  std::vsnprintf(memory->message, sizeof memory->message, format, arguments);
  return 1;
}
// A profile that libtiff cannot read it leaves out.
int OnWarning(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  char text[200];
  std::vsnprintf(text, sizeof text, format, arguments);
  if (std::strstr(text, "ICC Profile")) static_cast<Memory*>(user)->bad_profile = true;
  return 1;
}

using Tiff = std::unique_ptr<TIFF, void (*)(TIFF*)>;

class TiffDecoder {
 public:
  TiffDecoder(std::string_view bytes, const std::string& where)
      : memory_{bytes}, where_(where), tiff_(nullptr, TIFFClose) {
    const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(
        TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
    // Strips and tiles may claim any size.
    TIFFOpenOptionsSetMaxSingleMemAlloc(
        options.get(), static_cast<tmsize_t>(64 * bytes.size() + (uint64_t{1} << 24)));
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), OnError, &memory_);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), OnWarning, &memory_);
    tiff_.reset(TIFFClientOpenExt("file", "rm", &memory_, OnRead, OnWrite, OnSeek, OnClose, OnSize,
                                  nullptr, nullptr, options.get()));
    if (!tiff_) Damaged(memory_.message);
    TIFFGetField(tiff_.get(), TIFFTAG_IMAGELENGTH, &height_);
    TIFFGetField(tiff_.get(), TIFFTAG_IMAGEWIDTH, &width_);
    if (height_ < 1 || width_ < 1) Damaged("it has no pixels");
    CheckPixels(height_, width_, where_);
    char reason[1024] = "";
    if (!TIFFRGBAImageOK(tiff_.get(), reason)) Damaged(reason);
  }

  // As stored, which Upright turns.
  Decoded Header() const {
    uint16_t photometric = PHOTOMETRIC_RGB, orientation = ORIENTATION_TOPLEFT;
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_PHOTOMETRIC, &photometric);
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_ORIENTATION, &orientation);
    const bool grey =
        photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE;
    return {{height_, width_, grey ? 1 : 3, {}}, orientation};
  }

  Decoded Read() {
    Decoded decoded = Header();
    CheckDensity(height_, width_, kTiffPixelsPerByte, memory_.bytes.size(), "TIFF", where_);
    const auto channels = static_cast<size_t>(decoded.image.channels);
    const SrgbConverter converter(Profile(), channels == 1 ? Samples::kGreyAlpha : Samples::kRgba,
                                  where_);
    const bool separate = HasUnassociatedAlpha();
    if (converter.converts() && separate) LeaveUnmultiplied();
    std::vector<uint32_t> raster(size_t{height_} * width_);
    // Asked for as it is stored: libtiff mirrors, but does not turn.
    if (!TIFFReadRGBAImageOriented(tiff_.get(), width_, height_, raster.data(), decoded.orientation,
                                   1))
      Damaged(memory_.message);
    if (!converter.converts()) {
      // libtiff multiplies colours by alpha, but not grey.
      decoded.image.pixels = SeenOnWhite(raster, channels, channels == 1 && separate);
      return decoded;
    }
    std::vector<uint8_t> pixels = WithAlpha(raster, channels, !separate);
    raster = {};
    converter.Convert(pixels);
    decoded.image.pixels = OnWhite(pixels, channels);
    return decoded;
  }

 private:
  // Empty where there is none.
  std::string_view Profile() const {
    uint32_t size = 0;
    void* data = nullptr;
    if (TIFFGetField(tiff_.get(), TIFFTAG_ICCPROFILE, &size, &data))
      return {static_cast<const char*>(data), size};
    if (memory_.bad_profile) IgnoreProfile(where_, "its place in the file cannot be read");
    return {};
  }

  static std::vector<uint8_t> SeenOnWhite(const std::vector<uint32_t>& raster, size_t channels,
                                          bool multiply) {
    std::vector<uint8_t> pixels;
    pixels.reserve(raster.size() * channels);
    for (const uint32_t pixel : raster) {
      const uint32_t parts[] = {TIFFGetR(pixel), TIFFGetG(pixel), TIFFGetB(pixel)};
      const uint32_t alpha = TIFFGetA(pixel), white = 255 - alpha;
      for (size_t i = 0; i < channels; ++i) {
        const uint32_t seen = multiply ? (parts[i] * alpha + 127) / 255 : parts[i];
        pixels.push_back(static_cast<uint8_t>(std::min<uint32_t>(255, seen + white)));
      }
    }
    return pixels;
  }

  // Colours as they were before they were multiplied by alpha, and alpha.
  static std::vector<uint8_t> WithAlpha(const std::vector<uint32_t>& raster, size_t channels,
                                        bool multiplied) {
    std::vector<uint8_t> pixels;
    pixels.reserve(raster.size() * (channels + 1));
    for (const uint32_t pixel : raster) {
      const uint32_t parts[] = {TIFFGetR(pixel), TIFFGetG(pixel), TIFFGetB(pixel)};
      const uint32_t alpha = TIFFGetA(pixel), divisor = multiplied ? std::max(alpha, 1u) : 255;
      for (size_t i = 0; i < channels; ++i)
        pixels.push_back(
            static_cast<uint8_t>(std::min(255u, (parts[i] * 255 + divisor / 2) / divisor)));
      pixels.push_back(static_cast<uint8_t>(alpha));
    }
    return pixels;
  }

  // libtiff multiplies by alpha in 8 bits, which dark colours do not survive: it is told that this
  // has been done.
  void LeaveUnmultiplied() {
    const uint16_t multiplied = EXTRASAMPLE_ASSOCALPHA;
    TIFFSetField(tiff_.get(), TIFFTAG_EXTRASAMPLES, 1, &multiplied);
  }

  bool HasUnassociatedAlpha() const {
    uint16_t count = 0, *kinds = nullptr;
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_EXTRASAMPLES, &count, &kinds);
    return count > 0 && kinds[0] == EXTRASAMPLE_UNASSALPHA;
  }
  [[noreturn]] void Damaged(const char* reason) const {
    Fail("{}: damaged TIFF, or one of a kind that is not read: {}", where_, reason);
  }

  Memory memory_;
  const std::string& where_;
  Tiff tiff_;
  uint32_t height_ = 0, width_ = 0;
};

}  // namespace

Decoded PeekTiff(std::string_view bytes, const std::string& where) {
  return TiffDecoder(bytes, where).Header();
}

Decoded DecodeTiff(std::string_view bytes, const std::string& where) {
  return TiffDecoder(bytes, where).Read();
}

}  // namespace normkit
