#include <png.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "src/core/fail.h"
#include "src/data/colour_profile.h"
#include "src/data/image_codec.h"
#include "src/data/inflate.h"

namespace normkit {
namespace {

// libpng reports an error by a call that must not return: it jumps back to the setjmp of the step
// that runs. Between the two no object with a destructor is made.
class PngDecoder {
 public:
  explicit PngDecoder(std::string_view bytes)
      : rest_(bytes), max_allocation_(bytes.size() + kRows) {
    png_ = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, this, OnError, OnWarning, this, Allocate,
                                    nullptr);
    if (png_) info_ = png_create_info_struct(png_);
  }
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  bool ReadHeader() {
    if (!info_) {
      std::snprintf(message_, sizeof message_, "libpng cannot be started");
      return false;
    }
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_read_fn(png_, this, OnRead);
    png_read_info(png_, info_);
    stored_bytes_ = static_cast<uint64_t>(png_get_rowbytes(png_, info_)) * height();
    png_set_expand(png_);    // palettes, fewer than 8 bits, a transparent colour
    png_set_scale_16(png_);  // 16 bits to 8, rounded
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  // Rows of row_bytes(), one after the other.
  bool ReadRows(uint8_t* rows) {
    if (setjmp(png_jmpbuf(png_))) return false;
    for (int pass = 0; pass < passes_; ++pass)
      for (uint32_t row = 0; row < height(); ++row)
        png_read_row(png_, rows + row * row_bytes(), nullptr);
    png_read_end(png_, info_);
    return true;
  }

  uint32_t height() const { return png_get_image_height(png_, info_); }
  uint32_t width() const { return png_get_image_width(png_, info_); }
  int channels() const { return png_get_channels(png_, info_); }
  size_t row_bytes() const { return png_get_rowbytes(png_, info_); }
  uint64_t stored_bytes() const { return stored_bytes_; }  // of the pixels, before compression
  const char* message() const { return message_; }

  int Orientation() const {
    png_uint_32 size = 0;
    png_bytep data = nullptr;
    if (!png_get_eXIf_1(png_, info_, &size, &data)) return 1;
    return ExifOrientation({reinterpret_cast<const char*>(data), size});
  }

  // Empty where there is none, or one that libpng leaves out: profile_problem() says so then.
  std::string_view Profile() const {
    png_charp name = nullptr;
    png_bytep data = nullptr;
    png_uint_32 size = 0;
    int compression = 0;
    if (!png_get_iCCP(png_, info_, &name, &compression, &data, &size)) return {};
    return {reinterpret_cast<const char*>(data), size};
  }
  const char* profile_problem() const { return profile_problem_; }

 private:
  [[noreturn]] static void OnError(png_structp png, png_const_charp message) {
    auto* decoder = static_cast<PngDecoder*>(png_get_error_ptr(png));
    std::snprintf(decoder->message_, sizeof decoder->message_, "%s", message);
    png_longjmp(png, 1);
  }
  static void OnWarning(png_structp png, png_const_charp message) {
    constexpr char kProfile[] = "iCCP: ";
    auto* decoder = static_cast<PngDecoder*>(png_get_error_ptr(png));
    if (std::strncmp(message, kProfile, sizeof kProfile - 1) == 0)
      std::snprintf(decoder->profile_problem_, sizeof decoder->profile_problem_, "%s",
                    message + sizeof kProfile - 1);
  }
  // libpng asks for as many bytes as a chunk claims to have (eXIf: up to 2 GiB) before it reads
  // them.
  static png_voidp Allocate(png_structp png, png_alloc_size_t size) {
    const auto* decoder = static_cast<PngDecoder*>(png_get_mem_ptr(png));
    return size <= decoder->max_allocation_ ? std::malloc(size) : nullptr;
  }
  static void OnRead(png_structp png, png_bytep out, size_t size) {
    auto* decoder = static_cast<PngDecoder*>(png_get_io_ptr(png));
    if (size > decoder->rest_.size()) png_error(png, "the file ends too early");
    std::memcpy(out, decoder->rest_.data(), size);
    decoder->rest_.remove_prefix(size);
  }

  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  // libpng's own limit, a million pixels in a row, takes two rows of 8 MB.
  static constexpr size_t kRows = size_t{1} << 24;

  std::string_view rest_;
  size_t max_allocation_;
  uint64_t stored_bytes_ = 0;
  int passes_ = 1;
  char message_[200] = "", profile_problem_[200] = "";
};

// To sRGB, before transparency is seen on white.
void ApplyProfile(const PngDecoder& decoder, std::vector<uint8_t>& pixels,
                  const std::string& where) {
  const std::string_view profile = decoder.Profile();
  if (profile.empty() && *decoder.profile_problem() != 0)
    IgnoreProfile(where, decoder.profile_problem());
  const Samples samples[] = {Samples::kGrey, Samples::kGreyAlpha, Samples::kRgb, Samples::kRgba};
  SrgbConverter(profile, samples[decoder.channels() - 1], where).Convert(pixels);
}

}  // namespace

Decoded PeekPng(std::string_view bytes, const std::string& where) {
  PngDecoder decoder(bytes);
  if (!decoder.ReadHeader()) Fail("{}: damaged PNG: {}", where, decoder.message());
  const int64_t channels = decoder.channels() <= 2 ? 1 : 3;
  return {{decoder.height(), decoder.width(), channels, {}}, decoder.Orientation()};
}

Decoded DecodePng(std::string_view bytes, const std::string& where) {
  PngDecoder decoder(bytes);
  if (!decoder.ReadHeader()) Fail("{}: damaged PNG: {}", where, decoder.message());
  CheckPixels(decoder.height(), decoder.width(), where);
  if (decoder.stored_bytes() / kMaxDeflateRatio > bytes.size())
    Fail("{}: damaged PNG: {} x {} pixels do not fit {} bytes", where, decoder.width(),
         decoder.height(), bytes.size());
  Decoded decoded;
  decoded.image = {decoder.height(), decoder.width(), decoder.channels(), {}};
  decoded.image.pixels.resize(decoder.row_bytes() * decoder.height());
  if (!decoder.ReadRows(decoded.image.pixels.data()))
    Fail("{}: damaged PNG: {}", where, decoder.message());
  ApplyProfile(decoder, decoded.image.pixels, where);
  if (decoded.image.channels % 2 == 0) {
    --decoded.image.channels;
    decoded.image.pixels =
        OnWhite(decoded.image.pixels, static_cast<size_t>(decoded.image.channels));
  }
  decoded.orientation = decoder.Orientation();
  return decoded;
}

std::string EncodePng(const Image& image, const std::string& where) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::string bytes(size, '\0');
  if (!png_image_write_to_memory(&png, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr))
    Fail("{}: cannot be written: {}", where, png.message);
  bytes.resize(size);
  return bytes;
}

}  // namespace normkit
