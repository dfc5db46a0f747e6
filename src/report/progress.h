// A line on the terminal that says how far the work is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace normkit {

// Where a progress line writes and what it knows of the world; the defaults are stderr and the
// clock. Tests give their own.
struct ProgressOptions {
  bool terminal = false;
  bool color = false;
  std::function<int()> width = {};                   // columns of the terminal
  std::function<double()> seconds = {};              // a clock that never goes back
  std::function<void(std::string_view)> write = {};  // takes what goes to the terminal
  // terminal: stderr is one (and TERM is not "dumb"); color: and NO_COLOR is not set.
  static ProgressOptions Stderr();
};

// One live line:  epoch 3 ━━━━━━━━━━━━──────── 312/780  41 it/s  0:11 left  loss 0.0421
// Redrawn at most ten times a second; where stderr is no terminal nothing is ever written. The line
// is cut to the terminal's width, and taken away when the object goes.
class ProgressLine {
 public:
  // `total` 0: unknown; then the count and the rate are shown alone.
  explicit ProgressLine(int64_t total, ProgressOptions options = ProgressOptions::Stderr());
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // `label` stands before the bar, `detail` behind the figures.
  void Update(int64_t done, std::string_view label = "", std::string_view detail = "");
  // Takes the line away, so that something can be printed; the next Update shows it again.
  void Clear();

 private:
  std::string Line(int64_t done, double elapsed, std::string_view label,
                   std::string_view detail) const;

  int64_t total_;
  ProgressOptions options_;
  double start_, drawn_;
  bool shown_ = false;
};

// "0:07", "12:34", "1:02:03".
std::string FormatDuration(double seconds);

}  // namespace normkit
