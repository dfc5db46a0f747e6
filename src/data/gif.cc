#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "src/core/fail.h"
#include "src/data/image_codec.h"

namespace normkit {
namespace {

// LZW gives at most 4096 pixels for a code of 12 bits.
constexpr int64_t kGifPixelsPerByte = 4096;

int OnRead(GifFileType* gif, GifByteType* out, int size) {
  auto* rest = static_cast<std::string_view*>(gif->UserData);
  const size_t count = std::min<size_t>(rest->size(), static_cast<size_t>(std::max(0, size)));
  std::memcpy(out, rest->data(), count);
  rest->remove_prefix(count);
  return static_cast<int>(count);
}

void Close(GifFileType* gif) {
  int ignored = 0;
  DGifCloseFile(gif, &ignored);
}

class GifDecoder {
 public:
  GifDecoder(std::string_view bytes, const std::string& where)
      : rest_(bytes), size_(bytes.size()), where_(where), gif_(nullptr, Close) {
    int error = 0;
    gif_.reset(DGifOpen(&rest_, OnRead, &error));
    if (!gif_) Damaged(error);
    if (gif_->SWidth < 1 || gif_->SHeight < 1) Fail("{}: damaged GIF: it has no pixels", where_);
    CheckPixels(gif_->SHeight, gif_->SWidth, where_);
  }

  int64_t height() const { return gif_->SHeight; }
  int64_t width() const { return gif_->SWidth; }

  // The first picture on the screen, which is white around it and behind transparent pixels.
  std::vector<uint8_t> ReadFirst() {
    CheckDensity(height(), width(), kGifPixelsPerByte, size_, "GIF", where_);
    FindFirst();
    const GifImageDesc& part = gif_->Image;
    if (part.Width < 1 || part.Height < 1) Fail("{}: damaged GIF: it has no pixels", where_);
    CheckDensity(part.Height, part.Width, kGifPixelsPerByte, size_, "GIF", where_);
    const ColorMapObject* colours = part.ColorMap ? part.ColorMap : gif_->SColorMap;
    if (!colours) Fail("{}: damaged GIF: it has no colours", where_);
    std::vector<uint8_t> pixels(static_cast<size_t>(height() * width() * 3), 255);
    std::vector<GifPixelType> row(static_cast<size_t>(part.Width));
    const struct {
      int first, step;
    } kInterlaced[] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}}, kPlain[] = {{0, 1}};
    const auto read = [&](const auto& passes) {
      for (const auto& [first, step] : passes)
        for (int y = first; y < part.Height; y += step) {
          if (DGifGetLine(gif_.get(), row.data(), part.Width) == GIF_ERROR) Damaged(gif_->Error);
          Draw(row, *colours, part.Top + y, part.Left, pixels);
        }
    };
    if (part.Interlace)
      read(kInterlaced);
    else
      read(kPlain);
    return pixels;
  }

 private:
  [[noreturn]] void Damaged(int error) const {
    const char* reason = GifErrorString(error);
    Fail("{}: damaged GIF: {}", where_, reason ? reason : "the file ends too early");
  }

  // Up to the description of the first picture; what is said about it before is kept.
  void FindFirst() {
    while (true) {
      GifRecordType type = UNDEFINED_RECORD_TYPE;
      if (DGifGetRecordType(gif_.get(), &type) == GIF_ERROR) Damaged(gif_->Error);
      if (type == TERMINATE_RECORD_TYPE) Fail("{}: damaged GIF: it has no picture", where_);
      if (type == IMAGE_DESC_RECORD_TYPE) break;
      if (type == EXTENSION_RECORD_TYPE) ReadExtension();
    }
    if (DGifGetImageDesc(gif_.get()) == GIF_ERROR) Damaged(gif_->Error);
  }

  void ReadExtension() {
    int code = 0;
    GifByteType* block = nullptr;
    if (DGifGetExtension(gif_.get(), &code, &block) == GIF_ERROR) Damaged(gif_->Error);
    while (block) {
      GraphicsControlBlock control;
      if (code == GRAPHICS_EXT_FUNC_CODE &&
          DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
        transparent_ = control.TransparentColor;
      if (DGifGetExtensionNext(gif_.get(), &block) == GIF_ERROR) Damaged(gif_->Error);
    }
  }

  void Draw(const std::vector<GifPixelType>& row, const ColorMapObject& colours, int64_t y,
            int64_t left, std::vector<uint8_t>& pixels) const {
    if (y >= height()) return;
    for (size_t i = 0; i < row.size(); ++i) {
      const int64_t x = left + static_cast<int64_t>(i);
      if (x >= width() || row[i] == transparent_ || row[i] >= colours.ColorCount) continue;
      const GifColorType& colour = colours.Colors[row[i]];
      uint8_t* pixel = &pixels[static_cast<size_t>((y * width() + x) * 3)];
      pixel[0] = colour.Red, pixel[1] = colour.Green, pixel[2] = colour.Blue;
    }
  }

  std::string_view rest_;
  size_t size_;
  const std::string& where_;
  std::unique_ptr<GifFileType, void (*)(GifFileType*)> gif_;
  int transparent_ = -1;
};

}  // namespace

Decoded PeekGif(std::string_view bytes, const std::string& where) {
  const GifDecoder decoder(bytes, where);
  return {{decoder.height(), decoder.width(), 3, {}}, 1};
}

Decoded DecodeGif(std::string_view bytes, const std::string& where) {
  GifDecoder decoder(bytes, where);
  return {{decoder.height(), decoder.width(), 3, decoder.ReadFirst()}, 1};
}

}  // namespace normkit
