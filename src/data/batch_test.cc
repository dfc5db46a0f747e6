// Reading some observations of a source, sequences among them.
#include "normkit/data/batch.h"

#include <gtest/gtest.h>

#include <limits>

#include "normkit/data/identity.h"
#include "src/core/testing.h"

namespace normkit {
namespace {

using Indices = std::vector<int64_t>;
using Floats = std::vector<float>;

Layout Rows(int64_t channels) { return Layout::Make("TC", Indices{1, channels}); }

// Sequences of 2, 1 and 3 rows of 2 values: 1, 2, ..., 12.
Sequences Some(bool answers_each_row) {
  Sequences s{.layout = Rows(2),
              .lengths = {2, 1, 3},
              .answers_each_row = answers_each_row,
              .classes = {"a", "b"},
              .description = "some"};
  for (int i = 1; i <= 12; ++i) s.x.push_back(static_cast<float>(i));
  s.labels = answers_each_row ? Indices{0, 1, 0, 1, 1, 0} : Indices{0, 1, 1};
  return s;
}

Batch ReadOf(const DataSource& source, const Indices& indices, Floats& x) {
  Batch batch{.offsets = {7, 7}, .labels = {7, 8, 9}, .targets = {7}};  // of a mini-batch before
  Indices offsets;
  ReadOffsets(source, indices, offsets);
  x.resize(static_cast<size_t>(offsets.back() * source.layout().size()));
  ReadBatch(source, indices, x, batch);
  EXPECT_EQ(batch.offsets, offsets);
  EXPECT_EQ(batch.inputs.data(), x.data());
  return batch;
}

TEST(Batch, ObservationsHaveARowEach) {
  const Layout layout = Layout::Make("BC", Indices{1, 1});
  Floats x;
  const DataPtr classes = FromArrays(layout, {1, 2, 3}, {0, 1, 1}, {"a", "b"}, "classes");
  Batch batch = ReadOf(*classes, {2, 0}, x);
  EXPECT_EQ(x, (Floats{3, 1}));
  EXPECT_EQ(batch.offsets, (Indices{0, 1, 2}));
  EXPECT_EQ(batch.labels, (Indices{1, 0}));
  EXPECT_TRUE(batch.targets.empty());
  const DataPtr regression =
      FromArraysRegression(layout, {1, 2, 3}, {1, 10, 2, 20, 3, 30}, 2, "regression");
  batch = ReadOf(*regression, {2, 0}, x);
  EXPECT_EQ(batch.targets, (Floats{3, 30, 1, 10}));
  EXPECT_TRUE(batch.labels.empty());
  EXPECT_EQ(batch.answers(), 2);
}

TEST(Batch, SequencesArePacked) {
  for (const bool each_row : {false, true}) {
    Floats x;
    const Batch batch = ReadOf(*FromSequences(Some(each_row)), {2, 0}, x);
    EXPECT_EQ(x, (Floats{7, 8, 9, 10, 11, 12, 1, 2, 3, 4}));
    EXPECT_EQ(batch.offsets, (Indices{0, 3, 5}));
    EXPECT_EQ(batch.labels, each_row ? (Indices{1, 1, 0, 0, 1}) : (Indices{1, 0}));
    EXPECT_EQ(batch.observations(), 2);
    EXPECT_EQ(batch.rows(), 5);
    EXPECT_EQ(batch.answers(), each_row ? 5 : 2);
  }
}

TEST(Batch, TargetsOfRowsOrOfSequences) {
  Sequences s = Some(true);
  s.labels = {}, s.classes = {};
  s.target_size = 1;
  s.targets = {1, 2, 3, 4, 5, 6};
  Floats x;
  EXPECT_EQ(ReadOf(*FromSequences(s), {1, 2}, x).targets, (Floats{3, 4, 5, 6}));
  s.answers_each_row = false;
  s.target_size = 2;
  EXPECT_EQ(ReadOf(*FromSequences(s), {1, 2}, x).targets, (Floats{3, 4, 5, 6}));
}

TEST(Batch, SubsetsAndOtherClassesKeepLengths) {
  Floats x;
  const DataPtr some = FromSequences(Some(true));
  const DataPtr other = WithClasses(Subset(some, {2, 1}), {"b", "c", "a"});
  const Batch batch = ReadOf(*other, {0, 1}, x);
  EXPECT_EQ(batch.offsets, (Indices{0, 3, 4}));
  EXPECT_EQ(batch.labels, (Indices{0, 0, 2, 2}));
  const Split split = SplitData(some, 0.4, 1);
  EXPECT_EQ(split.first->size(), 2);
  EXPECT_EQ(split.second->size(), 1);
  const int64_t all = split.first->length(0) + split.first->length(1) + split.second->length(0);
  EXPECT_EQ(all, 6);
}

TEST(Batch, SequencesAreDescribed) {
  EXPECT_EQ(FromSequences(Some(true))->Summary(),
            "some: 2 classes (a 3, b 3) of rows, 2 features a row, 1 to 3 rows");
  EXPECT_EQ(FromSequences(Some(false))->Summary(),
            "some: 2 classes (a 1, b 2), 2 features a row, 1 to 3 rows");
  Sequences other = Some(true);
  other.lengths = {1, 2, 3};
  const DataIdentity a = Identify(*FromSequences(Some(true))), b = Identify(*FromSequences(other));
  EXPECT_NE(a, b);
  EXPECT_EQ(FromSequences(Some(true))->Range(), (ValueRange{1, 12}));
}

TEST(Batch, WhatContradictsItselfIsNamed) {
  struct Case {
    void (*change)(Sequences&);
    const char* message;
  };
  const Case cases[] = {
      {[](Sequences& s) { s.lengths[1] = 0; },
       "data 'some': sequence 1 has length 0, expected 1 or more"},
      {[](Sequences& s) { s.lengths[2] = -3; },
       "data 'some': sequence 2 has length -3, expected 1 or more"},
      {[](Sequences& s) { s.lengths[2] = 4; },
       "data 'some': 12 values are given, expected 14 (7 rows of 3 sequences, each TC [1,2])"},
      {[](Sequences& s) { s.x.push_back(0); },
       "data 'some': 13 values are given, expected 12 (6 rows of 3 sequences, each TC [1,2])"},
      {[](Sequences& s) { s.labels.pop_back(); },
       "data 'some': 5 labels are given, expected 6 (one a row)"},
      {[](Sequences& s) { s.answers_each_row = false; },
       "data 'some': 6 labels are given, expected 3 (one an observation)"},
      {[](Sequences& s) { s.labels[4] = 2; },
       "data 'some': label 2 of row 4 has no class, expected 0 to 1"},
      {[](Sequences& s) {
         s.target_size = 1, s.targets = {1, 2, 3};
       },
       "data 'some': 3 target values are given, expected 1 for each of 6 rows"},
      {[](Sequences& s) {
         s.layout = Layout::Make("BC", Indices{1, 2});
       },
       "data 'some': the layout of a row of a sequence is BC [1,2], expected T first"},
      {[](Sequences& s) {
         s.layout = Layout::Make("TC", Indices{2, 1});
       },
       "data 'some': the layout of a row of a sequence is TC [2,1], expected T = 1 and no empty "
       "dimension"},
  };
  for (const Case& test : cases) {
    Sequences s = Some(true);
    test.change(s);
    EXPECT_ERROR(FromSequences(s), test.message);
  }
}

// A source of a user's own that says what cannot be.
class Wrong : public DataSource {
 public:
  Wrong(Layout layout, int64_t length, int64_t label)
      : layout_(std::move(layout)), length_(length), label_(label) {}
  int64_t size() const override { return 3; }
  const Layout& layout() const override { return layout_; }
  int64_t length(int64_t index) const override { return index == 1 ? length_ : 1; }
  const std::vector<std::string>& classes() const override { return classes_; }
  int64_t label(int64_t) const override { return label_; }
  void Read(int64_t, std::span<float> out) const override { std::ranges::fill(out, 1.f); }
  std::string Description() const override { return "wrong"; }

 private:
  Layout layout_;
  int64_t length_, label_;
  std::vector<std::string> classes_{"a", "b"};
};

TEST(Batch, WhatASourceSaysIsChecked) {
  const Indices all{0, 1, 2};
  Floats x(9);
  Batch batch;
  const auto message = [&](const Layout& layout, int64_t length, int64_t label) {
    return ErrorOf([&] { ReadBatch(Wrong(layout, length, label), all, x, batch); });
  };
  EXPECT_EQ(message(Rows(3), 0, 0),
            "reading observation 1 of wrong: has 0 rows, expected 1 or more");
  EXPECT_EQ(message(Rows(3), -2, 0),
            "reading observation 1 of wrong: has -2 rows, expected 1 or more");
  EXPECT_EQ(
      message(Layout::Make("BC", Indices{1, 3}), 2, 0),
      "reading observation 1 of wrong: has 2 rows, expected one: observations are BC [1,3], no "
      "sequences (T first)");
  EXPECT_EQ(message(Rows(3), 2, 0),
            "reading 'wrong': the buffer has 9 values, expected 12 (4 rows of TC [1,3])");
  EXPECT_EQ(message(Rows(3), 1, 2),
            "reading observation 0 of wrong: its label is 2, expected 0 to 1");
  EXPECT_EQ(message(Rows(3), 1, 1), "no error");
  Sequences s = Some(true);
  s.x[9] = std::numeric_limits<float>::infinity();
  x.resize(8);
  EXPECT_ERROR(ReadBatch(*FromSequences(s), Indices{1, 2}, x),
               "reading observation 2 of some: value [1,1] is inf, expected finite numbers");
}

}  // namespace
}  // namespace normkit
