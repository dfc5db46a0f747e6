#include "src/simd/bandwidth.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "hwy/cache_control.h"
#include "normkit/core/tensor.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/simd/bandwidth.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace normkit::simd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr size_t kLine = 64 / sizeof(float);  // floats in a cache line

// Copies `lines` cache lines of each of `streams` equal parts of [from, from + count), one line of
// each part in turn. `ahead` is the prefetch distance in lines.
void CopyStreams(const float* from, float* to, size_t count, size_t streams, size_t ahead) {
  const hn::CappedTag<float, kLine> d;
  const size_t part = count / streams / kLine * kLine;
  for (size_t i = 0; i < part; i += kLine) {
    for (size_t s = 0; s < streams; ++s) {
      const size_t at = s * part + i;
      hwy::Prefetch(from + at + ahead * kLine);
      for (size_t lane = 0; lane < kLine; lane += hn::Lanes(d))
        hn::Stream(hn::Load(d, from + at + lane), d, to + at + lane);
    }
  }
  hwy::FlushStream();
}

// The sum of the same elements in the same order.
float ReadStreams(const float* from, size_t count, size_t streams, size_t ahead) {
  const hn::CappedTag<float, kLine> d;
  const size_t part = count / streams / kLine * kLine;
  auto sum = hn::Zero(d), other = hn::Zero(d);
  for (size_t i = 0; i < part; i += kLine) {
    for (size_t s = 0; s < streams; ++s) {
      const size_t at = s * part + i;
      hwy::Prefetch(from + at + ahead * kLine);
      for (size_t lane = 0; lane < kLine; lane += hn::Lanes(d)) {
        sum = hn::Add(sum, hn::Load(d, from + at + lane));
        std::swap(sum, other);  // two chains of additions
      }
    }
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sum, other)));
}

}  // namespace normkit::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace normkit::simd {
namespace {

HWY_EXPORT(CopyStreams);
HWY_EXPORT(ReadStreams);

constexpr size_t kSlack = 4096;  // the farthest prefetch stays inside the buffer
constexpr size_t kPage = 1024;   // floats in 4 KiB
constexpr int kPasses = 5;

struct Way {
  size_t streams, ahead;
};
constexpr Way kWays[] = {{1, 0}, {1, 16}, {1, 32}, {2, 16}};

Tensor ProbeBuffer(size_t bytes) {
  const size_t count = bytes / sizeof(float) + 2 * kSlack;
  Tensor buffer(Layout({{kC, static_cast<int64_t>(count)}}));
  std::ranges::fill(buffer.values<float>(), 1.0f);  // touches every page
  return buffer;
}

// Seconds that work(part) takes for parts [0, parts), each on a thread of its own. Those of the
// pool do not serve: a thread that comes late finds its part done by another.
double SecondsOf(int parts, const std::function<void(size_t)>& work) {
  std::barrier<> start(parts);
  std::vector<std::thread> others;
  for (int part = 1; part < parts; ++part)
    others.emplace_back([&, part] {
      start.arrive_and_wait();
      work(static_cast<size_t>(part));
    });
  start.arrive_and_wait();
  const auto begin = std::chrono::steady_clock::now();
  work(0);
  for (std::thread& other : others) other.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The largest over the ways of the median over passes of `moved` bytes / seconds. `work(way, begin,
// count)` does the part of one thread of a buffer of `bytes`.
double BestMedian(int threads, size_t bytes, double moved,
                  const std::function<void(const Way&, size_t, size_t)>& work) {
  const size_t each = bytes / sizeof(float) / static_cast<size_t>(threads) / kPage * kPage;
  double best = 0;
  for (const Way& way : kWays) {
    std::vector<double> rates;
    for (int pass = 0; pass < kPasses; ++pass) {
      const double seconds = SecondsOf(threads, [&](size_t part) { work(way, each * part, each); });
      rates.push_back(moved / seconds / 1e9);
    }
    std::ranges::nth_element(rates, rates.begin() + kPasses / 2);
    best = std::max(best, rates[kPasses / 2]);
  }
  return best;
}

}  // namespace

double StreamingBandwidth(int threads, size_t bytes) {
  const Tensor from = ProbeBuffer(bytes);
  Tensor to = ProbeBuffer(bytes);
  const float* source = from.values<float>().data();
  // Half a page apart: reads and writes whose addresses agree in the low 12 bits get in each
  // other's way.
  float* target = to.values<float>().data() + 512;
  return BestMedian(threads, bytes, 2.0 * static_cast<double>(bytes),
                    [&](const Way& way, size_t begin, size_t count) {
                      HWY_DYNAMIC_DISPATCH(CopyStreams)
                      (source + begin, target + begin, count, way.streams, way.ahead);
                    });
}

double ReadBandwidth(int threads, size_t bytes) {
  const Tensor from = ProbeBuffer(bytes);
  const float* source = from.values<float>().data();
  return BestMedian(
      threads, bytes, static_cast<double>(bytes), [&](const Way& way, size_t begin, size_t count) {
        volatile float sum =
            HWY_DYNAMIC_DISPATCH(ReadStreams)(source + begin, count, way.streams, way.ahead);
        static_cast<void>(sum);
      });
}

}  // namespace normkit::simd
#endif  // HWY_ONCE
