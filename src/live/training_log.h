// What a page shows of a training that runs: curves in memory that does not grow.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace normkit {

// Rows of so many numbers each. Where there are `capacity` of them, an even number, neighbours
// become their mean, and from then on a row is the mean of twice as many that were appended.
class ThinnedRows {
 public:
  ThinnedRows(size_t width, size_t capacity);

  // Allocates nothing. True where rows that stood there changed.
  bool Append(std::span<const double> row);

  size_t width() const { return width_; }
  size_t size() const { return rows_.size() / width_; }
  // The numbers of rows [begin, begin + count), as far as there are any.
  std::span<const double> Rows(size_t begin, size_t count) const;

 private:
  size_t width_, capacity_;
  size_t merged_ = 1, gathered_ = 0;  // appended rows in one; in `next_`
  std::vector<double> rows_, next_;
};

// Appended to by the training, read by whoever looks. What is appended never waits for a reader:
// while one reads it is kept beside, and the next call hands it on.
class TrainingLog {
 public:
  enum Kind { kIterations, kValidations, kSamples };
  // Widths of the rows: iteration, seconds, loss, measure, learning rate; iteration, loss,
  // measure; iteration and as many as the caller has.
  static constexpr size_t kIterationWidth = 5, kValidationWidth = 3;

  explicit TrainingLog(size_t sample_width);

  void Append(Kind kind, std::span<const double> row);

  // "training", "finishing", "done", "stopped", "failed"; `note` says more.
  void SetState(const std::string& state, const std::string& note);

  // Where a reader stands: how many rows of each kind it has, of which version.
  struct Position {
    int64_t version = -1;
    size_t rows[3] = {};
  };
  // What came behind it, as the JSON of an object; at most kRowsOnce rows of a kind, and "more"
  // where there are others. Of an older version all from the beginning, for rows became others.
  std::string Json(const Position& position) const;

  static constexpr size_t kCapacity = size_t{1} << 14, kRowsOnce = 2000;

 private:
  void TakePending();

  ThinnedRows series_[3];
  int64_t version_ = 0;
  std::string state_ = "training", note_;
  mutable std::mutex mutex_;     // of all above
  std::vector<double> pending_;  // the training's own: kind, row, kind, row, ...
};

}  // namespace normkit
