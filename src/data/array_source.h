// Observations that lie in memory.
#pragma once

#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "normkit/data/source.h"
#include "src/core/fail.h"
#include "src/core/hash.h"
#include "src/data/identity.h"
#include "src/data/summary.h"

namespace normkit {

// What both kinds of array source are made of; x is [count, ...] with elements of type T.
template <class T>
struct Arrays {
  Layout layout;  // of one observation
  std::vector<T> x;
  std::vector<int64_t> labels;       // classification: one an answer
  std::vector<std::string> classes;  // classification
  std::vector<float> targets;        // regression: [answers, target_size]
  int64_t target_size = 0;
  std::vector<std::string> position_classes = {};  // of targets that are class numbers
  std::string description;
  // Where x comes from something that is cheaper to tell apart; else of x.
  std::optional<uint64_t> fingerprint = {};
  std::vector<std::string> notes = {};  // what else the summary says
  // Where x comes later: what gives it, once, and how many observations it has.
  std::function<std::vector<T>()> decode = {};
  int64_t count = 0;
  // Of sequences, each one's rows; answers are of all rows or, as all else, of observations.
  std::vector<int64_t> lengths = {};
  bool answers_each_row = false;
  std::vector<std::string> names = {};  // of each in messages; none: by its number
  std::vector<int64_t> origins = {};    // DataSource::origin of each; none: its number
};

// T is float, or uint8_t for pictures (a quarter of the memory).
template <class T>
class ArraySource : public DataSource {
 public:
  // Throws Error where the sizes contradict each other or a label has no class.
  explicit ArraySource(Arrays<T> arrays) : arrays_(std::move(arrays)) { Check(); }

  int64_t size() const override { return count_; }
  const Layout& layout() const override { return arrays_.layout; }
  int64_t length(int64_t index) const override { return RowOf(index + 1) - RowOf(index); }
  const std::vector<std::string>& classes() const override { return arrays_.classes; }
  int64_t label(int64_t index) const override {
    return arrays_.labels.empty() ? 0 : arrays_.labels[static_cast<size_t>(index)];
  }
  void Read(int64_t index, std::span<float> out) const override {
    Load();
    const auto begin = arrays_.x.begin() + RowOf(index) * arrays_.layout.size();
    std::transform(begin, begin + static_cast<int64_t>(out.size()), out.begin(),
                   [](T value) { return static_cast<float>(value); });
  }
  int64_t target_size() const override { return arrays_.target_size; }
  void ReadTarget(int64_t index, std::span<float> out) const override {
    const int64_t width = arrays_.target_size;
    std::copy_n(arrays_.targets.begin() + AnswerOf(index) * width, Answers(index) * width,
                out.begin());
  }
  const std::vector<std::string>& position_classes() const override {
    return arrays_.position_classes;
  }
  bool answers_each_row() const override { return arrays_.answers_each_row; }
  void ReadLabels(int64_t index, std::span<int64_t> labels) const override {
    std::copy_n(arrays_.labels.begin() + AnswerOf(index), Answers(index), labels.begin());
  }
  int64_t origin(int64_t index) const override {
    return arrays_.origins.empty() ? index : arrays_.origins[static_cast<size_t>(index)];
  }
  std::string Description() const override { return arrays_.description; }
  std::string ObservationName(int64_t index) const override {
    return arrays_.names.empty() ? DataSource::ObservationName(index)
                                 : arrays_.names[static_cast<size_t>(index)];
  }
  uint64_t Fingerprint() const override {
    if (arrays_.fingerprint) return *arrays_.fingerprint;
    Load();
    Hash hash;
    hash.Add(std::span<const T>(arrays_.x));
    if (!arrays_.lengths.empty()) hash.Add(std::span<const int64_t>(arrays_.lengths));
    return hash.value();
  }
  ValueRange Range() const override {
    if constexpr (std::is_same_v<T, uint8_t>)
      return {0, 255};
    else
      return Load(), RangeOf(arrays_.x);
  }
  std::string Summary() const override { return Summarize(*this, arrays_.notes); }
  int64_t MemoryBytes() const override {
    return RowOf(count_) * arrays_.layout.size() * static_cast<int64_t>(sizeof(T)) +
           static_cast<int64_t>(arrays_.labels.size() * sizeof(int64_t) +
                                arrays_.targets.size() * sizeof(float));
  }
  void Load() const override {
    std::call_once(loaded_, [&] {
      if (!arrays_.decode) return;
      arrays_.x = arrays_.decode();
      arrays_.decode = {};
    });
  }

 private:
  void Check() {
    const Arrays<T>& a = arrays_;
    const int64_t each = a.layout.size(), have = static_cast<int64_t>(a.x.size());
    if (a.layout.packed()) return CheckSequences();
    if (each < 1 || a.layout.SizeOf(kB) != 1)
      Fail("data '{}': the layout of one observation is {}, expected B = 1 and no empty dimension",
           a.description, a.layout.ToString());
    if (a.decode) {
      count_ = a.count;
      return CheckAnswers();
    }
    if (have % each != 0)
      Fail("data '{}': {} values are given, expected a multiple of {} (one observation is {})",
           a.description, have, each, a.layout.ToString());
    count_ = have / each;
    CheckAnswers();
  }

  void CheckSequences() {
    const Arrays<T>& a = arrays_;
    if (a.layout.size() < 1 || a.layout.axes()[0].size != 1)
      Fail(
          "data '{}': the layout of a row of a sequence is {}, expected T = 1 and no empty "
          "dimension",
          a.description, a.layout.ToString());
    offsets_.push_back(0);
    for (const int64_t length : a.lengths) {
      if (length < 1)
        Fail("data '{}': sequence {} has length {}, expected 1 or more", a.description,
             offsets_.size() - 1, length);
      offsets_.push_back(offsets_.back() + length);
    }
    count_ = std::ssize(a.lengths);
    const auto have = static_cast<int64_t>(a.x.size());
    if (have % a.layout.size() != 0 || have / a.layout.size() != offsets_.back())
      Fail("data '{}': {} values are given, expected {} ({} rows of {} sequences, each {})",
           a.description, have, offsets_.back() * a.layout.size(), offsets_.back(), count_,
           a.layout.ToString());
    CheckAnswers();
  }

  void CheckAnswers() const {
    if (arrays_.target_size > 0)
      CheckTargets();
    else
      CheckLabels();
  }

  void CheckTargets() const {
    const auto have = static_cast<int64_t>(arrays_.targets.size());
    if (have % arrays_.target_size != 0 || have / arrays_.target_size != AnswerOf(count_))
      Fail("data '{}': {} target values are given, expected {} for each of {} {}",
           arrays_.description, have, arrays_.target_size, AnswerOf(count_), AnswersAre());
  }

  void CheckLabels() const {
    const Arrays<T>& a = arrays_;
    const auto classes = static_cast<int64_t>(a.classes.size());
    if (static_cast<int64_t>(a.labels.size()) != AnswerOf(count_))
      Fail("data '{}': {} labels are given, expected {} (one {})", a.description, a.labels.size(),
           AnswerOf(count_), a.answers_each_row ? "a row" : "an observation");
    for (size_t i = 0; i < a.labels.size(); ++i)
      if (a.labels[i] < 0 || a.labels[i] >= classes)
        Fail("data '{}': label {} of {} {} has no class, expected 0 to {}", a.description,
             a.labels[i], a.answers_each_row ? "row" : "observation", i, classes - 1);
  }

  // Where the rows, and the answers, of an observation begin among those of all.
  int64_t RowOf(int64_t index) const {
    return offsets_.empty() ? index : offsets_[static_cast<size_t>(index)];
  }
  int64_t AnswerOf(int64_t index) const { return answers_each_row() ? RowOf(index) : index; }
  const char* AnswersAre() const { return answers_each_row() ? "rows" : "observations"; }

  mutable Arrays<T> arrays_;
  mutable std::once_flag loaded_;
  int64_t count_ = 0;
  std::vector<int64_t> offsets_;  // of sequences
};

}  // namespace normkit
