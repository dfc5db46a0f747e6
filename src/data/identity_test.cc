#include "normkit/data/identity.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <limits>

#include "normkit/data/batch.h"
#include "normkit/data/image.h"
#include "src/core/files.h"
#include "src/core/testing.h"
#include "src/data/folder.h"

namespace normkit {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// What an in-memory data set is made of, to be changed a piece at a time.
struct Pieces {
  int64_t height = 2, width = 3;
  std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  std::vector<int64_t> labels{0, 1};
  std::vector<std::string> classes{"cat", "dog"};

  DataPtr Make() const {
    return FromArrays(Layout::Make("BSSC", std::vector<int64_t>{1, height, width, 1}), x, labels,
                      classes, "two");
  }
};

std::string DifferenceOf(const DataPtr& given, const DataPtr& made_with) {
  std::map<std::string, std::string> facts{{"seed", "1"}};
  for (const auto& [name, value] : Identify(*made_with)) facts["data-" + name] = value;
  return Difference(Identify(*given), facts, "data-");
}

TEST(Identity, NamesWhatHasChanged) {
  const struct {
    const char* what;
    std::function<void(Pieces&)> change;
    const char* difference;
  } cases[] = {
      {"nothing", [](Pieces&) {}, ""},
      {"a value", [](Pieces& p) { p.x[7] = 8.5f; },
       "its contents have changed (names or sizes of files, values of arrays)"},
      {"the sign of zero", [](Pieces& p) { p.x[0] = -p.x[0]; },
       "its contents have changed (names or sizes of files, values of arrays)"},
      {"a label", [](Pieces& p) { p.labels[1] = 0; }, "its labels or targets have changed"},
      {"a name", [](Pieces& p) { p.classes[1] = "wolf"; },
       "its classes are 'cat, wolf', expected 'cat, dog'"},
      {"the order of names", [](Pieces& p) { std::swap(p.classes[0], p.classes[1]); },
       "its classes are 'dog, cat', expected 'cat, dog'"},
      {"a class more", [](Pieces& p) { p.classes.emplace_back("emu"); },
       "its classes are 'cat, dog, emu', expected 'cat, dog'"},
      {"the size", [](Pieces& p) { std::swap(p.height, p.width); },
       "its observations are BSSC [1,3,2,1], expected BSSC [1,2,3,1]"},
      {"the count", [](Pieces& p) { p.x.resize(6), p.labels.resize(1); },
       "it has 1 observations, expected 2"},
  };
  for (const auto& one : cases) {
    Pieces changed;
    one.change(changed);
    EXPECT_EQ(DifferenceOf(changed.Make(), Pieces().Make()), one.difference) << one.what;
  }
}

TEST(Identity, OfTargets) {
  const auto with = [](float target) {
    return FromArraysRegression(Layout::Make("BC", std::vector<int64_t>{1, 1}), {1, 2},
                                {0.5f, target}, 1, "line");
  };
  EXPECT_EQ(DifferenceOf(with(1), with(1)), "");
  EXPECT_EQ(DifferenceOf(with(2), with(1)), "its labels or targets have changed");
}

TEST(Identity, OfGeneratedData) {
  EXPECT_EQ(DifferenceOf(GenerateDigits(50, 1), GenerateDigits(50, 1)), "");
  EXPECT_EQ(DifferenceOf(GenerateDigits(40, 1), GenerateDigits(50, 1)),
            "it has 40 observations, expected 50");
  EXPECT_NE(GenerateDigits(50, 1)->Fingerprint(), GenerateDigits(50, 2)->Fingerprint());
}

TEST(Identity, OfAPartDependsOnWhichPart) {
  const DataPtr digits = GenerateDigits(60, 1);
  EXPECT_EQ(DifferenceOf(SplitData(digits, 0.2, 1).second, SplitData(digits, 0.2, 1).second), "");
  EXPECT_NE(DifferenceOf(SplitData(digits, 0.2, 2).second, SplitData(digits, 0.2, 1).second), "");
  Pieces changed;
  changed.x[0] = 99;  // of the first, and the part is the second
  EXPECT_EQ(DifferenceOf(Subset(changed.Make(), {1}), Subset(Pieces().Make(), {1})),
            "its contents have changed (names or sizes of files, values of arrays)");
}

// A source of a user's own says nothing of itself: all its values count.
TEST(Identity, OfOtherSources) {
  class Own : public DataSource {
   public:
    explicit Own(float last) : last_(last) {}
    int64_t size() const override { return 3; }
    const Layout& layout() const override { return layout_; }
    const std::vector<std::string>& classes() const override { return classes_; }
    int64_t label(int64_t) const override { return 0; }
    void Read(int64_t index, std::span<float> out) const override {
      out[0] = static_cast<float>(index);
      out[1] = last_;
    }
    std::string Description() const override { return "own"; }

   private:
    float last_;
    Layout layout_ = Layout::Make("BC", std::vector<int64_t>{1, 2});
    std::vector<std::string> classes_{"one"};
  };
  EXPECT_EQ(Own(5).Fingerprint(), Own(5).Fingerprint());
  EXPECT_NE(Own(5).Fingerprint(), Own(6).Fingerprint());
  EXPECT_EQ(Own(5).Range(), (ValueRange{0, 5}));
  EXPECT_EQ(Own(5).ObservationName(2), "observation 2 of own");
}

class FolderIdentity : public ::testing::Test {
 protected:
  static Image Grey(uint8_t value, int64_t width = 2) {
    return {2, width, 1, std::vector<uint8_t>(static_cast<size_t>(2 * width), value)};
  }
  void Fill(const std::string& root) {
    for (const char* name : {"cat/1.png", "cat/2.png", "dog/1.png"}) {
      MakeFolder(folder_ / (root + "/" + std::string(name).substr(0, 3)));
      WriteImage(folder_ / (root + "/" + name), Grey(9));
    }
  }
  DataPtr Open(const std::string& root, int64_t max_kept_bytes = kMaxKeptBytes) {
    return OpenFolder(folder_ / root, {.height = 2, .width = 2, .channels = 1}, max_kept_bytes);
  }
  TestFolder folder_;
};

TEST_F(FolderIdentity, DoesNotDependOnWhereItLies) {
  Fill("a");
  Fill("b");
  EXPECT_EQ(DifferenceOf(Open("a"), Open("b")), "");
  EXPECT_EQ(DifferenceOf(Open("a/"), Open("a", 0)), "");  // kept in memory or not
}

TEST_F(FolderIdentity, NamesAndSizesOfFilesAndClasses) {
  Fill("a");
  const auto changed = [&](const std::function<void(const std::string&)>& change) {
    std::filesystem::remove_all(folder_ / "b");
    Fill("b");
    change(folder_ / "b");
    return DifferenceOf(Open("b"), Open("a"));
  };
  const char* contents = "its contents have changed (names or sizes of files, values of arrays)";
  EXPECT_EQ(changed([](const std::string& b) {
              std::filesystem::rename(b + "/cat/2.png", b + "/cat/3.png");
            }),
            contents);
  EXPECT_EQ(changed([](const std::string& b) { WriteImage(b + "/dog/1.png", Grey(9, 400)); }),
            contents);
  EXPECT_EQ(changed([](const std::string& b) { std::filesystem::rename(b + "/dog", b + "/wolf"); }),
            "its classes are 'cat, wolf', expected 'cat, dog'");
  EXPECT_EQ(changed([](const std::string& b) { std::filesystem::remove(b + "/cat/1.png"); }),
            "it has 2 observations, expected 3");
}

TEST_F(FolderIdentity, NamesItsObservations) {
  Fill("a");
  EXPECT_EQ(Subset(Open("a", 0), {1, 2})->ObservationName(1), folder_ / "a/dog/1.png");
}

TEST(Difference, ShowsWhereLongTextsDiffer) {
  Pieces a, b;
  a.classes.clear();
  for (int i = 0; i < 100; ++i) a.classes.push_back("class " + std::to_string(i));
  b.classes = a.classes;
  b.classes[90] = "wolf";
  const std::string text = DifferenceOf(b.Make(), a.Make());
  EXPECT_TRUE(text.starts_with("its classes are '...class 88, class 89, wolf, class 91")) << text;
  EXPECT_LT(text.size(), 300u);
}

TEST(Range, OfSources) {
  EXPECT_EQ(GenerateDigits(10, 1)->Range(), (ValueRange{0, 255}));
  Pieces pieces;
  EXPECT_EQ(pieces.Make()->Range(), (ValueRange{1, 12}));
  EXPECT_EQ(Subset(pieces.Make(), {0})->Range(), (ValueRange{1, 12}));
  pieces.x[0] = kNan, pieces.x[1] = -kInf, pieces.x[2] = kInf;
  EXPECT_EQ(pieces.Make()->Range(), (ValueRange{4, 12}));
  pieces.x.assign(12, kNan);
  EXPECT_EQ(pieces.Make()->Range(), (ValueRange{0, 0}));
}

TEST(Range, NamesGoBothWays) {
  for (const ValueRange range : {ValueRange{0, 255}, ValueRange{-1.5f, 1e-30f}, ValueRange{7, 7}})
    EXPECT_EQ(ParseValueRange(Name(range)), range) << Name(range);
  EXPECT_EQ(Name(ValueRange{-0.5f, 255}), "-0.5 to 255");
  for (const char* text : {"", "0", "0 to ", "0 to b", "2 to 1", "nan to 1", "0 to 1x"})
    EXPECT_ERROR(ParseValueRange(text), "range of values '" + std::string(text) +
                                            "', expected two numbers as in '0 to 255'");
}

TEST(Range, AnotherScaleIsOdd) {
  const ValueRange unit{0, 1}, both{-1, 1}, bytes{0, 255}, words{0, 65535};
  const struct {
    ValueRange given, trained;
    bool odd_images, odd_features;
  } cases[] = {
      {bytes, bytes, false, false},
      {unit, unit, false, false},
      {{3, 220}, bytes, false, false},
      {{0, 30}, bytes, false, false},       // dark
      {{12, 12}, bytes, false, false},      // one grey
      {{-3.1f, 5}, {-4, 4}, false, false},  // standardized
      {bytes, unit, true, true},
      {bytes, both, true, true},
      {words, bytes, true, true},
      {unit, bytes, true, false},  // one observation of features may be like that
      {both, bytes, true, false},
      {unit, words, true, false},
      {bytes, words, true, false},
      {{0, 5}, {1, 1}, false, false},  // trained on a constant
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(Name(one.given) + " for " + Name(one.trained));
    const std::string text = "its values lie in " + Name(one.given) +
                             ", the network was trained on " + Name(one.trained);
    EXPECT_EQ(RangeWarning(one.given, one.trained, true), one.odd_images ? text : "");
    EXPECT_EQ(RangeWarning(one.given, one.trained, false), one.odd_features ? text : "");
  }
}

TEST(ReadBatch, NamesValuesThatAreNotFinite) {
  std::vector<float> x(6);
  for (const float bad : {kNan, kInf, -kInf}) {
    Pieces pieces;
    pieces.x[10] = bad;
    const std::vector<int64_t> second{1}, first{0};
    ReadBatch(*pieces.Make(), first, x);
    const std::string message = fmt::format(
        "reading observation 1 of two: value [1,1,0] is {}, expected finite numbers", bad);
    EXPECT_ERROR(ReadBatch(*pieces.Make(), second, x), message);
    EXPECT_ERROR(ReadBatch(*Subset(pieces.Make(), {1}), first, x), message);
  }
}

}  // namespace
}  // namespace normkit
