#include "src/data/npz_sequences.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "src/core/memory_needs.h"
#include "src/data/npy_format.h"
#include "src/data/sequence_axes.h"
#include "src/data/sequence_data.h"

namespace normkit {
namespace {

// Where the rows of sequences are in x, once its axes are in the order B, T, C.
struct RowsInArray {
  bool packed = false;
  int64_t steps = 0;  // not packed: of each sequence with its padding
  int64_t width = 1;  // values of a row
  std::vector<int64_t> lengths;
  bool at_end = false;  // not packed: the padding is in front

  int64_t count() const { return std::ssize(lengths); }
  int64_t all() const { return std::reduce(lengths.begin(), lengths.end()); }

  // Calls take(place, rows) for each sequence: where its first row is among all those of the array.
  template <class Take>
  void ForEach(const Take& take) const {
    int64_t at = 0;
    for (const int64_t length : lengths) {
      take(packed || !at_end ? at : at + steps - length, length);
      at += packed ? length : steps;
    }
  }
};

class NpzSequences {
 public:
  NpzSequences(const NpzFile& file, const NpyInfo& x, const OpenOptions& options)
      : file_(file), x_(x), options_(options), where_(file.path + ": x") {}

  DataPtr Open() {
    if (x_.shape.empty()) Fail("{} is {}, expected an axis or more", where_, TypeAndShape(x_));
    if (std::ranges::find(x_.shape, 0) != x_.shape.end())
      Fail("{} is {}, expected sizes of at least 1", where_, TypeAndShape(x_));
    const std::vector<int64_t> given = GivenLengths();
    format_ = options_.format.empty() ? FormatOf(given) : CheckedFormat(options_.format);
    FindRows(given);
    SequenceData data;
    data.layout = LayoutOfRow();
    data.lengths = rows_.lengths;
    data.description =
        fmt::format("{} ({} sequence{})", file_.path, rows_.count(), rows_.count() == 1 ? "" : "s");
    CheckMemory();
    if (options_.answers && !options_.forecast) ReadAnswers(data);
    data.x = ReadX();
    if (std::string said = file_.NamesNote(); !said.empty()) data.notes.push_back(std::move(said));
    if (options_.format.empty() || format_ != "BTC")
      data.notes.push_back(fmt::format("read as {}", format_));
    return MakeSequences(std::move(data), options_);
  }

 private:
  // The array `name` of whole numbers, in a row.
  std::vector<int64_t> ReadNumbers(const std::string& name) const {
    const std::string where = file_.path + ": " + name;
    const NpyArray array = file_.npz.Read(file_.Find(name));
    if (!IsRowOfNumbers(array) || array.size() == 0)
      Fail("{} is {}, expected a row of whole numbers", where,
           TypeAndShape({array.descr, array.shape}));
    return NamingArray(where, [&] { return array.AsIntegers(); });
  }

  // What `lengths` or `offsets` say; empty where there are none.
  std::vector<int64_t> GivenLengths() {
    const bool offsets = file_.Has("offsets");
    if (offsets && file_.Has("lengths"))
      Fail("{}: has lengths and offsets, expected one of them", file_.path);
    if (offsets) return LengthsOfOffsets();
    if (!file_.Has("lengths")) return {};
    std::vector<int64_t> lengths = ReadNumbers("lengths");
    for (size_t i = 0; i < lengths.size(); ++i)
      if (lengths[i] < 1 || lengths[i] > *std::ranges::max_element(x_.shape))
        Fail("{}: lengths[{}] is {}, expected 1 to the steps of {}", file_.path, i, lengths[i],
             "x " + TypeAndShape(x_));
    return lengths;
  }

  std::vector<int64_t> LengthsOfOffsets() {
    packed_only_ = true;
    const std::vector<int64_t> offsets = ReadNumbers("offsets");
    if (offsets[0] != 0 || offsets.size() < 2)
      Fail("{}: offsets begins with {}, expected 0 and the end of each sequence", file_.path,
           offsets[0]);
    std::vector<int64_t> lengths;
    for (size_t i = 1; i < offsets.size(); ++i) {
      if (offsets[i] <= offsets[i - 1] || offsets[i] > x_.shape[0])
        Fail("{}: offsets[{}] is {}, expected more than {} and at most {} (rows of x)", file_.path,
             i, offsets[i], offsets[i - 1], x_.shape[0]);
      lengths.push_back(offsets[i] - offsets[i - 1]);
    }
    return lengths;
  }

  // There are lengths, and no --format.
  std::string FormatOf(const std::vector<int64_t>& lengths) const {
    if (x_.shape.size() == 1) return "T";
    if (x_.shape.size() > 3)
      Fail(
          "{} is {} with {}: --format says what its axes are, such as BTSSC or BTCSS (pictures "
          "over "
          "time, padded) and TSSC (packed; B observations, T time, S space, C channels)",
          where_, TypeAndShape(x_), packed_only_ ? "offsets" : "lengths");
    if (x_.shape.size() == 3 && !packed_only_) return "BTC";
    const bool packed = packed_only_ || Sum(lengths) == x_.shape[0];
    const bool padded = !packed_only_ && std::ssize(lengths) == x_.shape[0] &&
                        std::ranges::max(lengths) <= x_.shape[1];
    if (x_.shape.size() == 2 && packed != padded) return packed ? "TC" : "BT";
    // Of as many observations as lengths, or packed: FindRows says which length is wrong.
    if (x_.shape.size() == 2 && !packed)
      return !packed_only_ && std::ssize(lengths) == x_.shape[0] ? "BT" : "TC";
    Fail(
        "{} is {} with {} {}, which may be {}: --format says what its axes are (BTC padded, TC "
        "packed; BT and T of one channel)",
        where_, TypeAndShape(x_), lengths.size(), packed_only_ ? "offsets and one" : "lengths",
        packed && padded ? "rows of channels or sequences of one" : "neither padded nor packed");
  }

  std::string CheckedFormat(const std::string& format) const {
    if (!IsSequenceFormat(format, /*observations=*/true))
      Fail(
          "{}: format '{}' is given, expected T once, B and C at most once and S up to three "
          "times, "
          "as in BTC, or BTSSC (pictures over time)",
          where_, format);
    if (format.size() != x_.shape.size())
      Fail("{} is {}, format '{}' has {} letters, expected one an axis", where_, TypeAndShape(x_),
           format, format.size());
    return format;
  }

  static int64_t Sum(const std::vector<int64_t>& lengths) {
    return std::reduce(lengths.begin(), lengths.end());
  }
  int64_t SizeOf(char letter) const {
    const size_t axis = format_.find(letter);
    return axis == format_.npos ? 1 : x_.shape[axis];
  }

  Layout LayoutOfRow() const { return RowOfFormat(format_, x_.shape); }

  void FindRows(const std::vector<int64_t>& given) {
    rows_.packed = format_.find('B') == format_.npos;
    rows_.width = LayoutOfRow().size();
    rows_.at_end = options_.sequence_padding_direction == PaddingDirection::kLeft;
    rows_.lengths = given;
    const int64_t steps = SizeOf('T'), count = SizeOf('B');
    if (rows_.packed) {
      if (given.empty()) rows_.lengths = {steps};
      if (Sum(rows_.lengths) != steps)
        Fail("{}: lengths add up to {}, expected {} (rows of x {}, packed)", file_.path,
             Sum(rows_.lengths), steps, TypeAndShape(x_));
      return;
    }
    if (packed_only_)
      Fail("{}: has offsets beside x {}, expected packed rows (format TC), or lengths", file_.path,
           TypeAndShape(x_));
    rows_.steps = steps;
    if (given.empty()) rows_.lengths.assign(static_cast<size_t>(count), steps);
    if (rows_.count() != count)
      Fail("{}: has {} lengths, expected {} (observations of x {}, {})", file_.path, rows_.count(),
           count, TypeAndShape(x_), format_);
    for (size_t i = 0; i < rows_.lengths.size(); ++i)
      if (rows_.lengths[i] > steps)
        Fail("{}: lengths[{}] is {}, expected 1 to {} (steps of x {}, {})", file_.path, i,
             rows_.lengths[i], steps, TypeAndShape(x_), format_);
  }

  // Before anything is unpacked: the bytes of the file say little about it.
  void CheckMemory() const {
    double elements = 1;
    for (const int64_t size : x_.shape) elements *= static_cast<double>(size);
    MemoryNeeds needs;
    needs.Add("x as the file has it, and as f32", 12 * elements);
    needs.Check(fmt::format("reading '{}'", file_.path), "fewer sequences take less");
  }

  std::vector<float> ReadX() const {
    NpyArray x = file_.npz.Read(file_.Find("x"));
    const std::vector<size_t> order = SequenceOrder(format_);
    if (!std::ranges::is_sorted(order)) x = Transposed(x, order);
    const std::vector<float> all = x.AsFloats();
    x.data = {};
    if (rows_.packed) return all;
    std::vector<float> rows;
    rows.reserve(static_cast<size_t>(rows_.all() * rows_.width));
    rows_.ForEach([&](int64_t at, int64_t length) {
      const auto begin = all.begin() + at * rows_.width;
      rows.insert(rows.end(), begin, begin + length * rows_.width);
    });
    return rows;
  }

  // One for each sequence or one for each step: what the shape of y says.
  void ReadAnswers(SequenceData& data) const {
    const NpyArray y = file_.npz.Read(file_.Find("y"));
    data.answers_each_row = AnswersEachRow(y);
    NpzAnswers answers = AnswersOf(file_, data.answers_each_row ? RowsOf(y) : y,
                                   data.answers_each_row ? rows_.all() : rows_.count());
    data.labels = std::move(answers.labels.labels);
    data.classes = std::move(answers.labels.classes);
    data.notes = std::move(answers.labels.notes);
    data.targets = std::move(answers.targets);
    data.target_size = answers.target_size;
  }

  bool AnswersEachRow(const NpyArray& y) const {
    const std::string where = file_.path + ": y";
    const bool classes = y.IsIntegral() || IsTextArray(y, where);
    const std::vector<int64_t>& shape = y.shape;
    const int64_t count = rows_.count();
    const bool each = !shape.empty() && shape[0] == count;
    if (rows_.packed) {
      if (each) return false;
      if (!shape.empty() && shape[0] == rows_.all()) return true;
      FailAnswers(y, fmt::format("[{},...] (sequences) or [{},...] (steps)", count, rows_.all()));
    }
    if (each && y.size() == count) return false;
    const bool steps = each && shape.size() >= 2 && shape[1] == rows_.steps;
    if (classes && steps && y.size() == count * rows_.steps) return true;
    if (!classes && each && shape.size() == 2 && !steps) return false;
    if (!classes && each && shape.size() == 3) {
      if (steps) return true;
      if (shape[1] == 1) return false;
    }
    if (!classes && steps)
      Fail(
          "{} is {}, which may be a target a step or {} targets a sequence: [{},{},1] says the "
          "first, [{},1,{}] the second",
          where, TypeAndShape({y.descr, shape}), rows_.steps, count, rows_.steps, count,
          rows_.steps);
    FailAnswers(y, fmt::format("[{}] (sequences) or [{},{}] (steps{})", count, count, rows_.steps,
                               classes ? "" : "; targets: [N,K] or [N,T,K]"));
  }

  [[noreturn]] void FailAnswers(const NpyArray& y, const std::string& expected) const {
    Fail("{}: y is {}, expected {} as in x {}", file_.path, TypeAndShape({y.descr, y.shape}),
         expected, TypeAndShape(x_));
  }

  // The answers of the steps that are there, without those of the padding.
  NpyArray RowsOf(const NpyArray& y) const {
    if (rows_.packed) return y;
    const auto each = y.data.size() / static_cast<size_t>(rows_.count() * rows_.steps);
    NpyArray rows{y.descr, y.shape, {}};
    rows.shape.erase(rows.shape.begin());
    rows.shape[0] = rows_.all();
    rows_.ForEach([&](int64_t at, int64_t length) {
      const auto begin = y.data.begin() + at * static_cast<int64_t>(each);
      rows.data.insert(rows.data.end(), begin, begin + length * static_cast<int64_t>(each));
    });
    return rows;
  }

  const NpzFile& file_;
  const NpyInfo& x_;
  const OpenOptions& options_;
  std::string where_, format_;
  bool packed_only_ = false;  // there are offsets
  RowsInArray rows_;
};

}  // namespace

bool HoldsSequences(const NpzFile& file, const std::string& format) {
  if (!format.empty()) return format.find('T') != format.npos;
  return file.Has("lengths") || file.Has("offsets");
}

DataPtr OpenNpzSequences(const NpzFile& file, const NpyInfo& x, const OpenOptions& options) {
  return NpzSequences(file, x, options).Open();
}

}  // namespace normkit
