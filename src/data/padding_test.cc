#include "normkit/data/padding.h"

#include <gtest/gtest.h>

#include <limits>

#include "src/core/testing.h"

namespace normkit {
namespace {

using Values = std::vector<float>;
using Numbers = std::vector<int64_t>;

// Three sequences of two channels: of 3 steps, 1 and 2.
const Values kRows = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
const Numbers kOffsets = {0, 3, 4, 6};

TEST(PaddingTest, ToTheLongestOnEitherSide) {
  PaddedSequences padded = PadSequences(kRows, kOffsets, 2);
  EXPECT_EQ(padded.steps, 3);
  EXPECT_EQ(padded.lengths, (Numbers{3, 1, 2}));
  EXPECT_EQ(padded.sequences, (Numbers{0, 1, 2}));
  EXPECT_EQ(padded.values, (Values{1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 9, 10, 11, 12, 0, 0}));
  padded = PadSequences(kRows, kOffsets, 2, {.direction = PaddingDirection::kLeft, .value = -1});
  EXPECT_EQ(padded.values, (Values{1, 2, 3, 4, 5, 6, -1, -1, -1, -1, 7, 8, -1, -1, 9, 10, 11, 12}));
}

TEST(PaddingTest, ToTheShortestAndToPieces) {
  PaddedSequences padded =
      PadSequences(kRows, kOffsets, 2, {.sequence_length = OpenOptions::kShortest});
  EXPECT_EQ(padded.values, (Values{1, 2, 7, 8, 9, 10}));
  EXPECT_EQ(padded.lengths, (Numbers{1, 1, 1}));
  padded = PadSequences(
      kRows, kOffsets, 2,
      {.sequence_length = OpenOptions::kShortest, .direction = PaddingDirection::kLeft});
  EXPECT_EQ(padded.values, (Values{5, 6, 7, 8, 11, 12}));
  padded = PadSequences(kRows, kOffsets, 2, {.sequence_length = 2, .value = 9});
  EXPECT_EQ(padded.values, (Values{1, 2, 3, 4, 5, 6, 9, 9, 7, 8, 9, 9, 9, 10, 11, 12}));
  EXPECT_EQ(padded.lengths, (Numbers{2, 1, 1, 2}));
  EXPECT_EQ(padded.sequences, (Numbers{0, 0, 1, 2}));
  padded = PadSequences(kRows, kOffsets, 2,
                        {.sequence_length = 2, .direction = PaddingDirection::kLeft});
  EXPECT_EQ(padded.values, (Values{0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12}));
  padded = PadSequences(kRows, kOffsets, 2, {.sequence_length = 5});  // all are shorter
  EXPECT_EQ(padded.steps, 5);
  EXPECT_EQ(padded.lengths, (Numbers{3, 1, 2}));
}

TEST(PaddingTest, NothingIsNothing) {
  const PaddedSequences padded = PadSequences({}, Numbers{0}, 2);
  EXPECT_EQ(padded.steps, 0);
  EXPECT_TRUE(padded.values.empty() && padded.lengths.empty());
}

TEST(PaddingTest, WhatIsWrongIsNamed) {
  const auto pad = [](Numbers offsets, int64_t width, SequencePadding padding = {}) {
    return PadSequences(kRows, offsets, width, padding);
  };
  EXPECT_ERROR(pad({}, 2),
               "padding sequences: offsets begin with nothing, expected 0 and the end of each "
               "sequence");
  EXPECT_ERROR(pad({1, 6}, 2),
               "padding sequences: offsets begin with 1, expected 0 and the end of each sequence");
  EXPECT_ERROR(pad({0, 3, 3, 6}, 2), "padding sequences: offsets[2] is 3, expected more than 3");
  EXPECT_ERROR(pad({0, 5}, 2), "padding sequences: 12 values given, expected 5 rows of 2");
  EXPECT_ERROR(pad({0, 6}, 0), "padding sequences: rows of 0 values given, expected 1 or more");
  EXPECT_ERROR(pad({0, 6}, 2, {.sequence_length = -2}),
               "padding sequences: sequence_length is -2, expected 1 or more, kLongest or "
               "kShortest");
  EXPECT_THROW(pad({0, 6}, 2, {.sequence_length = int64_t{1} << 50}), Error);  // no such memory
}

}  // namespace
}  // namespace normkit
