#include "src/data/file_kind.h"

#include <gtest/gtest.h>

#include <string>

namespace normkit {
namespace {

using std::string_view_literals::operator""sv;

TEST(FileKindTest, FirstBytesTell) {
  const struct {
    std::string_view bytes, kind;
  } kCases[] = {
      {"", "empty"},
      {"\xff\xd8\xff\xe0", "a JPEG picture"},
      {"\0\0\0\x18"
       "ftypheic\0\0\0\0"sv,
       "a HEIC picture"},
      {"\0\0\0\x1c"
       "ftypavif"sv,
       "an AVIF picture"},
      {"\0\0\0\x1c"
       "ftypisom"sv,
       "a video (MP4)"},
      {"\0\0\0\x1c"
       "fty"sv,
       ""},
      {"<!DOCTYPE HTML>\n<title>404</title>", "an HTML page"},
      {"\xef\xbb\xbf \r\n<html lang='en'>", "an HTML page"},
      {"<?xml version='1.0'?><!-- a --><svg width='3'>", "an SVG drawing"},
      {"<?xml version='1.0'?><feed/>", "an XML document"},
      {"\x1f\x8b\x08\0"sv, "compressed with gzip"},
      {"%PDF-1.7", "a PDF document"},
      {"PK\3\4", "a ZIP archive"},
      {"\x93NUMPY\1\0"sv, "a NumPy array (.npy)"},
      {"RIFF\1\2\3\4WEBPVP8 ", "a WebP picture"},
      {"RIFF\1\2\3\4WAVEfmt ", "a sound (WAV)"},
      {"BM\1\2\3\4", "a BMP picture"},
      {"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS, not the file"},
      {"{\"error\": \"not found\"}", "a JSON text"},
      {"Not Found\n", "a text"},
      {"\1\2\3\4", ""},
      {"  \n", ""},
  };
  for (const auto& [bytes, kind] : kCases) EXPECT_EQ(FileKind(bytes), kind) << std::string(bytes);
}

}  // namespace
}  // namespace normkit
