#include "src/live/training_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

namespace normkit {
namespace {

// Rows that may wait for a reader: a fast training has less than this in the time that one takes.
constexpr size_t kPendingRows = 256;

constexpr const char* kSeriesNames[] = {"iterations", "validations", "samples"};

void PutNumber(std::string& json, double value) {
  if (std::isfinite(value))
    fmt::format_to(std::back_inserter(json), "{:.9g}", value);
  else
    json += "null";
}

void PutRows(std::string& json, std::span<const double> values, size_t width) {
  json += '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) json += ',';
    if (i % width == 0) json += '[';
    PutNumber(json, values[i]);
    if ((i + 1) % width == 0) json += ']';
  }
  json += ']';
}

}  // namespace

ThinnedRows::ThinnedRows(size_t width, size_t capacity)
    : width_(width), capacity_(capacity), next_(width) {
  rows_.reserve(width * capacity);
}

bool ThinnedRows::Append(std::span<const double> row) {
  if (gathered_ == 0) std::ranges::fill(next_, 0.0);
  for (size_t i = 0; i < width_; ++i) next_[i] += row[i];
  if (++gathered_ < merged_) return false;
  for (size_t i = 0; i < width_; ++i) next_[i] /= static_cast<double>(merged_);
  gathered_ = 0;
  rows_.insert(rows_.end(), next_.begin(), next_.end());
  if (size() < capacity_) return false;
  for (size_t r = 0; r < capacity_ / 2; ++r)
    for (size_t i = 0; i < width_; ++i)
      rows_[r * width_ + i] = (rows_[2 * r * width_ + i] + rows_[(2 * r + 1) * width_ + i]) / 2;
  rows_.resize(capacity_ / 2 * width_);
  merged_ *= 2;
  return true;
}

std::span<const double> ThinnedRows::Rows(size_t begin, size_t count) const {
  begin = std::min(begin, size());
  count = std::min(count, size() - begin);
  return std::span(rows_).subspan(begin * width_, count * width_);
}

// Samples are wide, and taken a few times a second: a quarter of the rows.
TrainingLog::TrainingLog(size_t sample_width)
    : series_{{kIterationWidth, kCapacity},
              {kValidationWidth, kCapacity},
              {sample_width, kCapacity / 16}} {
  pending_.reserve(kPendingRows * (1 + kIterationWidth) + 2 * (1 + sample_width));
}

void TrainingLog::TakePending() {
  for (size_t at = 0; at < pending_.size();) {
    ThinnedRows& rows = series_[static_cast<size_t>(pending_[at])];
    version_ += rows.Append(std::span(pending_).subspan(at + 1, rows.width()));
    at += 1 + rows.width();
  }
  pending_.clear();
}

void TrainingLog::Append(Kind kind, std::span<const double> row) {
  pending_.push_back(kind);
  pending_.insert(pending_.end(), row.begin(), row.end());
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) {
    const size_t widest = std::max(kIterationWidth, series_[kSamples].width());
    if (pending_.size() + 1 + widest <= pending_.capacity()) return;
    lock.lock();
  }
  TakePending();
}

void TrainingLog::SetState(const std::string& state, const std::string& note) {
  const std::lock_guard lock(mutex_);
  TakePending();
  state_ = state;
  note_ = note;
}

std::string TrainingLog::Json(const Position& position) const {
  std::vector<double> rows[3];
  std::string state, note;
  int64_t version = 0;
  bool same = false, more = false;
  {  // numbers are copied here, and become text where the training does not wait for it
    const std::lock_guard lock(mutex_);
    version = version_;
    same = position.version == version_;
    for (size_t kind = 0; kind < 3; ++kind) {
      const size_t begin = same ? position.rows[kind] : 0;
      const auto part = series_[kind].Rows(begin, kRowsOnce);
      rows[kind].assign(part.begin(), part.end());
      more |= series_[kind].size() > begin + kRowsOnce;
    }
    state = state_;
    note = note_;
  }
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;  // a path may be any bytes
  std::string json =
      fmt::format(R"({{"version":{},"begins":{},"more":{},"state":"{}","note":{})", version, !same,
                  more, state, nlohmann::json(note).dump(-1, ' ', false, kReplace));
  for (size_t kind = 0; kind < 3; ++kind) {
    json += fmt::format(",\"{}\":", kSeriesNames[kind]);
    PutRows(json, rows[kind], series_[kind].width());
  }
  return json + "}";
}

}  // namespace normkit
