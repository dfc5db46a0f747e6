#include "normkit/data/source.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <span>
#include <utility>

#include "normkit/core/random.h"
#include "src/core/fail.h"
#include "src/core/hash.h"
#include "src/data/array_source.h"
#include "src/data/identity.h"
#include "src/data/summary.h"

namespace normkit {
namespace {

// Observations of another source, picked by index.
class SubsetSource : public DataSource {
 public:
  SubsetSource(DataPtr source, std::vector<int64_t> indices)
      : source_(std::move(source)), indices_(std::move(indices)) {
    for (int64_t index : indices_)
      if (index < 0 || index >= source_->size())
        Fail("subset of '{}': index {} is out of range, expected 0 to {}", source_->Description(),
             index, source_->size() - 1);
  }

  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  const Layout& layout() const override { return source_->layout(); }
  int64_t length(int64_t index) const override { return source_->length(At(index)); }
  const std::vector<std::string>& classes() const override { return source_->classes(); }
  int64_t label(int64_t index) const override { return source_->label(At(index)); }
  void Read(int64_t index, std::span<float> out) const override { source_->Read(At(index), out); }
  int64_t target_size() const override { return source_->target_size(); }
  void ReadTarget(int64_t index, std::span<float> out) const override {
    source_->ReadTarget(At(index), out);
  }
  const std::vector<std::string>& position_classes() const override {
    return source_->position_classes();
  }
  int64_t origin(int64_t index) const override { return source_->origin(At(index)); }
  bool answers_each_row() const override { return source_->answers_each_row(); }
  void ReadLabels(int64_t index, std::span<int64_t> labels) const override {
    source_->ReadLabels(At(index), labels);
  }
  std::string Description() const override {
    return fmt::format("{} of {}", size(), source_->Description());
  }
  std::string Summary() const override {
    return fmt::format("{} of {}", size(), source_->Summary());
  }
  std::string ObservationName(int64_t index) const override {
    return source_->ObservationName(At(index));
  }
  uint64_t Fingerprint() const override {
    Hash hash;
    hash.Add(source_->Fingerprint());
    hash.Add(std::span<const int64_t>(indices_));
    return hash.value();
  }
  // Of the source: what is held out lies in the same range as what is not.
  ValueRange Range() const override { return source_->Range(); }
  int64_t MemoryBytes() const override { return source_->MemoryBytes(); }
  void Load() const override { source_->Load(); }

 private:
  int64_t At(int64_t index) const { return indices_[static_cast<size_t>(index)]; }

  DataPtr source_;
  std::vector<int64_t> indices_;
};

// The same observations with other names, or another order, of the classes.
class RelabelledSource : public DataSource {
 public:
  RelabelledSource(DataPtr source, std::vector<std::string> classes, std::vector<int64_t> labels)
      : source_(std::move(source)), classes_(std::move(classes)), labels_(std::move(labels)) {}
  int64_t size() const override { return source_->size(); }
  const Layout& layout() const override { return source_->layout(); }
  int64_t length(int64_t index) const override { return source_->length(index); }
  const std::vector<std::string>& classes() const override { return classes_; }
  int64_t label(int64_t index) const override {
    return labels_[static_cast<size_t>(source_->label(index))];
  }
  int64_t origin(int64_t index) const override { return source_->origin(index); }
  bool answers_each_row() const override { return source_->answers_each_row(); }
  void ReadLabels(int64_t index, std::span<int64_t> labels) const override {
    source_->ReadLabels(index, labels);
    for (int64_t& label : labels) label = labels_[static_cast<size_t>(label)];
  }
  void Read(int64_t index, std::span<float> out) const override { source_->Read(index, out); }
  std::string Description() const override { return source_->Description(); }
  std::string ObservationName(int64_t index) const override {
    return source_->ObservationName(index);
  }
  uint64_t Fingerprint() const override { return source_->Fingerprint(); }
  ValueRange Range() const override { return source_->Range(); }
  std::string Summary() const override { return source_->Summary(); }
  int64_t MemoryBytes() const override { return source_->MemoryBytes(); }
  void Load() const override { source_->Load(); }

 private:
  DataPtr source_;
  std::vector<std::string> classes_;
  std::vector<int64_t> labels_;  // the new number of each of the source's classes
};

// What is split: observations, or where several are parts of one (DataSource::origin), those.
// Parts of one only are what there is to split.
class Units {
 public:
  explicit Units(const DataSource& source) {
    std::map<int64_t, size_t> unit_of;
    for (int64_t i = 0; i < source.size(); ++i) {
      const auto [at, added] = unit_of.emplace(source.origin(i), members_.size());
      if (added) members_.emplace_back();
      members_[at->second].push_back(i);
    }
    if (members_.size() != 1) return;
    members_.clear();
    for (int64_t i = 0; i < source.size(); ++i) members_.push_back({i});
  }

  // By class; regression, and what has a class for each row, is one class.
  std::vector<std::vector<int64_t>> ByClass(const DataSource& source) const {
    const bool one = source.classes().empty() || source.answers_each_row();
    std::vector<std::vector<int64_t>> groups(one ? 1 : source.classes().size());
    for (size_t unit = 0; unit < members_.size(); ++unit)
      groups[one ? 0 : static_cast<size_t>(source.label(members_[unit].front()))].push_back(
          static_cast<int64_t>(unit));
    return groups;
  }

  void AppendTo(std::vector<int64_t>& observations, std::span<const int64_t> units) const {
    for (const int64_t unit : units) {
      const std::vector<int64_t>& members = members_[static_cast<size_t>(unit)];
      observations.insert(observations.end(), members.begin(), members.end());
    }
  }

 private:
  std::vector<std::vector<int64_t>> members_;
};

// How many of each group go to the second part: fraction x size rounded down, at least one of two,
// and the rest of round(fraction x all) by the largest remainders.
std::vector<int64_t> SecondCounts(const std::vector<std::vector<int64_t>>& groups,
                                  double fraction) {
  std::vector<int64_t> counts;
  std::vector<double> remainders;
  int64_t total = 0;
  for (const auto& group : groups) {
    const auto size = static_cast<int64_t>(group.size());
    const double share = fraction * static_cast<double>(size);
    int64_t count = static_cast<int64_t>(share);
    if (count == 0 && size >= 2 && fraction > 0) count = 1;
    counts.push_back(count);
    remainders.push_back(share - static_cast<double>(count));
    total += size;
  }
  int64_t missing = std::llround(fraction * static_cast<double>(total)) -
                    std::accumulate(counts.begin(), counts.end(), int64_t{0});
  std::vector<size_t> order(groups.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return remainders[a] > remainders[b]; });
  for (size_t i : order) {
    if (missing <= 0 || remainders[i] <= 0) break;
    if (counts[i] + 1 >= static_cast<int64_t>(groups[i].size())) continue;
    ++counts[i];
    --missing;
  }
  return counts;
}

}  // namespace

const std::vector<std::string>& DataSource::position_classes() const {
  static const std::vector<std::string> none;
  return none;
}

std::string DataSource::ObservationName(int64_t index) const {
  return fmt::format("observation {} of {}", index, Description());
}
void DataSource::ReadLabels(int64_t index, std::span<int64_t> labels) const {
  std::ranges::fill(labels, label(index));
}
uint64_t DataSource::Fingerprint() const { return FingerprintOfValues(*this); }
ValueRange DataSource::Range() const { return RangeOfValues(*this); }
std::string DataSource::Summary() const { return Summarize(*this); }

DataPtr WithClasses(DataPtr source, const std::vector<std::string>& classes) {
  if (source->classes() == classes || source->classes().empty() || classes.empty()) return source;
  std::vector<int64_t> labels;
  for (const std::string& name : source->classes()) {
    const auto found = std::find(classes.begin(), classes.end(), name);
    if (found == classes.end())
      Fail("data '{}': has class '{}', expected those of the model: {}", source->Description(),
           name, fmt::join(classes, ", "));
    labels.push_back(found - classes.begin());
  }
  return std::make_shared<RelabelledSource>(std::move(source), classes, std::move(labels));
}

DataPtr Subset(DataPtr source, std::vector<int64_t> indices) {
  return std::make_shared<SubsetSource>(std::move(source), std::move(indices));
}

Split SplitData(DataPtr source, double fraction, uint64_t seed) {
  if (!(fraction >= 0 && fraction < 1))
    Fail("splitting '{}': fraction {} is given, expected 0 <= fraction < 1", source->Description(),
         fraction);
  const Units units(*source);
  auto groups = units.ByClass(*source);
  const std::vector<int64_t> counts = SecondCounts(groups, fraction);
  std::vector<int64_t> first, second;
  for (size_t i = 0; i < groups.size(); ++i) {
    Random(seed, i).Shuffle(groups[i]);
    const std::span<const int64_t> group(groups[i]);
    units.AppendTo(second, group.first(static_cast<size_t>(counts[i])));
    units.AppendTo(first, group.subspan(static_cast<size_t>(counts[i])));
  }
  // In the source's order: classes stay mixed as they were, and files are read in sequence.
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  return {Subset(source, std::move(first)), Subset(source, std::move(second))};
}

DataPtr FromArrays(Layout layout, std::vector<float> x, std::vector<int64_t> labels,
                   std::vector<std::string> classes, std::string description) {
  return std::make_shared<ArraySource<float>>(Arrays<float>{
      .layout = std::move(layout),
      .x = std::move(x),
      .labels = std::move(labels),
      .classes = std::move(classes),
      .targets = {},
      .target_size = 0,
      .description = std::move(description),
  });
}

DataPtr FromArraysRegression(Layout layout, std::vector<float> x, std::vector<float> targets,
                             int64_t target_size, std::string description) {
  if (target_size < 1)
    Fail("data '{}': target size {} is given, expected >= 1", description, target_size);
  return std::make_shared<ArraySource<float>>(Arrays<float>{
      .layout = std::move(layout),
      .x = std::move(x),
      .labels = {},
      .classes = {},
      .targets = std::move(targets),
      .target_size = target_size,
      .description = std::move(description),
  });
}

DataPtr FromSequences(Sequences sequences) {
  if (!sequences.layout.packed())
    Fail("data '{}': the layout of a row of a sequence is {}, expected T first",
         sequences.description, sequences.layout.ToString());
  return std::make_shared<ArraySource<float>>(Arrays<float>{
      .layout = std::move(sequences.layout),
      .x = std::move(sequences.x),
      .labels = std::move(sequences.labels),
      .classes = std::move(sequences.classes),
      .targets = std::move(sequences.targets),
      .target_size = sequences.target_size,
      .description = std::move(sequences.description),
      .lengths = std::move(sequences.lengths),
      .answers_each_row = sequences.answers_each_row,
  });
}

}  // namespace normkit
