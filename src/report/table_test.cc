#include <gtest/gtest.h>

#include "src/report/report.h"
#include "src/report/text.h"

namespace normkit {
namespace {

const Table kTable{{"layer", "parameters", "share"},
                   {{"conv_1", "160", "1.5 %"}, {"größe", "12345", "98.5 %"}, {"relu", "-", ""}}};

TEST(TableTest, TextSetsNumbersRight) {
  EXPECT_EQ(ToText(kTable),
            "layer   parameters   share\n"
            "------  ----------  ------\n"
            "conv_1         160   1.5 %\n"
            "größe        12345  98.5 %\n"
            "relu             -\n");
}

TEST(TableTest, TextWithoutHeaderOrRows) {
  EXPECT_EQ(ToText({}), "");
  EXPECT_EQ(ToText({{"a", "b"}, {}}), "a  b\n-  -\n");
  EXPECT_EQ(ToText({{}, {{"seed", "1"}, {"epochs", "10"}}}), "seed     1\nepochs  10\n");
}

TEST(TableTest, RowsLongerThanTheHeaderKeepTheirCells) {
  EXPECT_EQ(ToCsv({{"a"}, {{"1", "2"}}}), "a,\r\n1,2\r\n");
}

TEST(TableTest, MarkdownEscapesBars) {
  EXPECT_EQ(ToMarkdown({{"op", "ms"}, {{"a|b\nc\\", "1.5"}}}),
            "| op | ms |\n|---|---:|\n| a\\|b c\\\\ | 1.5 |\n");
}

// RFC 4180, section 2: rules 1 (CRLF), 5 to 7 (quotes).
TEST(TableTest, CsvQuotesWhereNeeded) {
  EXPECT_EQ(ToCsv({{"name", "value"}, {{"a,b", "say \"hi\""}, {"line\nbreak", " space "}}}),
            "name,value\r\n\"a,b\",\"say \"\"hi\"\"\"\r\n\"line\nbreak\", space \r\n");
  EXPECT_EQ(ToCsv({{"only"}, {{""}}}), "only\r\n\"\"\r\n");
}

TEST(TextTest, NumbersAreToldFromWords) {
  for (const char* number : {"0", "-1.5", "+2", "1e-05", "3E", "1,024", "00:01:12", "98.5 %",
                             "1.3x", "12 MiB", "53.1 GB/s", "nan", "-inf", "1e9"})
    EXPECT_TRUE(LooksNumeric(number)) << number;
  for (const char* word :
       {"", "-", "conv_1", "e5", "1 2", "3x100 sigmoid", "3x3", ".", "v1.2.3 of"})
    EXPECT_FALSE(LooksNumeric(word)) << word;
}

TEST(TextTest, LettersAreCodePoints) {
  EXPECT_EQ(CountLetters("größe"), 5u);
  EXPECT_EQ(FirstLetters("größe", 3), "grö");
  EXPECT_EQ(FirstLetters("größe", 9), "größe");
  EXPECT_EQ(FirstLetters("größe", 0), "");
}

}  // namespace
}  // namespace normkit
