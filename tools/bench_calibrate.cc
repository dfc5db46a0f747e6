#include "tools/bench_calibrate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "normkit/core/threads.h"
#include "src/norm/cpu/wanted_schedule.h"
#include "src/simd/cache.h"
#include "tools/bench_measure.h"

namespace normkit::tools {
namespace {

using norm::cpu::WantedSchedule;

constexpr int64_t kKiB = 1 << 10, kMiB = 1 << 20;

// The logarithm of the time of a cell when it is scheduled so.
double LogTime(const BenchCell& cell, const WantedSchedule& wanted, double seconds) {
  norm::cpu::WantSchedule(wanted);
  return std::log(MeasureMilliseconds(cell, seconds));
}

// A limit on one side of which one way is taken, on the other another.
struct Limit {
  const char* rule;
  int64_t built_in;
  std::vector<int64_t> sizes;  // ascending
  std::function<BenchCell(int64_t size)> cell;
  WantedSchedule below, from;
  bool inclusive = false;  // what is as large as the limit goes the way of what is below
};

// The limit that takes the least time over all sizes; the built-in one where others are as good.
Calibrated Find(const Limit& limit, double seconds) {
  std::vector<double> below, from;
  for (const int64_t size : limit.sizes) {
    below.push_back(LogTime(limit.cell(size), limit.below, seconds));
    from.push_back(LogTime(limit.cell(size), limit.from, seconds));
  }
  const auto cost = [&](int64_t at) {
    double sum = 0;
    for (size_t i = 0; i < limit.sizes.size(); ++i) {
      const bool is_below = limit.inclusive ? limit.sizes[i] <= at : limit.sizes[i] < at;
      sum += is_below ? below[i] : from[i];
    }
    return sum / static_cast<double>(limit.sizes.size());
  };
  std::vector<int64_t> candidates = limit.sizes;
  candidates.push_back(limit.inclusive ? limit.sizes.front() / 2 : 2 * limit.sizes.back());
  int64_t best = limit.built_in;
  for (const int64_t at : candidates)
    if (cost(at) < cost(best)) best = at;
  return {limit.rule, limit.built_in, best, 1 - std::exp(cost(best) - cost(limit.built_in))};
}

BenchCell Rows(const char* layer, int64_t bytes, int64_t width) {
  return {
      .layer = layer, .shape = {std::max<int64_t>(1, bytes / 4 / width), width}, .format = "BC"};
}

std::vector<int64_t> Doubling(int64_t first, int64_t last) {
  std::vector<int64_t> sizes;
  for (int64_t size = first; size <= last; size *= 2) sizes.push_back(size);
  return sizes;
}

std::vector<Limit> Limits() {
  const int64_t threads = NumThreads();
  std::vector<Limit> limits = {{"stores-from",
                                simd::StreamLimit(1),
                                Doubling(256 * kKiB, 8 * kMiB),
                                [=](int64_t size) { return Rows("layer", size * threads, 1024); },
                                {.stream = false},
                                {.stream = true}},
                               {"fused-to",
                                simd::FusedLimit(static_cast<int>(threads)),
                                Doubling(512 * kKiB, 16 * kMiB),
                                [=](int64_t size) {
                                  return BenchCell{.layer = "instance",
                                                   .shape = {2 * threads, 1, size / 4},
                                                   .format = "BCS"};
                                },
                                {.fused = true},
                                {.fused = false},
                                /*inclusive=*/true}};
  if (threads > 1)
    limits.push_back({"threads-from",
                      simd::kThreadLimit,
                      Doubling(128 * kKiB, 4 * kMiB),
                      [](int64_t size) {
                        BenchCell cell = Rows("layer", size / 2, 512);  // read and written
                        cell.hot = true;
                        return cell;
                      },
                      {.threads = false},
                      {.threads = true}});
  return limits;
}

// The best of some values, for some cells. What to beat is the rule, of which `built_in` may be a
// part: passes of some kinds ask further ahead than others.
Calibrated Choose(const char* rule, int64_t built_in, const std::vector<int64_t>& others,
                  const std::vector<BenchCell>& cells,
                  std::optional<int64_t> WantedSchedule::*member, double seconds) {
  const auto time = [&](std::optional<int64_t> value) {
    WantedSchedule wanted;
    wanted.*member = value;
    double sum = 0;
    for (const BenchCell& cell : cells) sum += LogTime(cell, wanted, seconds);
    return sum / static_cast<double>(cells.size());
  };
  const double before = time(std::nullopt);
  int64_t best = built_in;
  double least = before;
  for (const int64_t value : others)
    if (const double took = time(value); took < least) best = value, least = took;
  return {rule, built_in, best, 1 - std::exp(least - before)};
}

}  // namespace

std::vector<Calibrated> Calibrate(double seconds) {
  const WantedSchedule given = norm::cpu::GetWantedSchedule();
  std::vector<Calibrated> result;
  for (const Limit& limit : Limits()) result.push_back(Find(limit, seconds));
  const BenchCell pass{
      .op = NormPass::kInference, .layer = "batch", .shape = {8, 64, 112, 112}, .format = "BCSS"};
  const BenchCell last{
      .op = NormPass::kInference, .layer = "batch", .shape = {8, 112, 112, 64}, .format = "BSSC"};
  result.push_back(Choose("ahead", norm::cpu::AheadOfPasses(), {0, 768, 1536, 4096, 6144},
                          {pass, last}, &WantedSchedule::ahead, seconds));
  result.push_back(Choose("rows-ahead", norm::cpu::AheadOfRows(),
                          {0, 4 * kKiB, 8 * kKiB, 16 * kKiB, 32 * kKiB},
                          {Rows("layer", 32 * kMiB, 4096), Rows("rms", 32 * kMiB, 2048)},
                          &WantedSchedule::rows_ahead, seconds));
  result.push_back(Choose("group-to", 0, {12 * kKiB, 48 * kKiB, 192 * kKiB},
                          {Rows("layer", 24 * kMiB, 768), Rows("rms", 32 * kMiB, 1024)},
                          &WantedSchedule::group_to, seconds));
  norm::cpu::WantSchedule(given);
  return result;
}

std::string ScheduleOf(const std::vector<Calibrated>& calibrated) {
  std::vector<std::string> parts;
  for (const Calibrated& one : calibrated)
    if (one.gain >= kWorthIt) parts.push_back(fmt::format("{}={}", one.rule, one.found));
  return fmt::format("{}", fmt::join(parts, ","));
}

}  // namespace normkit::tools
