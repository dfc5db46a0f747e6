#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "normkit/data/image.h"
#include "normkit/data/npy.h"
#include "normkit/data/source.h"
#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/data/array_samples.h"
#include "src/data/folder.h"
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
      "expected digits[:COUNT], a folder with a folder a class, the prefix of an IDX pair or an "
      ".npz";
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
  WriteFile(folder / "a.csv", "1,2");
  EXPECT_ERROR(OpenData(folder / "a.csv"),
               fmt::format("data '{}': is a file of another kind, {}", folder / "a.csv", expected));
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

TEST(IdxTest, DamageIsNamed) {
  const auto parse = [](const std::string& bytes) { ParseIdx(bytes, 3, "a"); };
  for (const std::string& bytes : {kImages.substr(0, 10), Gzip(kImages.substr(0, 10))})
    EXPECT_ERROR(parse(bytes), "a: ends after 10 bytes, inside the IDX header of 16");
  EXPECT_ERROR(ParseIdx(kLabels + std::string(20, 'x'), 3, "a"),
               "a: begins with 00 00 08 01, expected 00 00 08 03 (IDX, unsigned bytes, 3 "
               "dimensions)");
  for (const std::string& bytes : {kImages.substr(0, 20), Gzip(kImages.substr(0, 20))})
    EXPECT_ERROR(parse(bytes), "a: has 4 bytes of elements, expected 6 (sizes [3,1,2])");
  for (const std::string& bytes : {kImages + "!", Gzip(kImages + "!")})
    EXPECT_ERROR(parse(bytes), "a: has 7 bytes of elements, expected 6 (sizes [3,1,2])");
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

// Two classes; pictures of 2 x 3 pixels, one of them larger.
struct Pictures {
  Pictures() {
    MakeFolder(folder / "cat");
    MakeFolder(folder / "ant");
    MakeFolder(folder / ".hidden");
    WriteImage(folder / "cat/2.png", {4, 6, 3, std::vector<uint8_t>(72, 90)});
    WriteImage(folder / "cat/1.JPG", {2, 3, 1, std::vector<uint8_t>(6, 50)});
    WriteImage(folder / "ant/z.png", {2, 3, 3, std::vector<uint8_t>(18, 7)});
    WriteFile(folder / "cat/notes.txt", "no picture");
    WriteFile(folder / "list.csv", "no class");
  }
  TestFolder folder;
};

TEST(FolderTest, ClassesAreFoldersInOrder) {
  const Pictures pictures;
  // Kept in memory and read each time.
  for (int64_t kept : {kMaxKeptBytes, int64_t{0}}) {
    const DataPtr data = OpenFolder(pictures.folder.path(), {}, kept);
    EXPECT_EQ(data->size(), 3);
    EXPECT_EQ(data->classes(), (std::vector<std::string>{"ant", "cat"}));
    EXPECT_EQ(data->layout().ToString(), "BSSC [1,2,3,3]");
    EXPECT_EQ(data->Description(), pictures.folder.path() + " (3 pictures in 2 folders)");
    EXPECT_EQ(data->label(0), 0);
    EXPECT_EQ(data->label(1), 1);
    EXPECT_EQ(ReadOne(*data, 0), std::vector<float>(18, 7));
    EXPECT_EQ(ReadOne(*data, 1), std::vector<float>(18, 50));
    EXPECT_EQ(ReadOne(*data, 2), std::vector<float>(18, 90));
  }
}

TEST(FolderTest, SizeIsAsAskedFor) {
  const Pictures pictures;
  const DataPtr data = OpenData(pictures.folder.path(), {.height = 5, .width = 4, .channels = 1});
  EXPECT_EQ(data->layout().ToString(), "BSSC [1,5,4,1]");
  EXPECT_EQ(ReadOne(*data, 2), std::vector<float>(20, 90));
  EXPECT_ERROR(OpenData(pictures.folder.path(), {.height = -1, .channels = 2}),
               fmt::format("data '{}': size -1 x 0 x 2 is asked for, expected height and width >= "
                           "0, channels 0, 1 or 3",
                           pictures.folder.path()));
}

TEST(FolderTest, DamagedPicturesAreNamed) {
  const Pictures pictures;
  const std::string broken = pictures.folder / "cat/2.png";
  WriteFile(broken, ReadFile(broken).substr(0, 60));
  const std::string line = broken + ": damaged PNG: the file ends too early";
  EXPECT_ERROR(OpenData(pictures.folder.path()), line);
  const DataPtr lazy = OpenFolder(pictures.folder.path(), {}, 0);
  EXPECT_ERROR(ReadOne(*lazy, 2), line);
}

TEST(FolderTest, FoldersWithoutPicturesAreNamed) {
  const TestFolder folder;
  EXPECT_ERROR(OpenData(folder.path()),
               fmt::format("data '{}': has no folders, expected one a class with its pictures "
                           "(.jpg, .jpeg, .png)",
                           folder.path()));
  MakeFolder(folder / "empty");
  EXPECT_ERROR(OpenData(folder.path()),
               fmt::format("data '{}': folder 'empty' holds no pictures (.jpg, .jpeg, .png), "
                           "expected some of the class 'empty'",
                           folder.path()));
}

// Somebody who is not root, whom no permission stops.
class NotRoot {
 public:
  NotRoot() : user_(geteuid()) {
    constexpr uid_t kNobody = 65534;
    if (user_ == 0) Become(kNobody);
  }
  ~NotRoot() {
    if (user_ == 0) Become(user_);
  }
  NotRoot(const NotRoot&) = delete;
  NotRoot& operator=(const NotRoot&) = delete;

 private:
  static void Become(uid_t user) { EXPECT_EQ(seteuid(user), 0); }
  uid_t user_;
};

TEST(FolderTest, UnreadableFoldersAreNamed) {
  const Pictures pictures;
  const std::string whole = pictures.folder.path(), cat = pictures.folder / "cat";
  const auto allow = [](const std::string& path, std::filesystem::perms who) {
    std::filesystem::permissions(path, who);
  };
  const auto all = std::filesystem::perms::all, none = std::filesystem::perms::none;
  const std::string reason = ": the folder cannot be read: Permission denied";
  allow(whole, all);
  allow(cat, none);
  {
    const NotRoot nobody;
    EXPECT_ERROR(OpenFolder(whole, {}, 0), cat + reason);
  }
  allow(whole, none);
  {
    const NotRoot nobody;
    EXPECT_ERROR(OpenFolder(whole, {}, 0), whole + reason);
    EXPECT_ERROR(OpenData(whole), whole + reason);
  }
  allow(whole, all);
  allow(cat, all);
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
  EXPECT_EQ(data->classes().size(), 3u);
  EXPECT_EQ(data->label(0), 2);
  EXPECT_EQ(ReadOne(*data, 1), (std::vector<float>{5, 6, 7, 8}));
  EXPECT_EQ(data->Description(), (folder / "a.npz") + " (2 observations)");
  data = OpenArrays(folder, {{"x", Floats({2, 2, 2}, values)}, {"y", y}});
  EXPECT_EQ(data->layout().ToString(), "BSSC [1,2,2,1]");
  data = OpenArrays(folder, {{"x", Floats({2, 1, 2, 2}, values)}, {"y", y}});
  EXPECT_EQ(data->layout().ToString(), "BSSC [1,1,2,2]");
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

TEST(OpenNpzTest, ErrorsOfClassesAreNamed) {
  const TestFolder folder;
  const NpyArray x = Floats({2, 1}, {1, 2}), y = Labels({0, 2});
  const auto expect = [&](const NpyArray& classes, const std::string& line) {
    EXPECT_ERROR(OpenArrays(folder, {{"x", x}, {"y", y}, {"classes", classes}}),
                 (folder / "a.npz") + ": " + line);
  };
  expect(Names({U"a", U"b"}),
         "y[1] is 2, expected a class number from 0 to 1 (targets of a regression are "
         "floating-point)");
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
  expect({{"x", Floats({2}, {1, 2})}, {"y", y}},
         "x is [2], expected [N,F], [N,H,W] or [N,H,W,C] with none of them 0");
  expect({{"x", Floats({2, 0}, {})}, {"y", y}},
         "x is [2,0], expected [N,F], [N,H,W] or [N,H,W,C] with none of them 0");
  expect({{"x", x}, {"y", Labels({1})}}, "y is [1], expected 2 observations as in x [2,1]");
  expect({{"x", x}, {"y", Labels({0, -1})}},
         "y[1] is -1, expected a class number from 0 to 999 (targets of a regression are "
         "floating-point)");
  NpyArray wide = Labels({0, 0, 0, 0});
  wide.shape = {2, 2};
  expect({{"x", x}, {"y", wide}}, "y is integers [2,2], expected [2] (class numbers)");
}

}  // namespace
}  // namespace normkit
