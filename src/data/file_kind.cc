#include "src/data/file_kind.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace normkit {
namespace {

using std::string_view_literals::operator""sv;

struct Signature {
  size_t at;
  std::string_view bytes, kind;
};

// Numbers of the formats' own documents; the first that fits counts.
constexpr Signature kSignatures[] = {
    {0, "\xff\xd8\xff"sv, "a JPEG picture"},
    {0, "\x89PNG\r\n\x1a\n"sv, "a PNG picture"},
    {0, "GIF8"sv, "a GIF picture"},
    {8, "WEBP"sv, "a WebP picture"},
    {0, "II*\0"sv, "a TIFF picture"},
    {0, "MM\0*"sv, "a TIFF picture"},
    {0, "II+\0"sv, "a BigTIFF picture"},
    {0, "MM\0+"sv, "a BigTIFF picture"},
    {4, "ftypavi"sv, "an AVIF picture"},
    {4, "ftypheic"sv, "a HEIC picture"},
    {4, "ftypheix"sv, "a HEIC picture"},
    {4, "ftyphevc"sv, "a HEIC picture"},
    {4, "ftypheim"sv, "a HEIC picture"},
    {4, "ftypheis"sv, "a HEIC picture"},
    {4, "ftypmif1"sv, "a HEIF picture"},
    {4, "ftypmsf1"sv, "a HEIF picture"},
    {4, "ftypcrx"sv, "a raw picture (CR3)"},
    {4, "ftyp"sv, "a video (MP4)"},
    {0, "\0\0\0\x0cJXL "sv, "a JPEG XL picture"},
    {0, "\xff\x0a"sv, "a JPEG XL picture"},
    {0, "\0\0\0\x0cjP  "sv, "a JPEG 2000 picture"},
    {0, "\xff\x4f\xff\x51"sv, "a JPEG 2000 picture"},
    {0, "8BPS"sv, "a Photoshop document"},
    {0, "gimp xcf"sv, "a GIMP document"},
    {0, "v/1\x01"sv, "an OpenEXR picture"},
    {0, "#?RADIANCE"sv, "a Radiance HDR picture"},
    {0, "qoif"sv, "a QOI picture"},
    {0, "\0\0\1\0"sv, "an icon"},
    {0, "\x1f\x8b"sv, "compressed with gzip"},
    {0, "BZh"sv, "compressed with bzip2"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     "compressed with xz"},
    {0, "\x28\xb5\x2f\xfd"sv, "compressed with zstd"},
    {0, "PK\3\4"sv, "a ZIP archive"},
    {0, "PK\5\6"sv, "an empty ZIP archive"},
    {0, "7z\xbc\xaf\x27\x1c"sv, "a 7z archive"},
    {0, "Rar!\x1a\x07"sv, "a RAR archive"},
    {257, "ustar"sv, "a tar archive"},
    {0, "\x93NUMPY"sv, "a NumPy array (.npy)"},
    {0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file"},
    {0, "MATLAB 5.0"sv, "a MATLAB file"},
    {0, "PAR1"sv, "a Parquet file"},
    {0, "\x80\2"sv, "a Python pickle"},
    {0, "\x80\3"sv, "a Python pickle"},
    {0, "\x80\4"sv, "a Python pickle"},
    {0, "\x80\5"sv, "a Python pickle"},
    {0, "%PDF-"sv, "a PDF document"},
    {0, "%!PS"sv, "a PostScript document"},
    {0, "{\\rtf"sv, "an RTF document"},
    {0,
     "\x7f"
     "ELF"sv,
     "a program"},
    {0, "MZ"sv, "a program"},
    {0, "SQLite format 3\0"sv, "an SQLite database"},
    {0, "\x1a\x45\xdf\xa3"sv, "a video (Matroska)"},
    {8, "AVI "sv, "a video (AVI)"},
    {8, "WAVE"sv, "a sound (WAV)"},
    {0, "OggS"sv, "a sound (Ogg)"},
    {0, "ID3"sv, "a sound (MP3)"},
    {0, "\0\0\x08\1"sv, "an IDX file of labels"},
    {0, "\0\0\x08\3"sv, "an IDX file of images"},
    {0, "BM"sv, "a BMP picture"},
};

// The first word of a page, behind white space and a mark of the byte order.
std::string_view TextKind(std::string_view bytes) {
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  const size_t begin = bytes.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  std::string front(bytes.substr(begin, 1024));
  for (char& letter : front)
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  if (front.starts_with("<!doctype html") || front.starts_with("<html") ||
      front.starts_with("<head") || front.starts_with("<body"))
    return "an HTML page";
  if (front.starts_with("<svg") || front.starts_with("<!doctype svg")) return "an SVG drawing";
  if (front.starts_with("<?xml"))
    return front.find("<svg") != std::string::npos    ? "an SVG drawing"
           : front.find("<html") != std::string::npos ? "an HTML page"
                                                      : "an XML document";
  if (front.starts_with("version https://git-lfs")) return "a pointer of Git LFS, not the file";
  if (front.starts_with("{\"") || front.starts_with("[{")) return "a JSON text";
  const bool text = std::all_of(front.begin(), front.end(), [](char letter) {
    return static_cast<unsigned char>(letter) >= 0x20 || letter == '\t' || letter == '\n' ||
           letter == '\r';
  });
  return text ? "a text" : "";
}

}  // namespace

std::string_view FileKind(std::string_view bytes) {
  if (bytes.empty()) return "empty";
  for (const auto& [at, signature, kind] : kSignatures)
    if (bytes.size() >= at && bytes.substr(at).starts_with(signature)) return kind;
  return TextKind(bytes);
}

}  // namespace normkit
