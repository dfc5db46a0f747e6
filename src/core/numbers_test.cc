#include "src/core/numbers.h"

#include "src/core/testing.h"

namespace normkit {
namespace {

const std::string kHuge(400, '9');

// What is no number to anybody.
const std::string kNone[] = {"",
                             " ",
                             "-",
                             "+1",
                             "1 ",
                             " 1",
                             "1,5",
                             "0x10",
                             "010",
                             "-010",
                             "00",
                             "nan",
                             "-nan",
                             "inf",
                             "Inf",
                             "infinity",
                             "1e",
                             "--1",
                             "one",
                             "1_000",
                             "1\n",
                             ".",
                             "1.2.3",
                             kHuge,
                             "1e999",
                             "\xff",
                             "01.5",
                             "1f",
                             std::string("1\0", 2)};

TEST(ParseNumber, RefusesWhatIsNoNumber) {
  for (const std::string& text : kNone) {
    EXPECT_FALSE(ParseNumber<int>(text)) << text;
    EXPECT_FALSE(ParseNumber<int64_t>(text)) << text;
    EXPECT_FALSE(ParseNumber<uint64_t>(text)) << text;
    EXPECT_FALSE(ParseNumber<double>(text)) << text;
  }
  for (const char* text : {"1.5", "1e3", ".5", "1."})
    EXPECT_FALSE(ParseNumber<int64_t>(text)) << text;
}

TEST(ParseNumber, WholeNumbersToTheirEnds) {
  EXPECT_EQ(ParseNumber<int>("-2147483648"), -2147483648);
  EXPECT_FALSE(ParseNumber<int>("2147483648"));
  EXPECT_EQ(ParseNumber<int64_t>("9223372036854775807"), INT64_MAX);
  EXPECT_FALSE(ParseNumber<int64_t>("9223372036854775808"));
  EXPECT_EQ(ParseNumber<uint64_t>("18446744073709551615"), UINT64_MAX);
  EXPECT_FALSE(ParseNumber<uint64_t>("18446744073709551616"));
  EXPECT_FALSE(ParseNumber<uint64_t>("-1"));
  EXPECT_EQ(ParseNumber<uint64_t>("0"), 0u);
}

TEST(ParseNumber, FractionsAndExponents) {
  EXPECT_EQ(ParseNumber<double>("0.5"), 0.5);
  EXPECT_EQ(ParseNumber<double>(".5"), 0.5);
  EXPECT_EQ(ParseNumber<double>("-1e-05"), -1e-5);
  EXPECT_EQ(ParseNumber<double>("2"), 2);
  EXPECT_EQ(ParseNumber<double>("5e-324"), 5e-324);
}

TEST(NumberRange, SaysWhatIsExpected) {
  EXPECT_EQ((NumberRange<int>{1, 1024}.ToString()), "a whole number from 1 to 1024");
  EXPECT_EQ(NumberRange<uint64_t>{}.ToString(), "a whole number from 0 to 18446744073709551615");
  EXPECT_EQ(NumberRange<double>{}.ToString(), "a number");
  EXPECT_EQ(NumberRange<double>{.low = 0}.ToString(), "a number, 0 or more");
  EXPECT_EQ((NumberRange<double>{.low = 0, .open_low = true}.ToString()), "a number above 0");
  EXPECT_EQ((NumberRange<double>{0, 1}.ToString()), "a number from 0 to 1");
  EXPECT_EQ((NumberRange<double>{.low = 0, .high = 1, .open_high = true}.ToString()),
            "a number from 0 to 1 (less than 1)");
}

TEST(NumberRange, BoundsAreCheckedAndOpenOnesLeftOut) {
  EXPECT_ERROR(ParseNumber("0", NumberRange<int64_t>{1, 9}),
               "'0' given, expected a whole number from 1 to 9");
  EXPECT_EQ(ParseNumber("9", NumberRange<int64_t>{1, 9}), 9);
  const NumberRange<double> part{.low = 0, .high = 1, .open_low = true, .open_high = true};
  EXPECT_FALSE(part.Contains(0));
  EXPECT_FALSE(part.Contains(1));
  EXPECT_FALSE(part.Contains(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_TRUE(part.Contains(0.5));
  EXPECT_ERROR(
      ParseNumber(kHuge, NumberRange<double>{.low = 0}),
      "'9999999999999999999999999999999999999999...' (400 bytes) given, expected a number, "
      "0 or more");
}

TEST(ParseDecimal, AsTablesWriteThem) {
  for (const char* text : {"7.5", " 7.5\t", "+7.5", "007.5", "75e-1", "+0.75E1"})
    EXPECT_EQ(ParseDecimal(text), 7.5) << text;
  EXPECT_EQ(ParseDecimal("-.5"), -0.5);
  EXPECT_EQ(ParseDecimal("5."), 5);
  for (const char* text : {"", " ", "+", "-", ".", "+-1", "--1", "nan", "inf", "-inf", "1,5",
                           "0x10", "1 2", "1e999", "one", "1e", "\xff", "?"})
    EXPECT_FALSE(ParseDecimal(text)) << text;
}

}  // namespace
}  // namespace normkit
