// jpeglib.h needs FILE and size_t before it, jerror.h needs jpeglib.h.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <csetjmp>
#include <cstdlib>

#include "src/core/fail.h"
#include "src/data/colour_profile.h"
#include "src/data/image_codec.h"

namespace normkit {
namespace {

// A block of 64 pixels takes at least one bit, so that what claims more is damaged.
constexpr int64_t kJpegPixelsPerByte = 512;
// Encoders write about ten; thousands of empty scans would keep the decoder busy for hours.
constexpr int kMaxScans = 64;
constexpr int kQuality = 95;

// libjpeg reports an error by a call that must not return: it jumps back to the setjmp of the step
// that runs. Between the two no object with a destructor is made.
struct ErrorManager {
  jpeg_error_mgr base;  // first: libjpeg knows only this part
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
  bool bad_profile;
};

[[noreturn]] void JumpOut(j_common_ptr info) {
  auto* manager = reinterpret_cast<ErrorManager*>(info->err);
  manager->base.format_message(info, manager->message);
  std::longjmp(manager->jump, 1);
}

// Warnings say that pixels were lost and made up, but for those that every reader tolerates.
void OnMessage(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_TOO_MUCH_DATA:
      return;
    case JWRN_BOGUS_ICC:
      reinterpret_cast<ErrorManager*>(info->err)->bad_profile = true;
      return;
    default:
      JumpOut(info);
  }
}

jpeg_error_mgr* SetUp(ErrorManager& manager) {
  jpeg_error_mgr* base = jpeg_std_error(&manager.base);
  base->error_exit = JumpOut;
  base->emit_message = OnMessage;
  return base;
}

void OnProgress(j_common_ptr info) {
  auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  if (decoder->input_scan_number <= kMaxScans) return;
  auto* manager = reinterpret_cast<ErrorManager*>(info->err);
  std::snprintf(manager->message, sizeof manager->message, "more than %d scans", kMaxScans);
  std::longjmp(manager->jump, 1);
}

class JpegDecoder {
 public:
  JpegDecoder() { info_.err = SetUp(error_); }
  ~JpegDecoder() {
    jpeg_destroy_decompress(&info_);
    std::free(profile_);
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  bool ReadHeader(std::string_view bytes) {
    if (setjmp(error_.jump)) return false;
    jpeg_create_decompress(&info_);
    progress_.progress_monitor = OnProgress;
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    for (const int marker : {1, 2}) jpeg_save_markers(&info_, JPEG_APP0 + marker, 0xffff);
    jpeg_read_header(&info_, TRUE);
    switch (info_.jpeg_color_space) {
      case JCS_GRAYSCALE:
        info_.out_color_space = JCS_GRAYSCALE;
        break;
      case JCS_CMYK:
      case JCS_YCCK:
        info_.out_color_space = JCS_CMYK;
        break;
      default:
        info_.out_color_space = JCS_RGB;
    }
    jpeg_calc_output_dimensions(&info_);
    return true;
  }

  // Joins the parts of the colour profile, before ReadRows throws them away.
  bool ReadProfile() {
    if (setjmp(error_.jump)) return false;
    jpeg_read_icc_profile(&info_, &profile_, &profile_size_);
    return true;
  }

  // Rows of width() x components() bytes, one after the other.
  bool ReadRows(uint8_t* rows) {
    if (setjmp(error_.jump)) return false;
    jpeg_start_decompress(&info_);
    const size_t stride = size_t{info_.output_width} * static_cast<size_t>(components());
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = rows + info_.output_scanline * stride;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  int64_t height() const { return info_.output_height; }
  int64_t width() const { return info_.output_width; }
  int components() const { return info_.out_color_components; }
  Samples samples() const {
    if (components() == 4) return info_.saw_Adobe_marker ? Samples::kInvertedCmyk : Samples::kCmyk;
    return components() == 1 ? Samples::kGrey : Samples::kRgb;
  }
  // Empty where there is none.
  std::string_view profile() const {
    return {reinterpret_cast<const char*>(profile_), profile_ ? profile_size_ : 0};
  }
  bool bad_profile() const { return error_.bad_profile; }
  const char* message() const { return error_.message; }

  int Orientation() const {
    constexpr std::string_view kExif("Exif\0\0", 6);
    for (auto* marker = info_.marker_list; marker; marker = marker->next) {
      const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (data.starts_with(kExif)) return ExifOrientation(data.substr(kExif.size()));
    }
    return 1;
  }

 private:
  jpeg_decompress_struct info_{};
  jpeg_progress_mgr progress_{};
  ErrorManager error_{};
  JOCTET* profile_ = nullptr;
  unsigned profile_size_ = 0;
};

std::vector<uint8_t> CmykToRgb(const std::vector<uint8_t>& cmyk, bool inverted) {
  std::vector<uint8_t> rgb(cmyk.size() / 4 * 3);
  for (size_t pixel = 0; pixel < cmyk.size() / 4; ++pixel)
    for (size_t i = 0; i < 3; ++i) {
      int ink = cmyk[pixel * 4 + i], black = cmyk[pixel * 4 + 3];
      if (!inverted) ink = 255 - ink, black = 255 - black;
      rgb[pixel * 3 + i] = static_cast<uint8_t>((ink * black + 127) / 255);
    }
  return rgb;
}

class Encoder {
 public:
  Encoder() { info_.err = SetUp(error_); }
  ~Encoder() {
    jpeg_destroy_compress(&info_);
    std::free(bytes_);
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  bool Write(const Image& image) {
    if (setjmp(error_.jump)) return false;
    jpeg_create_compress(&info_);
    jpeg_mem_dest(&info_, &bytes_, &size_);
    info_.image_width = static_cast<JDIMENSION>(image.width);
    info_.image_height = static_cast<JDIMENSION>(image.height);
    info_.input_components = static_cast<int>(image.channels);
    info_.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, kQuality, TRUE);
    info_.comp_info[0].h_samp_factor = info_.comp_info[0].v_samp_factor = 1;  // full colour
    jpeg_start_compress(&info_, TRUE);
    const size_t stride = static_cast<size_t>(image.width * image.channels);
    while (info_.next_scanline < info_.image_height) {
      auto* row = const_cast<JSAMPROW>(image.pixels.data() + info_.next_scanline * stride);
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }

  std::string bytes() const { return {reinterpret_cast<const char*>(bytes_), size_}; }
  const char* message() const { return error_.message; }

 private:
  jpeg_compress_struct info_{};
  ErrorManager error_{};
  unsigned char* bytes_ = nullptr;
  unsigned long size_ = 0;  // NOLINT(google-runtime-int): libjpeg's type
};

}  // namespace

Decoded PeekJpeg(std::string_view bytes, const std::string& where) {
  JpegDecoder decoder;
  if (!decoder.ReadHeader(bytes)) Fail("{}: damaged JPEG: {}", where, decoder.message());
  const int64_t channels = decoder.components() == 1 ? 1 : 3;
  return {{decoder.height(), decoder.width(), channels, {}}, decoder.Orientation()};
}

Decoded DecodeJpeg(std::string_view bytes, const std::string& where) {
  JpegDecoder decoder;
  if (!decoder.ReadHeader(bytes)) Fail("{}: damaged JPEG: {}", where, decoder.message());
  const int64_t height = decoder.height(), width = decoder.width();
  CheckPixels(height, width, where);
  if (height * width / kJpegPixelsPerByte > static_cast<int64_t>(bytes.size()))
    Fail("{}: damaged JPEG: {} x {} pixels do not fit {} bytes", where, width, height,
         bytes.size());
  Decoded decoded;
  decoded.orientation = decoder.Orientation();  // reading the rows throws the markers away
  decoded.image = {height, width, decoder.components(), {}};
  decoded.image.pixels.resize(static_cast<size_t>(height * width * decoder.components()));
  if (!decoder.ReadProfile() || !decoder.ReadRows(decoded.image.pixels.data()))
    Fail("{}: damaged JPEG: {}", where, decoder.message());
  if (decoder.bad_profile()) IgnoreProfile(where, "its parts do not make one");
  const SrgbConverter converter(decoder.profile(), decoder.samples(), where);
  converter.Convert(decoded.image.pixels);
  if (decoded.image.channels == 4) {
    const bool inverted = decoder.samples() == Samples::kInvertedCmyk;
    if (!converter.converts()) decoded.image.pixels = CmykToRgb(decoded.image.pixels, inverted);
    decoded.image.channels = 3;
  }
  return decoded;
}

std::string EncodeJpeg(const Image& image, const std::string& where) {
  Encoder encoder;
  if (!encoder.Write(image)) Fail("{}: cannot be written: {}", where, encoder.message());
  return encoder.bytes();
}

}  // namespace normkit
