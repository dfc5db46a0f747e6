// Sequences from files: .ts, .npz, folders and tables.
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "normkit/data/batch.h"
#include "normkit/data/npy.h"
#include "normkit/data/source.h"
#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/data/array_samples.h"
#include "src/data/ts.h"

namespace normkit {
namespace {

using Indices = std::vector<int64_t>;
using Floats = std::vector<float>;

NpyArray FloatArray(Indices shape, const Floats& values) {
  return MakeNpy(DType::kF32, std::move(shape), values.data());
}
NpyArray WholeNumbers(Indices shape, const Indices& values) {
  const auto* begin = reinterpret_cast<const std::byte*>(values.data());
  return {"<i8", std::move(shape), {begin, begin + 8 * values.size()}};
}

Floats ReadSequence(const DataSource& data, int64_t index) {
  Floats x(static_cast<size_t>(data.length(index) * data.layout().size()));
  data.Read(index, x);
  return x;
}
Floats TargetsOf(const DataSource& data, int64_t index) {
  Floats targets(static_cast<size_t>(data.Answers(index) * data.target_size()));
  data.ReadTarget(index, targets);
  return targets;
}
Indices LabelsOf(const DataSource& data, int64_t index) {
  Indices labels(static_cast<size_t>(data.Answers(index)));
  data.ReadLabels(index, labels);
  return labels;
}
Indices LengthsOf(const DataSource& data) {
  Indices lengths;
  for (int64_t i = 0; i < data.size(); ++i) lengths.push_back(data.length(i));
  return lengths;
}

// ---- .ts ----------------------------------------------------------------------------------------

const std::string kTsHead =
    "# what it is\r\n\n@problemName walks\n@timestamps false\n@univariate false\n@dimension 2\n"
    "@equalLength false\n";

TEST(TsTest, SequencesOfTheirOwnLengthsWithClasses) {
  const TestFolder folder;
  WriteFile(folder / "a.ts", kTsHead +
                                 "@classLabel true slow fast\n@data\n"
                                 "1,2,3:-1,-2.5e1,+3:fast\n\n# a remark\n4:5:slow\n");
  const DataPtr data = OpenData(folder / "a.ts");
  EXPECT_EQ(data->layout().ToString(), "TC [1,2]");
  EXPECT_EQ(LengthsOf(*data), (Indices{3, 1}));
  EXPECT_EQ(ReadSequence(*data, 0), (Floats{1, -1, 2, -25, 3, 3}));
  EXPECT_EQ(data->classes(), (std::vector<std::string>{"slow", "fast"}));
  EXPECT_EQ(data->label(0), 1);
  EXPECT_EQ(data->Summary(), (folder / "a.ts") +
                                 " (2 sequences): 2 classes (slow 1, fast 1), 2 features a row, 1 "
                                 "to 3 rows");
  EXPECT_EQ(data->ObservationName(1), "observation 1 of " + (folder / "a.ts") + " (2 sequences)");
}

TEST(TsTest, TargetsOrNothing) {
  const SequenceData targets =
      ParseTs("@problemName a\n@targetLabel true\n@data\n1,2:0.5\n3:-7\n", "a.ts");
  EXPECT_EQ(targets.targets, (Floats{0.5, -7}));
  EXPECT_EQ(targets.target_size, 1);
  const TestFolder folder;
  WriteFile(folder / "a", "@classLabel false\n@data\n1,2\n3,4,5\n");
  EXPECT_ERROR(OpenData(folder / "a"),
               "data '" + (folder / "a") +
                   " (2 sequences)': has neither classes nor targets, expected one of them; "
                   "--forecast takes the next step for the target of each");
  const DataPtr next = OpenData(folder / "a", {.forecast = true});
  EXPECT_EQ(LengthsOf(*next), (Indices{1, 2}));
  EXPECT_EQ(TargetsOf(*next, 1), (Floats{4, 5}));
}

TEST(TsTest, WhatIsWrongIsNamed) {
  const std::string with = "@classLabel true a b\n@data\n";
  const struct {
    std::string text, says;
  } kCases[] = {
      {"", "has no @data, expected it before the sequences"},
      {"# nothing\n", "has no @data, expected it before the sequences"},
      {"@problemName a\n", "has no @data, expected it before the sequences"},
      {"1,2,3\n", "line 1: begins with '1,2,3', expected a tag such as @problemName, or @data"},
      {"@data\n", "has no sequences behind @data"},
      {"@data\n\n#\n", "has no sequences behind @data"},
      {"@relation walks\n@data\n",
       "line 1: '@relation' is of an ARFF file, expected .ts, .csv or .npz"},
      {"@classLabels true a\n@data\n1:a\n",
       "line 1: tag 'classLabels' is unknown, expected one of @problemName, @timeStamps, @missing, "
       "@univariate, @dimensions, @equalLength, @seriesLength, @classLabel, @targetLabel, @data, "
       "did you mean 'classLabel'?"},
      {"@missing no\n@data\n", "line 1: @missing is 'no', expected true or false"},
      {"@missing false\n@MISSING true\n", "line 2: @missing stands twice"},
      {"@timeStamps true\n@data\n",
       "line 1: @timeStamps is true, expected values alone, a step each, without time stamps"},
      {"@dimensions 0\n",
       "line 1: @dimensions is '0', expected a whole number from 1 to 1000000000"},
      {"@dimensions 2\n@univariate true\n", "line 2: @univariate is true, but @dimensions 2"},
      {"@univariate true\n@dimensions 2\n", "line 2: @dimensions is 2, but @univariate true"},
      {"@classLabel true a\n@targetLabel true\n",
       "line 2: both @classLabel and @targetLabel are true, expected one"},
      {"@classLabel true a b a\n", "line 1: class 'a' stands twice in @classLabel"},
      {with + "1,2:c\n",
       "line 3: class is 'c', expected one of those that @classLabel names: a, b"},
      {with + "1,2\n",
       "line 3: class is '1,2', expected one of those that @classLabel names: a, b"},
      {with + "a\n", "line 3: has no values before its class, expected some and ':'"},
      {"@targetLabel true\n@data\n1,2:much\n", "line 3: target is 'much', expected a number"},
      {with + "1,?,3:a\n", "line 3: dimension 1, value 2 is missing ('?'), expected a number"},
      {with + "1,2:3,?:a\n", "line 3: dimension 2, value 2 is missing ('?'), expected a number"},
      {with + "(0,1.5),(1,2):a\n",
       "line 3: dimension 1, value 1 has a time stamp, expected a number alone"},
      {with + "1,,3:a\n", "line 3: dimension 1, value 2 is '', expected a number"},
      {with + "1,2,:a\n", "line 3: dimension 1, value 3 is '', expected a number"},
      {with + "1,nan:a\n", "line 3: dimension 1, value 2 is 'nan', expected a number"},
      {with + "1,1e39:a\n", "line 3: dimension 1, value 2 is '1e39', expected a number"},
      {with + ":a\n", "line 3: dimension 1, value 1 is '', expected a number"},
      {with + "1,2:3:a\n", "line 3: dimension 2 has 1 values, expected 2, as dimension 1"},
      {with + "1:2:a\n1:b\n", "line 4: has 1 dimensions, expected 2"},
      {"@dimensions 3\n" + with + "1:2:a\n", "line 4: has 2 dimensions, expected 3"},
      {"@equalLength true\n" + with + "1,2:a\n1:b\n",
       "line 5: has 1 steps, expected 2 (@equalLength is true)"},
      {"@equalLength true\n@seriesLength 3\n" + with + "1,2:a\n",
       "line 5: has 2 steps, expected 3 (@equalLength is true)"},
  };
  for (const auto& [text, says] : kCases)
    EXPECT_ERROR(ParseTs(text, "a.ts"), "a.ts: " + says) << text;
}

TEST(TsTest, JapaneseVowels) {
  const std::string path = RealData("vowels/JapaneseVowels_TRAIN.ts");
  SKIP_WITHOUT(path);
  const DataPtr data = OpenData(path);
  EXPECT_EQ(data->Summary(), path +
                                 " (270 sequences): 9 classes (1 30, 2 30, 3 30, 4 30, 5 30, 6 30, "
                                 "7 30, 8 30, 9 30), 12 features a row, 7 to 26 rows");
  EXPECT_EQ(OpenData(RealData("vowels/JapaneseVowels_TEST.ts"))->size(), 370);
}

// ---- .npz ---------------------------------------------------------------------------------------

using Arrays3 = std::map<std::string, NpyArray>;

DataPtr OpenArrays(const TestFolder& folder, const Arrays3& arrays,
                   const OpenOptions& options = {}) {
  WriteNpz(folder / "a.npz", arrays);
  return OpenData(folder / "a.npz", options);
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Two sequences of two channels, of 3 steps and of 1; what is behind the second is nothing.
const NpyArray kPadded = FloatArray({2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, kNan, kNan, kNan, kNan});
const NpyArray kPacked = FloatArray({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
const NpyArray kLengths = WholeNumbers({2}, {3, 1}), kClasses = WholeNumbers({2}, {7, 9});

void ExpectTwo(const DataSource& data) {
  EXPECT_EQ(data.layout().ToString(), "TC [1,2]");
  EXPECT_EQ(LengthsOf(data), (Indices{3, 1}));
  EXPECT_EQ(ReadSequence(data, 0), (Floats{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(ReadSequence(data, 1), (Floats{7, 8}));
  EXPECT_EQ(data.classes(), (std::vector<std::string>{"7", "9"}));
  EXPECT_EQ(data.label(1), 1);
}

TEST(NpzSequencesTest, PaddedOrPacked) {
  const TestFolder folder;
  const DataPtr data = OpenArrays(folder, {{"x", kPadded}, {"lengths", kLengths}, {"y", kClasses}});
  ExpectTwo(*data);
  EXPECT_EQ(data->Summary(),
            (folder / "a.npz") +
                " (2 sequences): 2 classes (7 1, 9 1), 2 features a row, 1 to 3 rows; class "
                "numbers 7 to 9, of which 2 occur; read as BTC");
  ExpectTwo(*OpenArrays(folder, {{"x", kPacked}, {"lengths", kLengths}, {"y", kClasses}}));
  ExpectTwo(*OpenArrays(
      folder, {{"x", kPacked}, {"offsets", WholeNumbers({3}, {0, 3, 4})}, {"y", kClasses}}));
  const NpyArray first = FloatArray({2, 2, 3}, {1, 3, 5, 2, 4, 6, 7, 0, 0, 8, 0, 0});
  ExpectTwo(*OpenArrays(folder, {{"x", first}, {"lengths", kLengths}, {"y", kClasses}},
                        {.format = "BCT"}));
  const NpyArray left = FloatArray({2, 3, 2}, {1, 2, 3, 4, 5, 6, kNan, 0, 0, 0, 7, 8});
  ExpectTwo(*OpenArrays(folder, {{"x", left}, {"lengths", kLengths}, {"y", kClasses}},
                        {.sequence_padding_direction = PaddingDirection::kLeft}));
}

TEST(NpzSequencesTest, OfOneChannelOrOneLength) {
  const TestFolder folder;
  const NpyArray x = FloatArray({2, 3}, {1, 2, 3, 4, 5, 6});
  DataPtr data = OpenArrays(folder, {{"x", x}, {"y", kClasses}}, {.format = "BT"});
  EXPECT_EQ(data->layout().ToString(), "TC [1,1]");
  EXPECT_EQ(LengthsOf(*data), (Indices{3, 3}));
  data = OpenArrays(folder, {{"x", x}, {"lengths", WholeNumbers({2}, {3, 2})}, {"y", kClasses}});
  EXPECT_EQ(ReadSequence(*data, 1), (Floats{4, 5}));
  data = OpenArrays(folder, {{"x", FloatArray({4}, {1, 2, 3, 4})},
                             {"lengths", WholeNumbers({2}, {1, 3})},
                             {"y", kClasses}});
  EXPECT_EQ(ReadSequence(*data, 1), (Floats{2, 3, 4}));
  // One long one, to forecast: neither lengths nor y.
  data = OpenArrays(folder, {{"x", kPacked}}, {.format = "TC", .forecast = true});
  EXPECT_EQ(LengthsOf(*data), (Indices{3}));
  EXPECT_EQ(TargetsOf(*data, 0), (Floats{3, 4, 5, 6, 7, 8}));
}

TEST(NpzSequencesTest, AnswersOfEachStep) {
  const TestFolder folder;
  const Arrays3 padded = {{"x", kPadded}, {"lengths", kLengths}},
                packed = {{"x", kPacked}, {"lengths", kLengths}};
  const auto with = [&](Arrays3 arrays, const NpyArray& y) {
    arrays["y"] = y;
    return OpenArrays(folder, arrays);
  };
  for (const DataPtr& data : {with(padded, WholeNumbers({2, 3}, {5, 6, 5, 6, -1, -1})),
                              with(packed, WholeNumbers({4}, {5, 6, 5, 6}))}) {
    EXPECT_TRUE(data->answers_each_row());
    EXPECT_EQ(LabelsOf(*data, 0), (Indices{0, 1, 0}));
    EXPECT_EQ(LabelsOf(*data, 1), (Indices{1}));
  }
  for (const DataPtr& data : {with(padded, FloatArray({2, 3, 1}, {.1f, .2f, .3f, .4f, kNan, kNan})),
                              with(packed, FloatArray({4}, {.1f, .2f, .3f, .4f}))}) {
    EXPECT_TRUE(data->answers_each_row());
    EXPECT_EQ(TargetsOf(*data, 0), (Floats{.1f, .2f, .3f}));
  }
  for (const NpyArray& y :
       {FloatArray({2, 2}, {1, 2, 3, 4}), FloatArray({2, 1, 2}, {1, 2, 3, 4})}) {
    const DataPtr data = with(padded, y);
    EXPECT_FALSE(data->answers_each_row());
    EXPECT_EQ(TargetsOf(*data, 1), (Floats{3, 4}));
  }
}

TEST(NpzSequencesTest, WhatIsWrongIsNamed) {
  const TestFolder folder;
  const std::string x = "x <f4 [2,3,2]";
  const auto lengths = [](const Indices& values) {
    return WholeNumbers({std::ssize(values)}, values);
  };
  const struct {
    Arrays3 arrays;
    std::string format, says;
  } kCases[] = {
      {{{"x", kPadded}, {"y", kClasses}},
       "",
       "x is <f4 [2,3,2], which may be sequences or grey pictures: --format says which, BTC for "
       "sequences (B observations, T time, C channels), BSS for grey pictures (S space)"},
      {{{"x", kPadded}, {"lengths", lengths({4, 1})}, {"y", kClasses}},
       "",
       "lengths[0] is 4, expected 1 to the steps of x <f4 [2,3,2]"},
      {{{"x", kPadded}, {"lengths", lengths({3, 0})}, {"y", kClasses}},
       "",
       "lengths[1] is 0, expected 1 to the steps of x <f4 [2,3,2]"},
      {{{"x", kPadded}, {"lengths", lengths({-3, 1})}, {"y", kClasses}},
       "",
       "lengths[0] is -3, expected 1 to the steps of x <f4 [2,3,2]"},
      {{{"x", kPadded}, {"lengths", lengths({3, 1})}, {"y", kClasses}},
       "BCT",
       "lengths[0] is 3, expected 1 to 2 (steps of x <f4 [2,3,2], BCT)"},
      {{{"x", kPadded}, {"lengths", lengths({3})}, {"y", kClasses}},
       "",
       "has 1 lengths, expected 2 (observations of x <f4 [2,3,2], BTC)"},
      {{{"x", kPadded}, {"lengths", FloatArray({2}, {3, 1})}, {"y", kClasses}},
       "",
       "lengths is <f4 [2], expected a row of whole numbers"},
      {{{"x", kPadded}, {"lengths", WholeNumbers({2, 1}, {3, 1})}, {"y", kClasses}},
       "",
       "lengths is <i8 [2,1], expected a row of whole numbers"},
      {{{"x", kPacked}, {"lengths", lengths({3, 2})}, {"y", kClasses}},
       "TC",
       "lengths add up to 5, expected 4 (rows of x <f4 [4,2], packed)"},
      {{{"x", kPacked}, {"lengths", lengths({3, 2})}, {"y", kClasses}},
       "",
       "lengths add up to 5, expected 4 (rows of x <f4 [4,2], packed)"},
      {{{"x", kPacked}, {"lengths", lengths({3, 1, 1, 1})}, {"y", kClasses}},
       "",
       "lengths[0] is 3, expected 1 to 2 (steps of x <f4 [4,2], BT)"},
      {{{"x", kPadded},
        {"lengths", {"|b1", {2}, std::vector<std::byte>(2, std::byte{1})}},
        {"y", kClasses}},
       "BTC",
       "lengths is |b1 [2], expected a row of whole numbers"},
      {{{"x", kPadded}, {"lengths", WholeNumbers({0}, {})}, {"y", kClasses}},
       "BTC",
       "lengths is <i8 [0], expected a row of whole numbers"},
      {{{"x", FloatArray({2, 2}, {1, 2, 3, 4})}, {"lengths", lengths({1, 1})}, {"y", kClasses}},
       "",
       "x is <f4 [2,2] with 2 lengths, which may be rows of channels or sequences of one: --format "
       "says what its axes are (BTC padded, TC packed; BT and T of one channel)"},
      {{{"x", kPacked}, {"offsets", lengths({0, 3, 3, 4})}, {"y", kClasses}},
       "",
       "offsets[2] is 3, expected more than 3 and at most 4 (rows of x)"},
      {{{"x", kPacked}, {"offsets", lengths({0, 3, 5})}, {"y", kClasses}},
       "",
       "offsets[2] is 5, expected more than 3 and at most 4 (rows of x)"},
      {{{"x", kPacked}, {"offsets", lengths({1, 4})}, {"y", kClasses}},
       "",
       "offsets begins with 1, expected 0 and the end of each sequence"},
      {{{"x", kPadded}, {"offsets", lengths({0, 1})}, {"y", kClasses}},
       "BTC",
       "has offsets beside x <f4 [2,3,2], expected packed rows (format TC), or lengths"},
      {{{"x", kPacked}, {"offsets", lengths({0, 4})}, {"lengths", lengths({4})}, {"y", kClasses}},
       "",
       "has lengths and offsets, expected one of them"},
      {{{"x", kPadded}, {"y", kClasses}},
       "TTC",
       "x: format 'TTC' is given, expected T once, B and C at most once and S up to three times, "
       "as "
       "in BTC, or BTSSC (pictures over time)"},
      {{{"x", FloatArray({1, 2, 1, 1, 1}, {1, 2})}, {"lengths", lengths({2})}, {"y", lengths({1})}},
       "",
       "x is <f4 [1,2,1,1,1] with lengths: --format says what its axes are, such as BTSSC or BTCSS "
       "(pictures over time, padded) and TSSC (packed; B observations, T time, S space, C "
       "channels)"},
      {{{"x", kPadded}, {"y", kClasses}},
       "BT",
       "x is <f4 [2,3,2], format 'BT' has 2 letters, expected one an axis"},
      {{{"x", kPadded}, {"lengths", kLengths}},
       "",
       "has no array 'y', expected x and y (it has: "
       "lengths, x)"},
      {{{"x", kPadded}, {"lengths", kLengths}, {"y", lengths({1, 2, 3})}},
       "",
       "y is <i8 [3], expected [2] (sequences) or [2,3] (steps) as in x <f4 [2,3,2]"},
      {{{"x", kPadded}, {"lengths", kLengths}, {"y", FloatArray({2, 3}, {1, 2, 3, 4, 5, 6})}},
       "",
       "y is <f4 [2,3], which may be a target a step or 3 targets a sequence: [2,3,1] says the "
       "first, [2,1,3] the second"},
      {{{"x", kPacked}, {"lengths", kLengths}, {"y", lengths({1, 2, 3})}},
       "",
       "y is <i8 [3], expected [2,...] (sequences) or [4,...] (steps) as in x <f4 [4,2]"},
      {{{"x", FloatArray({2, 0, 2}, {})}, {"y", kClasses}},
       "BTC",
       "x is <f4 [2,0,2], expected sizes of at least 1"},
  };
  for (const auto& [arrays, format, says] : kCases)
    EXPECT_ERROR(OpenArrays(folder, arrays, {.format = format}), (folder / "a.npz") + ": " + says);
}

TEST(NpzSequencesTest, NanOfAStepIsNamed) {
  const TestFolder folder;
  const Arrays3 arrays = {{"x", kPadded}, {"lengths", WholeNumbers({2}, {3, 2})}, {"y", kClasses}};
  EXPECT_ERROR(OpenArrays(folder, arrays),
               "sequence 1 of " + (folder / "a.npz") +
                   " (2 sequences): value [1,0] is nan, expected finite numbers");
}

// ---- Folders ------------------------------------------------------------------------------------

std::string NpyBytes(const NpyArray& array) { return SerializeNpy(array, "x"); }

TEST(SequenceFolderTest, AFileASequence) {
  const TestFolder folder;
  for (const char* name : {"up", "down", "down/old"}) MakeFolder(folder / name);
  WriteFile(folder / "up/1.csv", "a,b\n1,2\n3,4\n");
  WriteFile(folder / "up/readme.md", "about");
  WriteFile(folder / "down/2.npy", NpyBytes(FloatArray({1, 2}, {5, 6})));
  WriteFile(folder / "down/old/3.csv", "7;8\n");
  const DataPtr data = OpenData(folder.path());
  EXPECT_EQ(data->Summary(),
            folder.path() +
                " (3 sequences in 2 folders): 2 classes (down 2, up 1), 2 features "
                "a row, 1 to 2 rows; left out: 1 .md");
  EXPECT_EQ(ReadSequence(*data, 2), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(data->label(2), 1);
  EXPECT_EQ(data->ObservationName(1), folder / "down/old/3.csv");
  EXPECT_ERROR(OpenData(folder.path(), {.format = "CT"}),
               (folder / "down/old/3.csv") + ": format 'CT' is given, expected TC: a row a step");
}

TEST(SequenceFolderTest, WhatIsWrongIsNamed) {
  const TestFolder folder;
  for (const char* name : {"up", "down"}) MakeFolder(folder / name);
  WriteFile(folder / "up/1.csv", "a,b\n1,2\n");
  const auto expect = [&](const std::string& bytes, const std::string& says) {
    WriteFile(folder / "up/2.csv", bytes);
    EXPECT_ERROR(OpenData(folder.path()), says);
  };
  EXPECT_ERROR(OpenData(folder.path()), "data '" + folder.path() +
                                            "': folder 'down' holds no sequences (.csv, .npy), "
                                            "expected some of the class 'down'");
  WriteFile(folder / "down/1.npy", NpyBytes(FloatArray({2, 2}, {1, 2, 3, 4})));
  const std::string file = folder / "up/2.csv", first = folder / "down/1.npy";
  expect("1\n", file + ": has 1 columns, expected 2, as " + first);
  expect("1,2\n3\n", file + ": line 2 has 1 cell, expected 2, as the first row");
  expect("", file + ": is empty, expected rows of numbers");
  expect(NpyBytes(FloatArray({2}, {1, 2})), file + ": has 1 columns, expected 2, as " + first);
  expect(NpyBytes(FloatArray({1, 1, 2}, {1, 2})),
         file +
             ": is <f4 [1,1,2], expected [T,C] or [T]: --format says what other axes are, TSSC, "
             "TCSS or "
             "TSS of pictures over time (T steps, S space, C channels), TSC of lines");
  expect(NpyBytes(FloatArray({0, 2}, {})),
         file + ": is <f4 [0,2], expected [T,C] with a step or more, or [T]");
  WriteFile(folder / "down/1.npy", "a,b\n1,2\n");
  expect("a,c\n1,2\n",
         file + ": column 2 is called 'c', expected 'b', as in " + (folder / "down/1.npy"));
}

// ---- Length and forecasts -----------------------------------------------------------------------

DataPtr OpenCut(const TestFolder& folder, const OpenOptions& options) {
  WriteFile(folder / "a.ts",
            "@classLabel true a b\n@data\n1,2,3,4,5,6,7:a\n11,12,13:b\n21,22,23:a\n");
  return OpenData(folder / "a.ts", options);
}

TEST(SequenceLengthTest, CutToTheShortest) {
  const TestFolder folder;
  DataPtr data = OpenCut(folder, {.sequence_length = OpenOptions::kShortest});
  EXPECT_EQ(LengthsOf(*data), (Indices{3, 3, 3}));
  EXPECT_EQ(ReadSequence(*data, 0), (Floats{1, 2, 3}));
  EXPECT_THAT(data->Summary(),
              testing::EndsWith("; cut to the 3 steps of the shortest, 4 of 13 left out at ends"));
  data = OpenCut(folder, {.sequence_length = OpenOptions::kShortest,
                          .sequence_padding_direction = PaddingDirection::kLeft});
  EXPECT_EQ(ReadSequence(*data, 0), (Floats{5, 6, 7}));
}

TEST(SequenceLengthTest, CutIntoPieces) {
  const TestFolder folder;
  DataPtr data = OpenCut(folder, {.sequence_length = 3});
  EXPECT_EQ(LengthsOf(*data), (Indices{3, 3, 1, 3, 3}));
  EXPECT_EQ(ReadSequence(*data, 1), (Floats{4, 5, 6}));
  EXPECT_EQ(data->label(2), 0);
  EXPECT_EQ(data->label(3), 1);
  EXPECT_THAT(data->Summary(), testing::EndsWith("; 3 sequences in 5 pieces of up to 3 steps"));
  data = OpenCut(folder,
                 {.sequence_length = 3, .sequence_padding_direction = PaddingDirection::kLeft});
  EXPECT_EQ(LengthsOf(*data), (Indices{1, 3, 3, 3, 3}));
  EXPECT_EQ(ReadSequence(*data, 1), (Floats{2, 3, 4}));
  EXPECT_EQ(LengthsOf(*OpenCut(folder, {.sequence_length = 7})), (Indices{7, 3, 3}));
}

// What was one sequence is never on both sides.
TEST(SequenceLengthTest, PiecesStayTogetherWhereDataIsSplit) {
  const TestFolder folder;
  std::string text = "@classLabel true a b\n@data\n";
  for (int i = 0; i < 20; ++i)
    for (const char* rest : {",1,2,3,4:a\n", ",5,6,7,8,9:b\n"}) text += std::to_string(i) + rest;
  WriteFile(folder / "a.ts", text);
  const DataPtr data = OpenData(folder / "a.ts", {.sequence_length = 2});
  EXPECT_EQ(data->size(), 20 * 6);
  const Split split = SplitData(data, 0.25, 3);
  EXPECT_EQ(split.second->size(), 5 * 6);
  std::set<int64_t> first, second;
  for (int64_t i = 0; i < split.first->size(); ++i) first.insert(split.first->origin(i));
  for (int64_t i = 0; i < split.second->size(); ++i) second.insert(split.second->origin(i));
  EXPECT_EQ(first.size(), 30u);
  for (const int64_t origin : second) EXPECT_FALSE(first.contains(origin));
  // Of one sequence there are only pieces to split.
  WriteFile(folder / "b.csv", "v\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
  const DataPtr one =
      OpenData(folder / "b.csv", {.format = "TC", .forecast = true, .sequence_length = 2});
  EXPECT_EQ(SplitData(one, 0.25, 1).second->size(), 1);
}

TEST(SequenceLengthTest, Forecasts) {
  const TestFolder folder;
  const DataPtr data = OpenCut(folder, {.forecast = true, .sequence_length = 4});
  EXPECT_TRUE(data->answers_each_row());
  EXPECT_TRUE(data->classes().empty());
  EXPECT_EQ(LengthsOf(*data), (Indices{4, 2, 2, 2}));
  EXPECT_EQ(ReadSequence(*data, 1), (Floats{5, 6}));
  EXPECT_EQ(TargetsOf(*data, 1), (Floats{6, 7}));
  EXPECT_THAT(data->Summary(), testing::HasSubstr("classes are left out"));
  WriteFile(folder / "b.ts", "@data\n1,2\n3\n");
  EXPECT_ERROR(OpenData(folder / "b.ts", {.forecast = true}),
               "data '" + (folder / "b.ts") + " (2 sequences)': sequence 1 of " +
                   (folder / "b.ts") +
                   " (2 sequences) has one step, expected two or more to forecast");
}

// ---- Tasks --------------------------------------------------------------------------------------

TEST(TaskTest, OfASeed) {
  for (const std::string& name : TaskNames()) {
    const DataPtr data = GenerateTask(name, 30, 5), more = OpenData(name + ":40", {.seed = 5});
    EXPECT_EQ(data->size(), 30);
    EXPECT_EQ(more->size(), 40);
    for (int64_t i = 0; i < data->size(); ++i)
      EXPECT_EQ(ReadSequence(*data, i), ReadSequence(*more, i)) << name << " " << i;
    EXPECT_NE(ReadSequence(*data, 0), ReadSequence(*GenerateTask(name, 1, 6), 0));
    EXPECT_EQ(OpenData(name)->size(), 2000);
  }
  EXPECT_ERROR(
      GenerateTask("wave", 3, 1),
      "task 'wave' is unknown, expected parity, adding, waves, moving, did you mean 'waves'?");
  EXPECT_ERROR(OpenData("parity:0"), "parity: 0 sequences are asked for, expected 1 to 1000000");
  EXPECT_ERROR(OpenData("parity:x"), "data 'parity:x': 'x' is no number, expected parity:COUNT");
}

TEST(TaskTest, AnswersAreRight) {
  const DataPtr parity = GenerateTask("parity", 20, 1);
  for (int64_t i = 0; i < parity->size(); ++i) {
    const Floats bits = ReadSequence(*parity, i);
    const Indices labels = LabelsOf(*parity, i);
    for (size_t t = 0, ones = 0; t < bits.size(); ++t)
      EXPECT_EQ(labels[t], static_cast<int64_t>((ones += bits[t] == 1) % 2));
  }
  const DataPtr adding = GenerateTask("adding", 20, 1);
  for (int64_t i = 0; i < adding->size(); ++i) {
    const Floats x = ReadSequence(*adding, i);
    float sum = 0, marks = 0;
    for (size_t t = 0; t < x.size(); t += 2) sum += x[t] * x[t + 1], marks += x[t + 1];
    EXPECT_EQ(marks, 2);
    EXPECT_NEAR(TargetsOf(*adding, i)[0], sum, 1e-6);
  }
}

}  // namespace
}  // namespace normkit
