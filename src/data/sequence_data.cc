#include "src/data/sequence_data.h"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <utility>

#include "src/core/fail.h"
#include "src/core/finite.h"
#include "src/data/array_source.h"
#include "src/data/pieces.h"
#include "src/data/place.h"

namespace normkit {
namespace {

// Where each sequence begins among the rows of all.
std::vector<int64_t> Begins(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> begins(lengths.size());
  std::exclusive_scan(lengths.begin(), lengths.end(), begins.begin(), int64_t{0});
  return begins;
}

// Rows [begin, begin + count) of `width` values each, appended to `out`.
template <class T>
void AppendRows(const std::vector<T>& values, int64_t begin, int64_t count, int64_t width,
                std::vector<T>& out) {
  const auto first = values.begin() + begin * width;
  out.insert(out.end(), first, first + count * width);
}

// The pieces in place of the sequences, with what belongs to them.
void TakePieces(SequenceData& data, const std::vector<Piece>& pieces) {
  const std::vector<int64_t> begins = Begins(data.lengths);
  const SequenceData whole = std::move(data);
  data = {};
  data.layout = whole.layout;
  data.answers_each_row = whole.answers_each_row;
  data.classes = whole.classes;
  data.target_size = whole.target_size;
  data.description = whole.description;
  data.notes = whole.notes;
  for (const auto& [sequence, begin, length] : pieces) {
    const auto number = static_cast<int64_t>(sequence);
    const int64_t row = begins[sequence] + begin;
    const int64_t answer = whole.answers_each_row ? row : number,
                  answers = whole.answers_each_row ? length : 1;
    AppendRows(whole.x, row, length, whole.layout.size(), data.x);
    if (!whole.labels.empty()) AppendRows(whole.labels, answer, answers, 1, data.labels);
    AppendRows(whole.targets, answer, answers, whole.target_size, data.targets);
    data.lengths.push_back(length);
    data.origins.push_back(number);
    if (!whole.names.empty()) data.names.push_back(whole.names[sequence]);
  }
}

std::string NameOf(const SequenceData& data, size_t i) {
  return data.names.empty() ? fmt::format("sequence {} of {}", i, data.description) : data.names[i];
}

// All are in memory: what a training would come upon in some mini-batch is said before it.
void CheckFinite(const SequenceData& data) {
  const size_t bad = FirstNonFinite(data.x);
  if (bad == data.x.size()) return;
  size_t i = 0, begin = 0;
  for (;; ++i) {
    const auto size = static_cast<size_t>(data.lengths[i] * data.layout.size());
    if (bad < begin + size) break;
    begin += size;
  }
  Fail("{}: value {} is {}, expected finite numbers", NameOf(data, i),
       PlaceOf(data.layout, bad - begin), data.x[bad]);
}

// The target of each row is the next one; the last has none and goes.
void Forecast(SequenceData& data) {
  if (!data.classes.empty()) data.notes.push_back("classes are left out: each step's next is told");
  if (data.target_size > 0) data.notes.push_back("targets are left out: each step's next is told");
  const int64_t channels = data.layout.size();
  std::vector<Piece> pieces;
  std::vector<float> targets;
  int64_t row = 0;
  for (size_t i = 0; i < data.lengths.size(); ++i) {
    const int64_t length = data.lengths[i];
    if (length < 2)
      Fail("data '{}': {} has one step, expected two or more to forecast", data.description,
           NameOf(data, i));
    pieces.push_back({i, 0, length - 1});
    AppendRows(data.x, row + 1, length - 1, channels, targets);
    row += length;
  }
  data.labels.clear(), data.classes.clear(), data.targets.clear();
  data.target_size = 0;
  data.answers_each_row = false;
  TakePieces(data, pieces);
  data.targets = std::move(targets);
  data.target_size = channels;
  data.answers_each_row = true;
}

void CutToShortest(SequenceData& data, PaddingDirection direction) {
  const auto [least, most] = std::ranges::minmax_element(data.lengths);
  if (*least == *most) return;
  const std::vector<Piece> pieces = PiecesOf(data.lengths, OpenOptions::kShortest, direction);
  const int64_t length = *least, all = std::reduce(data.lengths.begin(), data.lengths.end());
  const int64_t kept = length * std::ssize(pieces);
  data.notes.push_back(fmt::format("cut to the {} step{} of the shortest, {} of {} left out at {}",
                                   length, length == 1 ? "" : "s", all - kept, all,
                                   direction == PaddingDirection::kRight ? "ends" : "beginnings"));
  TakePieces(data, pieces);
}

void CutToPieces(SequenceData& data, int64_t length, PaddingDirection direction) {
  if (std::ranges::max(data.lengths) <= length) return;
  const std::vector<Piece> pieces = PiecesOf(data.lengths, length, direction);
  data.notes.push_back(fmt::format("{} sequence{} in {} pieces of up to {} step{}",
                                   data.lengths.size(), data.lengths.size() == 1 ? "" : "s",
                                   pieces.size(), length, length == 1 ? "" : "s"));
  TakePieces(data, pieces);
}

}  // namespace

Layout RowLayout(int64_t channels) {
  return Layout::Make("TC", std::array<int64_t, 2>{1, channels});
}

DataPtr MakeSequences(SequenceData data, const OpenOptions& options) {
  if (data.lengths.empty()) Fail("data '{}': has no sequences, expected some", data.description);
  CheckFinite(data);
  if (options.forecast) Forecast(data);
  if (!options.answers && !data.has_answers()) {
    data.classes = {""};
    data.labels.assign(data.lengths.size(), 0);
  }
  if (!data.has_answers())
    Fail(
        "data '{}': has neither classes nor targets, expected one of them; --forecast takes the "
        "next step for the target of each",
        data.description);
  if (options.sequence_length == OpenOptions::kShortest)
    CutToShortest(data, options.sequence_padding_direction);
  else if (options.sequence_length > 0)
    CutToPieces(data, options.sequence_length, options.sequence_padding_direction);
  return std::make_shared<ArraySource<float>>(Arrays<float>{
      .layout = std::move(data.layout),
      .x = std::move(data.x),
      .labels = std::move(data.labels),
      .classes = std::move(data.classes),
      .targets = std::move(data.targets),
      .target_size = data.target_size,
      .description = std::move(data.description),
      .notes = std::move(data.notes),
      .lengths = std::move(data.lengths),
      .answers_each_row = data.answers_each_row,
      .names = std::move(data.names),
      .origins = std::move(data.origins),
  });
}

}  // namespace normkit
