#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "normkit/data/image.h"
#include "normkit/data/npy.h"
#include "normkit/data/source.h"
#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/data/array_samples.h"
#include "src/data/idx.h"
#include "src/data/testing.h"

namespace normkit {
namespace {

const std::string kImages = Idx({3, 1, 2}, "abcdef"), kLabels = Idx({3}, std::string("\1\0\2", 3));

void ExpectThreeImages(const DataSource& data) {
  EXPECT_EQ(data.size(), 3);
  EXPECT_EQ(data.layout().ToString(), "BSSC [1,1,2,1]");
  EXPECT_EQ(data.classes(), (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(data.label(0), 1);
  EXPECT_EQ(data.label(2), 2);
  EXPECT_EQ(ReadOne(data, 1), (std::vector<float>{'c', 'd'}));
}

TEST(OpenDigitsTest, CountStandsBehindAColon) {
  EXPECT_EQ(OpenData("digits")->size(), 5000);
  EXPECT_EQ(OpenData("digits:12")->Description(), "digits (12 generated, seed 1)");
  EXPECT_EQ(OpenData("digits", {.count = 3, .seed = 4})->Description(),
            "digits (3 generated, seed 4)");
  EXPECT_ERROR(OpenData("digits:many"),
               "data 'digits:many': 'many' is no number, expected digits:COUNT");
  EXPECT_ERROR(OpenData("digits:"), "data 'digits:': '' is no number, expected digits:COUNT");
  EXPECT_ERROR(OpenData("digits:0"), "digits: 0 are asked for, expected 1 to 100000000");
}

TEST(OpenTest, WhatIsNotThereIsNamed) {
  const TestFolder folder;
  const std::string expected =
      "expected digits[:COUNT], a task (parity, adding, waves, moving, blobs, blobs3d), a folder "
      "with a "
      "folder a class, an "
      "IDX pair, an .npz, .ts or .csv";
  const auto missing = [&](const std::string& spec) {
    return fmt::format(
        "data '{}': there is no such file or folder, nor {}-images-idx3-ubyte[.gz]; {}", spec, spec,
        expected);
  };
  EXPECT_ERROR(OpenData("digit"), missing("digit") + ", did you mean 'digits'?");
  EXPECT_ERROR(OpenData(""), missing(""));
  WriteFile(folder / "t10k-images-idx3-ubyte", kImages);
  EXPECT_ERROR(OpenData(folder / "t01k"),
               missing(folder / "t01k") + ", did you mean '" + (folder / "t10k") + "'?");
  const std::string endless(10'000, 'x');
  EXPECT_ERROR(OpenData(endless), missing(endless));
  WriteFile(folder / "a.txt", "not a table");
  EXPECT_ERROR(OpenData(folder / "a.txt"),
               fmt::format("data '{}': is a text, {}", folder / "a.txt", expected));
  WriteFile(folder / "x.npy", SerializeNpy(ByteArray({1}, "a"), "x"));
  EXPECT_ERROR(OpenData(folder / "x.npy"),
               fmt::format("data '{}': is a NumPy array (.npy), without labels, {}",
                           folder / "x.npy", expected));
  WriteFile(folder / "junk", "\1\2\3");
  EXPECT_ERROR(OpenData(folder / "junk"),
               fmt::format("data '{}': is a file of another kind, {}", folder / "junk", expected));
  EXPECT_ERROR(OpenData("/dev/zero"), fmt::format("data '/dev/zero': is a device, {}", expected));
}

// The folder of the process while it lives.
class InFolder {
 public:
  explicit InFolder(const std::string& path) : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(path);
  }
  ~InFolder() { std::filesystem::current_path(before_); }
  InFolder(const InFolder&) = delete;
  InFolder& operator=(const InFolder&) = delete;

 private:
  std::filesystem::path before_;
};

TEST(OpenDigitsTest, AFolderOfThatNameIsNotPassedOver) {
  const TestFolder folder;
  const InFolder here(folder.path());
  MakeFolder("digits/one");
  MakeFolder("digits/two");
  for (const char* name : {"digits/one/1.png", "digits/two/1.png"})
    WriteImage(name, {2, 2, 1, std::vector<uint8_t>(4)});
  EXPECT_ERROR(OpenData("digits"),
               "data 'digits': means digits that are drawn, but there is a file or folder of that "
               "name; expected ./digits for that one, or digits:5000 for the drawn ones");
  EXPECT_EQ(OpenData("./digits")->size(), 2);
  EXPECT_EQ(OpenData("digits:7")->size(), 7);
}

// Options of one kind of data that are given with another.
TEST(OpenTest, OptionsOfOtherDataAreRefused) {
  const TestFolder folder;
  WriteFile(folder / "a-images-idx3-ubyte", kImages);
  WriteFile(folder / "a-labels-idx1-ubyte", kLabels);
  EXPECT_EQ(OpenData(folder / "a", {.height = 1, .width = 2, .channels = 1})->size(), 3);
  EXPECT_ERROR(OpenData(folder / "a", {.height = 28, .width = 28}),
               fmt::format("data '{}': has 1 x 2 x 1 (height x width x channels); 28 x 28 x any is "
                           "asked for, which takes a folder of pictures: they are resized",
                           folder / "a"));
  EXPECT_ERROR(OpenData("digits:5", {.channels = 3}),
               "data 'digits:5': has 28 x 28 x 1 (height x width x channels); any x any x 3 is "
               "asked for, which takes a folder of pictures: they are resized");
  MakeFolder(folder / "photos/one");
  WriteImage(folder / "photos/one/1.png", {2, 2, 1, std::vector<uint8_t>(4)});
  for (const std::string& spec : {std::string("digits:5"), folder / "a", folder / "photos"}) {
    EXPECT_ERROR(OpenData(spec, {.format = "BSS"}),
                 fmt::format("data '{}': format 'BSS' is given, expected it for arrays (.npz, "
                             ".npy) and tables (.csv), and BSSS for folders of slices",
                             spec));
    EXPECT_ERROR(OpenData(spec, {.label_column = "y"}),
                 fmt::format("data '{}': label column 'y' is given, expected it for a table (.csv) "
                             "only",
                             spec));
    EXPECT_ERROR_LIKE(OpenData(spec, {.forecast = true}), "expected forecast for sequences only");
    EXPECT_ERROR_LIKE(OpenData(spec, {.sequence_length = 3}),
                      "expected sequence_length for sequences only");
    EXPECT_ERROR_LIKE(OpenData(spec, {.sequence_padding_direction = PaddingDirection::kLeft}),
                      "expected sequence_padding_direction for sequences only");
  }
}

TEST(IdxTest, ReadsPlainAndCompressedPairs) {
  const TestFolder folder;
  WriteFile(folder / "a-images-idx3-ubyte", kImages);
  WriteFile(folder / "a-labels-idx1-ubyte", kLabels);
  WriteFile(folder / "b-images-idx3-ubyte.gz", Gzip(kImages));
  WriteFile(folder / "b-labels-idx1-ubyte.gz", Gzip(kLabels));
  WriteFile(folder / "c-images.idx3-ubyte", kImages);
  WriteFile(folder / "c-labels.idx1-ubyte.gz", Gzip(kLabels));
  for (const char* name : {"a", "b", "c", "a-images-idx3-ubyte", "b-images-idx3-ubyte.gz"})
    ExpectThreeImages(*OpenData(folder / name));
  EXPECT_EQ(OpenData(folder / "a")->Description(), (folder / "a") + " (3 images)");
  EXPECT_ERROR(OpenData(folder.path()),
               fmt::format("data '{}': is a folder with IDX files, did you mean '{}'?",
                           folder.path(), folder / "a"));
}

TEST(IdxTest, GzipMayHaveSeveralMembers) {
  const std::string joined = Gzip(kImages.substr(0, 5)) + Gzip(kImages.substr(5));
  EXPECT_EQ(ParseIdx(joined, 3, "x").values, "abcdef");
}

// As people and archives rename them.
TEST(IdxTest, NamesMayVary) {
  const std::pair<const char*, const char*> kNames[] = {
      {"a-images-idx3-ubyte", "a-labels-idx1-ubyte"},
      {"a-images.idx3-ubyte", "a-labels.idx1-ubyte"},
      {"a_images_idx3_ubyte", "a_labels_idx1_ubyte"},
      {"A-IMAGES-IDX3-UBYTE.GZ", "A-LABELS-IDX1-UBYTE.GZ"},
      {"a.images.idx3.ubyte", "a-labels-idx1-ubyte.gz"},
      {"emnist-letters-a-images-idx3-ubyte.gz", "emnist-letters-a-labels-idx1-ubyte"},
      {"images-idx3-ubyte", "labels-idx1-ubyte"},
  };
  for (const auto& [images, labels] : kNames) {
    const TestFolder folder;
    // Compressed or not: the bytes tell.
    WriteFile(folder / images, kImages);
    WriteFile(folder / labels, Gzip(kLabels));
    ExpectThreeImages(*OpenData(folder / images));
    ExpectThreeImages(*OpenData(folder / labels));
    const std::string name = images;
    const size_t end = name.find("images");
    if (end == 0) {
      EXPECT_ERROR_LIKE(OpenData(folder.path()), "did you mean '" + (folder / images) + "'?");
    } else if (end != name.npos) {
      ExpectThreeImages(*OpenData(folder / name.substr(0, end - 1)));
    }
  }
}

// EMNIST counts letters from 1.
TEST(IdxTest, ClassesAreTheLabelsThatOccur) {
  const TestFolder folder;
  WriteFile(folder / "a-images-idx3-ubyte", kImages);
  WriteFile(folder / "a-labels-idx1-ubyte", Idx({3}, std::string("\1\5\1", 3)));
  const DataPtr data = OpenData(folder / "a");
  EXPECT_EQ(data->classes(), (std::vector<std::string>{"1", "5"}));
  EXPECT_EQ(data->label(1), 1);
  EXPECT_EQ(data->Summary(), (folder / "a") +
                                 " (3 images): 2 classes (1 2, 5 1), 1 x 2 x 1 (height x width x "
                                 "channels); class numbers 1 to 5, of which 2 occur");
}

TEST(IdxTest, DamageIsNamed) {
  const auto parse = [](const std::string& bytes) { ParseIdx(bytes, 3, "a"); };
  for (const std::string& bytes : {kImages.substr(0, 10), Gzip(kImages.substr(0, 10))})
    EXPECT_ERROR(parse(bytes), "a: ends after 10 bytes, inside the IDX header of 16");
  EXPECT_ERROR(ParseIdx(kLabels + std::string(20, 'x'), 3, "a"),
               "a: begins with 00 00 08 01, expected 00 00 08 03 (IDX, unsigned bytes, 3 "
               "dimensions)");
  for (const std::string& bytes : {kImages.substr(0, 20), Gzip(kImages.substr(0, 20))})
    EXPECT_ERROR(parse(bytes), "a: has 4 bytes of elements, expected 6 (sizes [3,1,2])");
  for (const std::string& bytes : {kImages + "!", Gzip(kImages + "!"), Gzip(kImages) + "junk"})
    EXPECT_EQ(ParseIdx(bytes, 3, "a").values, "abcdef");  // what follows is not needed
  const std::string compressed = Gzip(Idx({30'000, 100, 100}, "abc"));
  EXPECT_ERROR(parse(compressed), fmt::format("a: sizes [30000,100,100] are claimed, which {} "
                                              "compressed bytes cannot hold",
                                              compressed.size()));
  EXPECT_ERROR(parse(Idx({-1, -1, -1}, "")),
               "a: its sizes have more elements than memory can hold");
  const std::string gzip = Gzip(kImages);
  EXPECT_ERROR(parse(gzip.substr(0, gzip.size() - 12)),
               "a: the compressed data ends too early, after 19 bytes decompressed");
}

TEST(IdxTest, PairsMustFit) {
  const TestFolder folder;
  WriteFile(folder / "a-images-idx3-ubyte", kImages);
  EXPECT_ERROR(OpenData(folder / "a"),
               fmt::format("data '{}': {} has no labels beside it, expected {}[.gz]", folder / "a",
                           folder / "a-images-idx3-ubyte", folder / "a-labels-idx1-ubyte"));
  WriteFile(folder / "a-labels-idx1-ubyte", Idx({2}, "ab"));
  EXPECT_ERROR(OpenData(folder / "a"),
               fmt::format("{}: has 2 labels, expected 3 (the images of {})",
                           folder / "a-labels-idx1-ubyte", folder / "a-images-idx3-ubyte"));
  WriteFile(folder / "a-images-idx3-ubyte", Idx({2, 0, 5}, ""));
  EXPECT_ERROR(OpenData(folder / "a"),
               fmt::format("{}: has no images (sizes [2,0,5])", folder / "a-images-idx3-ubyte"));
}

NpyArray Floats(std::vector<int64_t> shape, const std::vector<float>& values) {
  return MakeNpy(DType::kF32, std::move(shape), values.data());
}

NpyArray Labels(const std::vector<int8_t>& values) {
  const auto* begin = reinterpret_cast<const std::byte*>(values.data());
  return {"|i1", {static_cast<int64_t>(values.size())}, {begin, begin + values.size()}};
}

// Opens an .npz of these arrays.
DataPtr OpenArrays(const TestFolder& folder, const std::map<std::string, NpyArray>& arrays) {
  WriteNpz(folder / "a.npz", arrays);
  return OpenData(folder / "a.npz");
}

TEST(OpenNpzTest, IntegersAreClasses) {
  const TestFolder folder;
  const std::vector<float> values = {1, 2, 3, 4, 5, 6, 7, 8};
  const NpyArray y = Labels({2, 0});
  DataPtr data = OpenArrays(folder, {{"x", Floats({2, 4}, values)}, {"y", y}});
  EXPECT_EQ(data->layout().ToString(), "BC [1,4]");
  EXPECT_EQ(data->classes(), (std::vector<std::string>{"0", "2"}));
  EXPECT_EQ(data->label(0), 1);
  EXPECT_EQ(ReadOne(*data, 1), (std::vector<float>{5, 6, 7, 8}));
  EXPECT_EQ(data->Description(), (folder / "a.npz") + " (2 observations)");
}

// x and y in an .npz, with a format.
DataPtr OpenX(const TestFolder& folder, const NpyArray& x, const std::string& format = "") {
  std::vector<int8_t> labels;
  for (int64_t i = 0; i < 2; ++i) labels.push_back(static_cast<int8_t>(i));
  WriteNpz(folder / "a.npz", {{"x", x}, {"y", Labels(labels)}});
  return OpenData(folder / "a.npz", {.format = format});
}

// Bytes 0, 1, 2, ... or floating-point numbers.
NpyArray Counting(const std::vector<int64_t>& shape, bool bytes) {
  NpyArray array{"", shape, {}};
  std::vector<float> floats;
  for (int64_t i = 0; i < array.size(); ++i) {
    floats.push_back(static_cast<float>(i));
    array.data.push_back(static_cast<std::byte>(i));
  }
  if (!bytes) return Floats(shape, floats);
  array.descr = "|u1";
  return array;
}

TEST(OpenNpzTest, AxesThatCanOnlyMeanOneThing) {
  const TestFolder folder;
  const struct {
    std::vector<int64_t> shape;
    bool bytes;
    std::string format, layout;
    std::vector<float> second;  // the beginning of observation 1
  } kCases[] = {
      {{2, 4}, false, "", "BC [1,4]", {4, 5, 6}},
      {{2, 4}, true, "", "BC [1,4]", {4, 5, 6}},
      {{2, 4, 5}, true, "", "BSSC [1,4,5,1]", {20, 21, 22}},
      {{2, 4, 3}, true, "", "BSSC [1,4,3,1]", {12, 13, 14}},
      {{2, 4, 5, 3}, false, "", "BSSC [1,4,5,3]", {60, 61, 62}},
      {{2, 4, 5, 1}, true, "", "BSSC [1,4,5,1]", {20, 21, 22}},
      {{2, 4, 5}, false, "BSS", "BSSC [1,4,5,1]", {20, 21, 22}},
      {{2, 3, 4, 5}, false, "BCSS", "BSSC [1,4,5,3]", {60, 80, 100, 61}},
      {{2, 3, 4, 5}, true, "BCSS", "BSSC [1,4,5,3]", {60, 80, 100, 61}},
      {{2, 3, 4, 5}, true, "BSSC", "BSSC [1,3,4,5]", {60, 61, 62}},
      {{4, 5, 3, 2}, true, "SSCB", "BSSC [1,4,5,3]", {1, 3, 5, 7}},
      {{4, 2}, false, "CB", "BC [1,4]", {1, 3, 5, 7}},
      {{4, 2, 5}, false, "SBS", "BSSC [1,4,5,1]", {5, 6, 7, 8, 9, 15}},
  };
  for (const auto& [shape, bytes, format, layout, second] : kCases) {
    const DataPtr data = OpenX(folder, Counting(shape, bytes), format);
    EXPECT_EQ(data->layout().ToString(), layout) << format;
    EXPECT_EQ(data->size(), 2);
    EXPECT_EQ(data->MemoryBytes(), 2 * (data->layout().size() * (bytes ? 1 : 4) + 8));
    std::vector<float> read = ReadOne(*data, 1);
    read.resize(second.size());
    EXPECT_EQ(read, second) << format;
  }
}

TEST(OpenNpzTest, AxesThatMayMeanSeveralThingsAreRefused) {
  const TestFolder folder;
  const std::string may_be =
      ", which may be sequences or grey pictures: --format says which, BTC for sequences (B "
      "observations, T time, C channels), BSS for grey pictures (S space)";
  const std::string channels =
      ", whose channels may be first or last: --format says which, BCSS (first) or BSSC (last; B "
      "observations, S space, C channels)";
  const std::string letters =
      "expected B once, and C (features), SS or SSC (pictures), SSS or SSSC (volumes)";
  const struct {
    std::vector<int64_t> shape;
    bool bytes;
    std::string format, says;
  } kCases[] = {
      {{2, 4, 5}, false, "", " is <f4 [2,4,5]" + may_be},
      {{2, 3, 5}, true, "", " is |u1 [2,3,5]" + may_be},
      {{2, 1, 5}, true, "", " is |u1 [2,1,5]" + may_be},
      {{2, 3, 4, 5}, true, "", " is |u1 [2,3,4,5]" + channels},
      {{2, 1, 4, 5}, false, "", " is <f4 [2,1,4,5]" + channels},
      {{2, 3, 5, 3}, true, "", " is |u1 [2,3,5,3]" + channels},
      {{2, 4, 5, 4}, true, "", " is |u1 [2,4,5,4]" + channels},
      {{2}, false, "", " is <f4 [2], expected [N,F], [N,T,C], [N,H,W] or [N,H,W,C]"},
      {{2, 1, 1, 1, 1},
       false,
       "",
       " is <f4 [2,1,1,1,1], expected [N,F], [N,T,C], [N,H,W] or [N,H,W,C]"},
      {{2, 0}, false, "", " is <f4 [2,0], expected sizes of at least 1"},
      {{2, 4, 5},
       false,
       "bss",
       " format 'bss' is given, expected letters B (observations), S (space) and C (channels)"},
      {{2, 4, 5},
       false,
       "NHW",
       " format 'NHW' is given, expected letters B (observations), S (space) and C (channels)"},
      {{2, 4, 5},
       false,
       "BSSC",
       " is <f4 [2,4,5], format 'BSSC' has 4 letters, expected one an axis"},
      {{2, 4, 5}, false, "BSC", " format 'BSC' is given, " + letters},
      {{2, 4}, false, "BS", " format 'BS' is given, " + letters},
      {{2, 4, 5}, false, "BBC", " format 'BBC' is given, " + letters},
      {{2, 4, 5, 6}, false, "SSSS", " format 'SSSS' is given, " + letters},
  };
  for (const auto& [shape, bytes, format, says] : kCases) {
    const std::string where = (folder / "a.npz") + ": x" + (says.starts_with(" is") ? "" : ":");
    EXPECT_ERROR(OpenX(folder, Counting(shape, bytes), format), where + says);
  }
}

// Whole numbers of other types are pictures too, where they are 0 to 255.
TEST(OpenNpzTest, WholeNumbersOfPicturesAreChecked) {
  const TestFolder folder;
  const std::vector<int64_t> values = {0, 255, 3, 4, 5, 6, 7, 8};
  NpyArray x{"<i8", {2, 2, 2}, {}};
  const auto* begin = reinterpret_cast<const std::byte*>(values.data());
  x.data.assign(begin, begin + 64);
  EXPECT_EQ(ReadOne(*OpenX(folder, x), 0), (std::vector<float>{0, 255, 3, 4}));
  x.data[9] = std::byte{1};  // 255 + 256
  EXPECT_ERROR(OpenX(folder, x)->Load(),
               (folder / "a.npz") +
                   ": x is <i8 [2,2,2] and holds 511, expected whole numbers from 0 to 255 in "
                   "pictures; --format says what else the axes mean (BSS: grey pictures all the "
                   "same)");
  EXPECT_EQ(ReadOne(*OpenX(folder, x, "BSS"), 0)[1], 511);
}

TEST(OpenNpzTest, ClassesAreTheNumbersThatOccur) {
  const TestFolder folder;
  const NpyArray x = Floats({4, 1}, {1, 2, 3, 4});
  const DataPtr data = OpenArrays(folder, {{"x", x}, {"y", Labels({3, 1, 2, 1})}});
  EXPECT_EQ(data->classes(), (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_EQ(data->label(0), 2);
  EXPECT_EQ(data->Summary(),
            (folder / "a.npz") +
                " (4 observations): 3 classes (1 2, 2 1, 3 1), 1 feature; class numbers 1 to 3, of "
                "which 3 occur");
  EXPECT_EQ(OpenArrays(folder, {{"x", x}, {"y", Labels({0, 1, 0, 1})}})->Summary(),
            (folder / "a.npz") + " (4 observations): 2 classes (0 2, 1 2), 1 feature");
}

// As a folder's classes: other data may have fewer, or another order.
TEST(OpenNpzTest, OtherClassesAreMatchedByName) {
  const TestFolder folder;
  const NpyArray x = Floats({3, 1}, {1, 2, 3});
  const DataPtr data = OpenArrays(folder, {{"x", x}, {"y", Labels({3, 1, 3})}});
  const DataPtr same = WithClasses(data, {"0", "1", "2", "3"});
  EXPECT_EQ(same->classes().size(), 4u);
  EXPECT_EQ(same->label(0), 3);
  EXPECT_EQ(same->label(1), 1);
  EXPECT_ERROR(WithClasses(data, {"1", "2"}),
               fmt::format("data '{} (3 observations)': has class '3', expected those of the "
                           "model: 1, 2",
                           folder / "a.npz"));
}

// What nobody asks for may be anything.
TEST(OpenNpzTest, OtherMembersMayBeOfAnyKind) {
  const TestFolder folder;
  NpyArray strange = ByteArray({1}, "a");
  WriteNpz(folder / "a.npz",
           {{"x", Floats({2, 1}, {1, 2})}, {"y", Labels({0, 1})}, {"z", strange}});
  std::string bytes = ReadFile(folder / "a.npz");
  const size_t descr = bytes.find("|u1");
  ASSERT_NE(descr, bytes.npos);
  bytes.replace(descr, 3, "|O8");  // objects, pickled; its check sum is wrong now, too
  WriteFile(folder / "a.npz", bytes);
  EXPECT_EQ(OpenData(folder / "a.npz")->size(), 2);
  EXPECT_ERROR_LIKE(ReadNpz(folder / "a.npz"), "member 'z.npy': its check sum is");
  // Something before and behind the archive.
  WriteFile(folder / "b", "PK: #!/bin/sh\n" + bytes + "behind");
  EXPECT_EQ(ReadOne(*OpenData(folder / "b"), 1), std::vector<float>{2});
}

TEST(OpenNpzTest, MembersMayLieInAFolder) {
  const TestFolder folder;
  std::map<std::string, NpyArray> arrays = {{"d/x", Floats({2, 1}, {1, 2})},
                                            {"d/y", Labels({0, 1})}};
  EXPECT_EQ(OpenArrays(folder, arrays)->size(), 2);
  arrays["e/x"] = arrays["d/x"];
  EXPECT_ERROR(OpenArrays(folder, arrays),
               (folder / "a.npz") + ": has both d/x and e/x, expected one array 'x'");
  arrays["x"] = Floats({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(OpenArrays(folder, arrays)->layout().ToString(), "BC [1,2]");
}

// Texts of NumPy's type U, `width` code points each.
NpyArray Names(const std::vector<std::u32string>& names, size_t width = 5) {
  NpyArray array{"<U" + std::to_string(width), {static_cast<int64_t>(names.size())}, {}};
  for (std::u32string name : names) {
    name.resize(width);
    const auto* begin = reinterpret_cast<const std::byte*>(name.data());
    array.data.insert(array.data.end(), begin, begin + 4 * width);
  }
  return array;
}

TEST(OpenNpzTest, ClassesMayHaveNames) {
  const TestFolder folder;
  const NpyArray x = Floats({2, 1}, {1, 2}), y = Labels({1, 0});
  const DataPtr data = OpenArrays(
      folder, {{"x", x}, {"y", y}, {"classes", Names({U"K\u00e4fer", U"\U0001f41d", U"o"})}});
  EXPECT_EQ(data->classes(), (std::vector<std::string>{"K\u00e4fer", "\U0001f41d", "o"}));
  EXPECT_EQ(data->label(0), 1);
  NpyArray bytes = ByteArray({2, 3}, std::string_view("catox\0", 6));
  bytes.descr = "|S3";
  bytes.shape = {2};
  const DataPtr plain = OpenArrays(folder, {{"x", x}, {"y", y}, {"classes", bytes}});
  EXPECT_EQ(plain->classes(), (std::vector<std::string>{"cat", "ox"}));
}

TEST(OpenNpzTest, LabelsMayBeNames) {
  const TestFolder folder;
  const DataPtr data = OpenArrays(
      folder, {{"x", Floats({3, 1}, {1, 2, 3})}, {"y", Names({U"ox", U"cat\n", U"ox"})}});
  EXPECT_EQ(data->classes(), (std::vector<std::string>{"cat\\n", "ox"}));
  EXPECT_EQ(data->label(0), 1);
  EXPECT_EQ(data->label(1), 0);
}

TEST(OpenNpzTest, ErrorsOfClassesAreNamed) {
  const TestFolder folder;
  const NpyArray x = Floats({2, 1}, {1, 2}), y = Labels({0, 2});
  const auto expect = [&](const NpyArray& classes, const std::string& line) {
    EXPECT_ERROR(OpenArrays(folder, {{"x", x}, {"y", y}, {"classes", classes}}),
                 (folder / "a.npz") + ": " + line);
  };
  expect(Names({U"a", U"b"}),
         "y[1] is 2, expected a class number from 0 to 1 (classes has 2 names, which count from "
         "0)");
  expect(Labels({1, 2}), "classes is |i1 [2], expected a row of texts, one a class");
  expect(Names({}), "classes is <U5 [0], expected a row of texts, one a class");
  NpyArray square = Names({U"a", U"b", U"c", U"d"});
  square.shape = {2, 2};
  expect(square, "classes is <U5 [2,2], expected a row of texts, one a class");
  expect(Floats({2}, {1, 2}), "classes: array <f4 [2]: holds no texts (S or U)");
  expect(Names({U"a", U"", U"c"}), "classes[1] is '', expected a name that no other class has");
  expect(Names({U"a", U"b", U"a"}), "classes[2] is 'a', expected a name that no other class has");
  expect(Names({U"a", {char32_t{0xd800}}, U"c"}),
         "classes: array <U5 [3]: holds the code point 0xd800, expected those of Unicode");
  NpyArray bytes = ByteArray({3}, "a\xe9z");
  bytes.descr = "|S1";
  expect(bytes,
         "classes: array |S1 [3]: holds the byte 0xe9, expected ASCII in texts of bytes (S)");
  EXPECT_ERROR(
      OpenArrays(folder, {{"x", x}, {"y", Floats({2}, {1, 2})}, {"classes", Names({U"a"})}}),
      (folder / "a.npz") + ": has classes, but y is <f4, expected integers (class numbers)");
}

TEST(OpenNpzTest, FloatsAreTargets) {
  const TestFolder folder;
  const NpyArray x = Floats({2, 1}, {1, 2});
  DataPtr data = OpenArrays(folder, {{"x", x}, {"y", Floats({2, 2}, {3, 4, 5, 6})}});
  EXPECT_TRUE(data->classes().empty());
  EXPECT_EQ(data->target_size(), 2);
  std::vector<float> target(2);
  data->ReadTarget(1, target);
  EXPECT_EQ(target, (std::vector<float>{5, 6}));
  EXPECT_EQ(OpenArrays(folder, {{"x", x}, {"y", Floats({2}, {3, 4})}})->target_size(), 1);
}

TEST(OpenNpzTest, ErrorsAreNamed) {
  const TestFolder folder;
  const NpyArray x = Floats({2, 1}, {1, 2}), y = Labels({0, 1});
  const auto expect = [&](const std::map<std::string, NpyArray>& arrays, const std::string& line) {
    EXPECT_ERROR(OpenArrays(folder, arrays), (folder / "a.npz") + ": " + line);
  };
  expect({}, "has no array 'x', expected x and y (it has: none)");
  expect({{"x", x}, {"z", y}}, "has no array 'y', expected x and y (it has: x, z)");
  expect({{"x", x}, {"y", Labels({1})}}, "y is [1], expected 2 observations as in x [2,1]");
  expect({{"x", x}, {"y", Labels({0, -1})}},
         "y[1] is -1, expected a class number from 0 to 999 (targets of a regression are "
         "floating-point)");
  NpyArray complex = Floats({2, 1}, {1, 2});
  complex.descr = "<c8";
  complex.shape = {1, 1};
  expect({{"x", Floats({1, 1}, {1})}, {"y", complex}}, "y: array <c8 [1,1]: holds no real numbers");
  expect({{"x", complex}, {"y", Labels({0})}}, "x is <c8 [1,1], expected real numbers");
  NpyArray wide = Labels({0, 0, 0, 0});
  wide.shape = {2, 2};
  expect({{"x", x}, {"y", wide}}, "y is integers [2,2], expected [2] (class numbers)");
}

}  // namespace
}  // namespace normkit
