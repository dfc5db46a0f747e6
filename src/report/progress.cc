#include "src/report/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "src/report/text.h"

namespace normkit {
namespace {

constexpr double kSecondsBetweenDraws = 0.1;
constexpr int kBarWidth = 24, kLeastBarWidth = 8;
constexpr int kNarrow = 60;  // columns below which there is no bar

bool IsSet(const char* variable) {
  const char* value = std::getenv(variable);
  return value && *value;
}

bool StderrIsTerminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) && !(term && std::strcmp(term, "dumb") == 0);
}

int StderrWidth() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void WriteStderr(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

std::string Repeat(const char* letter, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += letter;
  return text;
}

}  // namespace

ProgressOptions ProgressOptions::Stderr() {
  const bool terminal = StderrIsTerminal();
  return {terminal, terminal && !IsSet("NO_COLOR"), StderrWidth, SteadySeconds, WriteStderr};
}

std::string FormatDuration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e9) return "?";
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

ProgressLine::ProgressLine(int64_t total, ProgressOptions options)
    : total_(total),
      options_(std::move(options)),
      start_(options_.seconds()),
      drawn_(start_ - kSecondsBetweenDraws) {}

ProgressLine::~ProgressLine() { Clear(); }

void ProgressLine::Clear() {
  if (shown_) options_.write("\r\x1b[K");
  shown_ = false;
}

void ProgressLine::Update(int64_t done, std::string_view label, std::string_view detail) {
  if (!options_.terminal) return;
  const double now = options_.seconds();
  if (shown_ && now - drawn_ < kSecondsBetweenDraws) return;
  drawn_ = now;
  shown_ = true;
  options_.write("\r" + Line(done, now - start_, label, detail) + "\x1b[K");
}

std::string ProgressLine::Line(int64_t done, double elapsed, std::string_view label,
                               std::string_view detail) const {
  // One column stays free: a full line would wrap and leave its copy behind.
  const int width = options_.width() - 1;
  const auto finished = static_cast<double>(done), all = static_cast<double>(total_);
  const double share = total_ > 0 ? std::clamp(finished / all, 0.0, 1.0) : 0;
  const double rate = elapsed > 0 ? finished / elapsed : 0;
  std::string figures = total_ > 0 ? fmt::format("{}/{}", done, total_) : fmt::format("{}", done);
  if (rate > 0)
    figures += rate < 1000 ? fmt::format("  {:.3g}/s", rate) : fmt::format("  {:.0f}/s", rate);
  if (rate > 0 && total_ > 0)
    figures += fmt::format("  {} left", FormatDuration((all - finished) / rate));
  const std::string head = label.empty() ? "" : std::string(label) + " ";
  const auto letters = static_cast<int>(CountLetters(head) + CountLetters(figures));
  if (!detail.empty()) figures += fmt::format("  {}", detail);
  if (total_ <= 0 || width < kNarrow)
    return std::string(FirstLetters(head + figures, static_cast<size_t>(std::max(width, 0))));
  // The time left is worth more than a long bar.
  const int bar = std::clamp(width - 1 - letters, kLeastBarWidth, kBarWidth);
  const int full = static_cast<int>(std::lround(share * bar));
  const std::string done_bar = Repeat("━", full), rest_bar = Repeat("─", bar - full);
  const auto room = static_cast<size_t>(width - bar - 1);
  const std::string_view cut_head = FirstLetters(head, room);
  const std::string_view cut_figures = FirstLetters(figures, room - CountLetters(cut_head));
  if (options_.color)
    return fmt::format("{}\x1b[36m{}\x1b[2m{}\x1b[0m {}", cut_head, done_bar, rest_bar,
                       cut_figures);
  return fmt::format("{}{}{} {}", cut_head, done_bar, rest_bar, cut_figures);
}

}  // namespace normkit
