#include "src/core/text.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "src/core/fail.h"

namespace normkit {
namespace {

TEST(OneLine, EscapesWhatBreaksLinesOrIsNoText) {
  const std::pair<std::string, std::string> cases[] = {
      {"plain, 'quoted', \\back", "plain, 'quoted', \\back"},
      {"a\nb\tc\rd", "a\\nb\\tc\\rd"},
      {"\x1b[31mred", "\\x1b[31mred"},
      {std::string("nul\0", 4), "nul\\x00"},
      {"del\x7f", "del\\x7f"},
      {"Grüße 北京 🙂", "Grüße 北京 🙂"},
      {"\xff\xfe", "\\xff\\xfe"},
      {"cut \xe5\x8c", "cut \\xe5\\x8c"},
      {"c1 \xc2\x85", "c1 \\xc2\\x85"},
      {"line separator \xe2\x80\xa8", "line separator \\xe2\\x80\\xa8"},
      {"too long \xc0\xaf", "too long \\xc0\\xaf"},
      {"surrogate \xed\xa0\x80", "surrogate \\xed\\xa0\\x80"},
      {"behind the last \xf4\x90\x80\x80", "behind the last \\xf4\\x90\\x80\\x80"},
      {"", ""}};
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(OneLine(text), expected);
    EXPECT_EQ(OneLine(OneLine(text)), expected);
  }
}

TEST(Quoted, CutsWhatIsLong) {
  EXPECT_EQ(Quoted("a\n"), "'a\\n'");
  EXPECT_EQ(Quoted(std::string(80, 'x')), "'" + std::string(80, 'x') + "'");
  EXPECT_EQ(Quoted(std::string(81, 'x')), "'" + std::string(40, 'x') + "...' (81 bytes)");
  EXPECT_EQ(Quoted(std::string(39, 'x') + "ü" + std::string(60, 'x')),
            "'" + std::string(39, 'x') + "...' (101 bytes)");
}

TEST(BytesAsUtf8, GoesThereAndBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  for (const std::string& bytes :
       {std::string("plain"), std::string("Grüße 北京 🙂"), std::string("cut \xe5\x8c"), all,
        std::string("\xf4\x8f\xb8\x80"), BytesAsUtf8("\xff")}) {
    const std::string text = BytesAsUtf8(bytes);
    EXPECT_EQ(OneLine(text).find("\\xf"), std::string::npos);  // it is UTF-8
    EXPECT_EQ(Utf8AsBytes(text), bytes);
  }
  EXPECT_EQ(BytesAsUtf8("Grüße"), "Grüße");
}

TEST(Trimmed, TakesBlanksOffBothEnds) {
  EXPECT_EQ(Trimmed("  a b\t"), "a b");
  EXPECT_EQ(Trimmed(" \n "), "");
}

TEST(FailTest, WhatIsOneLine) {
  const std::string path = "a\nb\x1b[2J\xff";
  try {
    Fail("{}: no such file", path);
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "a\\nb\\x1b[2J\\xff: no such file");
  }
  EXPECT_THROW(Fail<std::runtime_error>("it"), std::runtime_error);
}

}  // namespace
}  // namespace normkit
