#include "src/data/csv.h"

#include <gtest/gtest.h>

#include "normkit/data/source.h"
#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/data/testing.h"

namespace normkit {
namespace {

using Floats = std::vector<float>;
using Texts = std::vector<std::string>;

TEST(CsvTest, TakesTablesAsTheyCome) {
  const struct {
    std::string text;
    Texts names;
    Floats x;
    Texts answers;
  } kCases[] = {
      {"a,b,class\n1,2,cat\n3,4,dog\n", {"a", "b"}, {1, 2, 3, 4}, {"cat", "dog"}},
      {"class,a,b\r\ncat,1,2\r\ndog,3,4", {"a", "b"}, {1, 2, 3, 4}, {"cat", "dog"}},
      {"1,2,cat\n3,4,dog\n", {}, {1, 2, 3, 4}, {"cat", "dog"}},
      {"1;2;cat\n3;4;dog\n", {}, {1, 2, 3, 4}, {"cat", "dog"}},
      {"1\t2\tcat\n3\t4\tdog\n", {}, {1, 2, 3, 4}, {"cat", "dog"}},
      {"\xef\xbb\xbf# about\n\n\"a\",\"b, c\",y\n \"1\" , +2.5e1 ,\"x\"\"\ny\"\n# more\n3,.5,z\n",
       {"a", "b, c"},
       {1, 25, 3, .5},
       {"x\"\ny", "z"}},
      {"0,1,label\n5,6,7\n8,9,7\n", {"0", "1"}, {5, 6, 8, 9}, {"7", "7"}},
      {"a,b\n1,2\n", {"a"}, {1}, {"2"}},
      {",a,y\n0,5,1\n1,6,1\n", {"a"}, {5, 6}, {"1", "1"}},
      {"a b,Y\n007,1\n", {"a b"}, {7}, {"1"}},
  };
  for (const auto& [text, names, x, answers] : kCases) {
    const CsvTable table = ParseCsv(text, "a.csv", true);
    EXPECT_EQ(table.names, names) << text;
    EXPECT_EQ(table.x, x) << text;
    EXPECT_EQ(table.answers, answers) << text;
  }
}

TEST(CsvTest, WhatIsWrongIsNamed) {
  const struct {
    std::string text, column, says;
  } kCases[] = {
      {"", "", "is empty, expected rows of numbers"},
      {"\n# nothing\n", "", "is empty, expected rows of numbers"},
      {"a,b\n", "", "has no rows below its header, expected some"},
      {"a,y\n1,2\n3\n", "", "line 3 has 1 cell, expected 2, as the first row"},
      {"a,y\n1,2\n3,4,5\n", "", "line 3 has 3 cells, expected 2, as the first row"},
      {"1,2\n3,4,\n", "", "line 2 has 3 cells, expected 2, as the first row"},
      {"a,b,y\n1,x,2\n", "",
       "line 2, column 2 ('b') is 'x', expected a number (what is to be told is column 'y'; "
       "--label-column names another)"},
      {"a,b,y\n1,,2\n", "",
       "line 2, column 2 ('b') is empty, expected a number (what is to be told is column 'y'; "
       "--label-column names another)"},
      {"1,2\n3,4\nNA,5\n", "",
       "line 3, column 1 is 'NA', expected a number (what is to be told is column 2; "
       "--label-column names another)"},
      {"a,y\n1,nan\nnan,2\n", "",
       "line 3, column 1 ('a') is 'nan', expected a number (what is to be told is column 'y'; "
       "--label-column names another)"},
      {"a,y\n1,2\n3,\n", "",
       "line 3, column 2 ('y') is empty, expected the class or target of the row"},
      {"a,b,a\n1,2,3\n", "", "columns 1 and 3 are both called 'a', expected names that differ"},
      {"a,y,class\n1,2,3\n", "",
       "column 'y' and column 'class' may both be what is to be told, expected --label-column to "
       "say which"},
      {"a,y\n1,2\n", "x",
       "label column 'x' is asked for, expected one of its columns or their numbers: a, y"},
      {"height,y\n1,2\n", "heigth",
       "label column 'heigth' is asked for, expected one of its columns or their numbers: height, "
       "y, did you mean 'height'?"},
      {"1,2\n3,4\n", "y",
       "label column 'y' is asked for, expected a whole number from 1 to 2: the columns have no "
       "names"},
      {"1,2\n3,4\n", "3",
       "label column '3' is asked for, expected a whole number from 1 to 2: the columns have no "
       "names"},
      {"y\n1\n", "", "has no column of numbers beside column 'y', expected some"},
      {",a,y\n0,1,2\n5,1,2\n", "",
       "column 1 has no name, expected one (or row numbers, which are left out)"},
      {"a,\"y\n1,2\n", "", "line 1, column 2: a quote begins that does not end"},
      {"a,y\n\"1\"2,3\n", "",
       "line 2, column 1: '2' stands behind the quoted text, expected the end of the cell"},
  };
  for (const auto& [text, column, says] : kCases)
    EXPECT_ERROR(ParseCsv(text, "a.csv", true, column), "a.csv: " + says) << text;
}

TEST(CsvTest, AsData) {
  const TestFolder folder;
  const auto open = [&](const std::string& text, const OpenOptions& options = {}) {
    WriteFile(folder / "a", text);
    return OpenData(folder / "a", options);
  };
  DataPtr data = open("width,species,height\n1,ox,2\n3,ape,4\n", {.label_column = "species"});
  EXPECT_EQ(data->Summary(),
            (folder / "a") +
                " (2 rows): 2 classes (ape 1, ox 1), 2 features; classes in column "
                "'species'");
  EXPECT_EQ(data->layout().ToString(), "BC [1,2]");
  EXPECT_EQ(ReadOne(*data, 1), (Floats{3, 4}));
  EXPECT_EQ(open("1,2,5\n3,4,6\n", {.label_column = "2"})->classes(), (Texts{"2", "4"}));
  data = open("a,price\n1,2\n3,4.5\n");
  EXPECT_EQ(
      data->Summary(),
      (folder / "a") + " (2 rows): 1 target value each, 1 feature; targets in column 'price'");
  EXPECT_ERROR(open("a,y\n1,-2\n"),
               (folder / "a") +
                   ": column 'y'[0] is -2, expected a class number from 0 to 999 "
                   "(targets of a regression are floating-point)");
  EXPECT_ERROR(open("a,y\n1,2\n", {.format = "CB"}),
               (folder / "a") +
                   ": format 'CB' is given, expected BC (a row an observation) or TC "
                   "(a row a step)");
}

TEST(CsvTest, AsOneSequence) {
  const TestFolder folder;
  WriteFile(folder / "a.csv", "a,b,y\n1,2,calm\n3,4,storm\n5,6,calm\n");
  const DataPtr steps = OpenData(folder / "a.csv", {.format = "TC"});
  EXPECT_EQ(steps->Summary(), (folder / "a.csv") +
                                  " (one sequence): 2 classes (calm 2, storm 1) of rows, 2 "
                                  "features a row, 3 rows; classes in column 'y'");
  EXPECT_TRUE(steps->answers_each_row());
  WriteFile(folder / "b.csv", "a,b\n1,2\n3,4\n5,6\n");
  const DataPtr next = OpenData(folder / "b.csv", {.format = "TC", .forecast = true});
  EXPECT_EQ(next->layout().ToString(), "TC [1,2]");
  EXPECT_EQ(next->length(0), 2);
  Floats targets(4);
  next->ReadTarget(0, targets);
  EXPECT_EQ(targets, (Floats{3, 4, 5, 6}));
}

}  // namespace
}  // namespace normkit
