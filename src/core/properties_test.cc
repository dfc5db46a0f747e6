#include "src/core/properties.h"

#include <gtest/gtest.h>

#include <limits>

#include "src/core/json_properties.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

enum class Color { kRed, kDarkBlue };

struct Options {
  double rate = 0.5;
  int64_t count = 0;
  int few = 1;
  bool flag = false;
  Color color = Color::kRed;
  std::optional<int64_t> channels;
  std::array<int64_t, 2> window{3, 3};
  std::array<int64_t, 3> size{1, 2, 3};
  std::vector<float> values;
};

}  // namespace

template <>
struct EnumNames<Color> {
  static constexpr std::string_view kWhat = "color";
  static constexpr std::string_view kNames[] = {"red", "dark-blue"};
};

namespace {

using nlohmann::json;

const PropertyTable& Table() {
  using O = Options;
  static const std::vector<Property> rows{
      Row<&O::rate>("rate", "how fast", {.range = {.low = 0, .high = 1, .open_low = true}}),
      Row<&O::count>("num_items", "how many",
                     {.range = {.low = 1, .high = 9}, .required = true, .toolbox = "items"}),
      Row<&O::few>("few", "an int", {.range = {.low = 0, .high = 9}, .structural = true}),
      Row<&O::flag>("flag", "yes or no"),
      Row<&O::color>("color", "which one"),
      Row<&O::channels>("channels", "", {.range = {.low = 1, .high = 9}}),
      Row<&O::window>("window", "", {.range = {.low = 1, .high = 9}}),
      Row<&O::size>("size", "", {.range = {.low = 1, .high = 9}}),
      Row<&O::values>("values", "", {.range = {.low = 0}, .of = 2}),
  };
  static const PropertyTable table = TableOf<Options>(rows);
  return table;
}

Options Read(const std::string& text, unsigned of = ~0u) {
  const json object = json::parse(text);
  Options options;
  JsonProperties properties(object, "here");
  properties.ReadAll(Table(), of, &options);
  properties.CheckAllKnown();
  return options;
}

TEST(PropertiesTest, ReadsEveryKind) {
  const Options o = Read(R"({"rate": 0.25, "num_items": 3, "few": 2, "flag": true,
                             "color": "dark-blue", "channels": 4, "window": [1, 2],
                             "size": [4, 5, 6], "values": [1, 2.5]})");
  EXPECT_EQ(o.rate, 0.25);
  EXPECT_EQ(o.count, 3);
  EXPECT_EQ(o.few, 2);
  EXPECT_TRUE(o.flag);
  EXPECT_EQ(o.color, Color::kDarkBlue);
  EXPECT_EQ(o.channels, 4);
  EXPECT_EQ(o.window, (std::array<int64_t, 2>{1, 2}));
  EXPECT_EQ(o.size, (std::array<int64_t, 3>{4, 5, 6}));
  EXPECT_EQ(o.values, (std::vector<float>{1, 2.5}));
}

TEST(PropertiesTest, ReadsOtherSpellings) {
  const Options o =
      Read(R"({"Rate": 1, "Items": 3, "COLOR": "DarkBlue", "Channels": "auto", "window": 7})");
  EXPECT_EQ(o.rate, 1);
  EXPECT_EQ(o.count, 3);
  EXPECT_EQ(o.color, Color::kDarkBlue);
  EXPECT_EQ(o.channels, std::nullopt);
  EXPECT_EQ(o.window, (std::array<int64_t, 2>{7, 7}));
  EXPECT_EQ(Read(R"({"NumItems": 2})").count, 2);
}

TEST(PropertiesTest, ErrorsOfReading) {
  const struct {
    const char* text;
    const char* error;
  } rows[] = {
      {R"({})", "property 'num_items' is missing"},
      {R"({"numitem": 1})", "property 'numitem' is unknown, did you mean 'num_items'?"},
      {R"({"num_items": 1, "NumItems": 2})", "property 'num_items' stands twice, in two spellings"},
      {R"({"num_items": 1.5})", "property 'num_items' is 1.5, expected an integer"},
      {R"({"num_items": 1, "few": 4294967296})",
       "property 'few' is 4294967296, expected an integer"},
      {R"({"rate": "1"})", "property 'rate' is \"1\", expected a number"},
      {R"({"num_items": 1, "flag": 1})", "property 'flag' is 1, expected true or false"},
      {R"({"num_items": 1, "color": "bleu"})",
       "property 'color' is \"bleu\", expected red, dark-blue"},
      {R"({"num_items": 1, "color": "rde"})",
       "property 'color' is \"rde\", expected red, dark-blue, did you mean 'red'?"},
      {R"({"num_items": 1, "channels": "all"})",
       "property 'channels' is \"all\", expected an integer or \"auto\""},
      {R"({"num_items": 1, "window": [1]})",
       "property 'window' is [1], expected a number or [height, width]"},
      {R"({"num_items": 1, "size": 4})",
       "property 'size' is 4, expected [height, width, channels]"},
      {R"({"num_items": 1, "values": [1e39]})",
       "property 'values' is 1e+39, expected a list of numbers up to 3.4e38 (32-bit floats)"},
  };
  for (const auto& [text, error] : rows)
    EXPECT_EQ(ErrorOf([&] { Read(text); }), std::string("here: ") + error) << text;
  EXPECT_EQ(ErrorOf([&] { Read(R"({"num_items": 1, "values": [1]})", 1); }),
            "here: property 'values' is unknown, expected channels, color, few, flag, num_items, "
            "rate, size, window");
}

TEST(PropertiesTest, ChecksRanges) {
  const auto wrong = [](Options o, unsigned of = ~0u) { return FindWrong(Table(), &o, of); };
  EXPECT_EQ(wrong({.count = 1}), "");
  EXPECT_EQ(wrong({.rate = 0, .count = 1}),
            "rate is 0, expected a number from 0 to 1 (more than 0)");
  EXPECT_EQ(wrong({}), "num_items is 0, expected a whole number from 1 to 9");
  EXPECT_EQ(wrong({.count = 1, .few = 10}), "few is 10, expected a whole number from 0 to 9");
  EXPECT_EQ(wrong({.count = 1, .channels = 0}),
            "channels is 0, expected a whole number from 1 to 9");
  EXPECT_EQ(wrong({.count = 1, .window = {1, 0}}),
            "window is 0, expected a whole number from 1 to 9");
  EXPECT_EQ(wrong({.count = 1, .size = {1, 0, 1}}),
            "size width is 0, expected a whole number from 1 to 9");
  const Options inf{.count = 1, .values = {1, std::numeric_limits<float>::infinity()}};
  EXPECT_EQ(wrong(inf), "values[1] is inf, expected a finite number, 0 or more");
  EXPECT_EQ(wrong(inf, 1), "");  // of another kind
}

TEST(PropertiesTest, WritesWhatDiffersAndReadsItBack) {
  Options options{.count = 3, .few = 7, .color = Color::kDarkBlue, .window = {1, 1}};
  const Options plain{.count = 3};
  const json differences = WriteDifferences(Table(), &options, &plain);
  EXPECT_EQ(differences.dump(), R"({"color":"dark-blue","window":1})");  // few is structural
  Options read = plain;
  JsonProperties(differences, "").ReadDifferences(Table(), ~0u, &read);
  EXPECT_EQ(read.color, Color::kDarkBlue);
  EXPECT_EQ(read.window, options.window);
  EXPECT_EQ(read.few, 1);
}

TEST(PropertiesTest, DocumentsARow) {
  EXPECT_EQ(DocumentRow(Table().rows[0], Table()),
            "| `rate` | 0.5 | a number from 0 to 1 (more than 0) | how fast |\n");
  EXPECT_EQ(DocumentRow(Table().rows[1], Table()),
            "| `num_items` |  | a whole number from 1 to 9 | how many |\n");
  EXPECT_EQ(DocumentRow(Table().rows[4], Table()),
            "| `color` | red | red, dark-blue | which one |\n");
}

TEST(NamesTest, ParsesAnySpelling) {
  EXPECT_EQ(ParseNamed<Color>("dark-blue"), Color::kDarkBlue);
  EXPECT_EQ(ParseNamed<Color>("DarkBlue"), Color::kDarkBlue);
  EXPECT_EQ(NameOf(Color::kDarkBlue), "dark-blue");
  EXPECT_EQ(ErrorOf([] { ParseNamed<Color>("rad"); }),
            "color 'rad' is unknown, expected red, dark-blue, did you mean 'red'?");
}

}  // namespace
}  // namespace normkit
