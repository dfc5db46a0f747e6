#include "src/data/folder.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "normkit/data/image.h"
#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/data/image_codec.h"
#include "src/data/testing.h"

namespace normkit {
namespace {

namespace fs = std::filesystem;

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

TEST(FolderTest, StacksOfSlicesAreVolumes) {
  const TestFolder folder;
  const auto slice = [&](const std::string& name, int64_t height, uint8_t value) {
    fs::create_directories(fs::path(folder / name).parent_path());
    WriteImage(folder / name,
               {height, 3, 1, std::vector<uint8_t>(static_cast<size_t>(height) * 3, value)});
  };
  for (const std::string volume : {"liver/1", "liver/2", "lung/1"}) {
    const auto first = static_cast<uint8_t>(10 * (volume.size() + volume.back()));
    for (const int number : {0, 1, 2, 10})
      slice(fmt::format("{}/slice_{}.png", volume, number), 2,
            static_cast<uint8_t>(first + number));
  }
  for (const int64_t kept : {kMaxKeptBytes, int64_t{0}}) {
    const DataPtr data = OpenFolder(folder.path(), {.format = "BSSS"}, kept);
    EXPECT_EQ(data->layout().ToString(), "BSSSC [1,4,2,3,1]");
    EXPECT_EQ(data->Description(), folder.path() + " (3 volumes in 2 folders)");
    ASSERT_EQ(data->size(), 3);
    EXPECT_EQ(data->label(1), 0);
    EXPECT_EQ(data->label(2), 1);
    EXPECT_EQ(data->ObservationName(1), folder / "liver/2");
    EXPECT_EQ(data->MemoryBytes(), kept > 0 ? 3 * 4 * 6 : 0);
    const std::vector<float> x = ReadOne(*data, 0);
    const std::vector<float> steps{0, 1, 2, 10};  // 2 before 10
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(x[6 * i + 5], x[0] + steps[i]);
    EXPECT_THAT(data->Summary(),
                testing::HasSubstr("4 x 2 x 3 x 1 (depth x height x width x channels)"));
  }
  const DataPtr larger = OpenData(folder.path(), {.height = 4, .channels = 3, .format = "BSSSC"});
  EXPECT_EQ(larger->layout().ToString(), "BSSSC [1,4,4,3,3]");
  EXPECT_EQ(OpenData(folder.path())->layout().ToString(), "BSSC [1,2,3,1]");  // pictures, else
  slice("lung/2/a.png", 2, 0);
  EXPECT_ERROR(
      OpenData(folder.path(), {.format = "BSSS"}),
      fmt::format("data '{0}': volume '{0}/lung/2' has 1 slice, expected 4, as '{0}/liver/1'",
                  folder.path()));
  slice("liver/1/more/slice_0.png", 2, 0);
  EXPECT_ERROR(OpenData(folder.path(), {.format = "BSSS"}),
               fmt::format("data '{0}': volume '{0}/liver/1/more' lies in volume '{0}/liver/1', "
                           "expected slices alone in it",
                           folder.path()));
  slice("ant/a.png", 2, 0);
  EXPECT_ERROR(OpenData(folder.path(), {.format = "BSSS"}),
               fmt::format("data '{0}': '{0}/ant/a.png' lies in the folder of a class, expected a "
                           "folder a volume in it",
                           folder.path()));
}

TEST(FolderTest, DamagedPicturesAreNamed) {
  const Pictures pictures;
  const std::string broken = pictures.folder / "cat/2.png";
  WriteFile(broken, ReadFile(broken).substr(0, 60));
  const std::string line = broken + ": damaged PNG: the file ends too early";
  const DataPtr kept = OpenData(pictures.folder.path());  // its header is whole
  EXPECT_ERROR(kept->Load(), line);
  EXPECT_ERROR(kept->Load(), line);
  EXPECT_ERROR(ReadOne(*kept, 2), line);
  const DataPtr lazy = OpenFolder(pictures.folder.path(), {}, 0);
  EXPECT_ERROR(ReadOne(*lazy, 2), line);
}

TEST(FolderTest, FoldersWithoutPicturesAreNamed) {
  const TestFolder folder;
  EXPECT_ERROR(OpenData(folder.path()),
               fmt::format("data '{}': has no folders, expected one a class with its pictures "
                           "({})",
                           folder.path(), PictureKinds()));
  MakeFolder(folder / "empty");
  EXPECT_ERROR(OpenData(folder.path()),
               fmt::format("data '{}': folder 'empty' holds no pictures ({}), "
                           "expected some of the class 'empty'",
                           folder.path(), PictureKinds()));
}

// A grey or colour picture of one value.
void Paint(const std::string& path, int64_t height, int64_t width, int64_t channels,
           uint8_t value = 9) {
  MakeFolder(fs::path(path).parent_path().string());
  WriteImage(path, {height, width, channels,
                    std::vector<uint8_t>(static_cast<size_t>(height * width * channels), value)});
}

// One grey picture, or a tiny one, must not decide for all.
TEST(FolderTest, TheUsualSizeAndAnyColourDecide) {
  const TestFolder folder;
  Paint(folder / "a/0.png", 1, 1, 1);
  for (int i = 1; i < 5; ++i) Paint(folder / fmt::format("a/{}.png", i), 8, 6, i == 3 ? 3 : 1);
  Paint(folder / "b/big.png", 30, 40, 1);
  Paint(folder / "b/same.png", 8, 6, 1);
  const DataPtr data = OpenData(folder.path());
  EXPECT_EQ(data->layout().ToString(), "BSSC [1,8,6,3]");
  EXPECT_EQ(data->Summary(),
            folder.path() +
                " (7 pictures in 2 folders): 2 classes (a 5, b 2), 8 x 6 x 3 (height x width x "
                "channels); 2 resized (they have 1 x 1 to 30 x 40); 6 grey made colour");
  EXPECT_EQ(OpenData(folder.path(), {.height = 4, .width = 4, .channels = 1})->Summary(),
            folder.path() +
                " (7 pictures in 2 folders): 2 classes (a 5, b 2), 4 x 4 x 1 (height x width x "
                "channels); 7 resized (they have 1 x 1 to 30 x 40); 1 colour made grey");
  EXPECT_EQ(data->MemoryBytes(), 7 * 8 * 6 * 3);
}

TEST(FolderTest, WhatIsLeftOutIsCounted) {
  const TestFolder folder;
  Paint(folder / "a/deep/er/1.png", 2, 2, 1);
  Paint(folder / "a/2.PNG", 2, 2, 1);
  WriteFile(folder / "a/no-ending", ReadFile(folder / "a/2.PNG"));
  WriteFile(folder / "a/really-a-png.JPG", ReadFile(folder / "a/2.PNG"));
  WriteFile(folder / "a/notes", "no picture");
  WriteFile(folder / "a/phone.HEIC", "whatever");
  WriteFile(folder / "a/._1.png", "of another system");
  WriteFile(folder / "a/deep/list.csv", "1,2");
  ASSERT_EQ(mkfifo((folder / "a/pipe.png").c_str(), 0600), 0);
  fs::create_symlink(folder / "nowhere", folder / "a/gone.png");
  fs::create_symlink(folder / "a", folder / "a/deep/circle");
  fs::create_symlink("/dev/zero", folder / "a/zero.png");
  Paint(folder / "b/1.png", 2, 2, 1);
  fs::create_symlink(folder / "b/1.png", folder / "b/2.png");
  MakeFolder(folder / "__MACOSX");
  WriteFile(folder / "list.txt", "a b");
  Paint(folder / "loose.png", 2, 2, 1);
  const DataPtr data = OpenData(folder.path());
  EXPECT_EQ(data->size(), 6);
  EXPECT_EQ(data->Summary(),
            folder.path() +
                " (6 pictures in 2 folders): 2 classes (a 4, b 2), 2 x 2 x 1 (height x width x "
                "channels); left out: 1 .csv, 1 .heic, 1 .txt, 1 device, 2 hidden, 1 in no folder "
                "of a class, 1 link to a folder read before, 1 link to nothing, 1 named pipe, 1 "
                "without ending");
  data->Load();
}

TEST(FolderTest, PartsOfADataSetAreNoClasses) {
  const TestFolder folder;
  for (const char* part : {"train", "Test", "VAL"})
    for (const char* name : {"cat", "dog"})
      Paint(folder / fmt::format("{}/{}/1.png", part, name), 2, 2, 1);
  EXPECT_ERROR(OpenData(folder.path()),
               fmt::format("data '{0}': its folders are parts of a data set rather than classes, "
                           "expected --data {0}/train --validation-data {0}/VAL",
                           folder.path()));
  EXPECT_EQ(OpenData(folder / "train")->size(), 2);
  Paint(folder / "trams/1.png", 2, 2, 1);  // a class beside two that only sound so
  EXPECT_EQ(OpenData(folder.path())->classes().size(), 4u);
  const TestFolder alone;
  Paint(alone / "training/cat/1.png", 2, 2, 1);
  EXPECT_ERROR(OpenData(alone.path()),
               fmt::format("data '{0}': its folders are parts of a data set rather than classes, "
                           "expected --data {0}/training",
                           alone.path()));
}

TEST(FolderTest, NamesOfClassesArePrintable) {
  const TestFolder folder;
  Paint(folder / "K\u00e4fer/1.png", 2, 2, 1);
  Paint(folder / "caf\xe9/1.png", 2, 2, 1);
  Paint(folder / "two\nlines/1.png", 2, 2, 1);
  EXPECT_EQ(OpenData(folder.path())->classes(),
            (std::vector<std::string>{"K\u00e4fer", "caf\\xe9", "two\\nlines"}));
  Paint(folder / "two\\nlines/1.png", 2, 2, 1);
  EXPECT_ERROR(OpenData(folder.path()),
               "data '" + folder.path() +
                   "': has two folders that read 'two\\nlines', expected names that differ");
}

TEST(FolderTest, WhatOnlyIsNamedAPictureIsNamed) {
  const TestFolder folder;
  Paint(folder / "a/1.png", 2, 2, 1);
  WriteFile(folder / "a/2.jpg", "<!DOCTYPE html><p>404");
  EXPECT_ERROR(OpenData(folder.path()), fmt::format("{}: is an HTML page, expected a picture ({})",
                                                    folder / "a/2.jpg", PictureKinds()));
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

}  // namespace
}  // namespace normkit
