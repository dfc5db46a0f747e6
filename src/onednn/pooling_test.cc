// Pooling against nested loops.
#include "src/onednn/pooling.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "normkit/core/random.h"
#include "normkit/core/tensor.h"
#include "normkit/core/threads.h"
#include "src/core/exact_sum_testing.h"
#include "src/onednn/window_cases.h"

namespace normkit {
namespace {

struct Result {
  std::vector<float> y, dx;
};

struct Data {
  std::vector<float> x, dy;
  explicit Data(const PoolingShape& s)
      : x(static_cast<size_t>(s.batch * s.height * s.width * s.channels)),
        dy(static_cast<size_t>(s.batch * s.output_height() * s.output_width() * s.channels)) {
    Random random(1);
    for (float& value : x) value = static_cast<float>(random.Normal());
    for (float& value : dy) value = static_cast<float>(random.Normal());
  }
};

struct ExactResult {
  std::vector<ExactSum> y, dx;
};

// What every window makes of its pixels, and hands back to them.
ExactResult Expected(PoolingKind kind, const PoolingShape& s, const Data& data) {
  ExactResult r{std::vector<ExactSum>(data.dy.size()), std::vector<ExactSum>(data.x.size())};
  for (int64_t out = 0; out < static_cast<int64_t>(data.dy.size()); ++out) {
    const int64_t c = out % s.channels, ow = out / s.channels % s.output_width();
    const int64_t oh = out / s.channels / s.output_width() % s.output_height();
    const int64_t b = out / s.channels / s.output_width() / s.output_height();
    std::vector<size_t> pixels;
    size_t largest = 0;
    for (int64_t kh = 0; kh < s.pool_size[0]; ++kh)
      for (int64_t kw = 0; kw < s.pool_size[1]; ++kw) {
        const int64_t h = oh * s.stride[0] + kh - s.top, w = ow * s.stride[1] + kw - s.left;
        if (h < 0 || h >= s.height || w < 0 || w >= s.width) continue;
        const auto at = static_cast<size_t>(((b * s.height + h) * s.width + w) * s.channels + c);
        if (pixels.empty() || data.x[at] > data.x[largest]) largest = at;
        pixels.push_back(at);
      }
    const float dy = data.dy[static_cast<size_t>(out)];
    ExactSum& y = r.y[static_cast<size_t>(out)];
    if (kind == PoolingKind::kMax) {
      y.Add(data.x[largest]);
      r.dx[largest].Add(dy);
      continue;
    }
    const double share = 1 / static_cast<double>(s.pool_size[0] * s.pool_size[1]);
    for (const size_t at : pixels) {
      y.Add(data.x[at], share);
      r.dx[at].Add(dy, share);
    }
  }
  return r;
}

Result Results(PoolingKind kind, const PoolingShape& s, const Data& data) {
  Pooling pooling(kind, s, true);
  const auto memory = [](size_t bytes) {
    return Tensor(Layout({{kC, static_cast<int64_t>(bytes / 4 + 1)}}));
  };
  Tensor saved = memory(pooling.saved_bytes()), forward = memory(pooling.forward_scratch_bytes()),
         backward = memory(pooling.backward_scratch_bytes());
  const auto bytes = [](Tensor& tensor) { return static_cast<std::byte*>(tensor.data()); };
  Result r{std::vector<float>(data.dy.size()), std::vector<float>(data.x.size())};
  std::vector<float> inference(r.y.size());
  pooling.Forward(data.x.data(), inference.data(), nullptr, bytes(forward));
  pooling.Forward(data.x.data(), r.y.data(), bytes(saved), bytes(forward));
  EXPECT_EQ(inference, r.y);
  pooling.Backward(data.dy.data(), bytes(saved), false, r.dx.data(), bytes(backward));
  return r;
}

TEST(PoolingTest, AgreesWithNestedLoops) {
  for (const WindowCase& window : kWindowCases) {
    if (window.dilation != std::array<int64_t, 2>{1, 1}) continue;
    for (const auto kind : {PoolingKind::kMax, PoolingKind::kAverage})
      for (const int64_t channels : {1, 5, 16, 33})
        for (const int64_t batch : {1, 3, 35}) {
          const PoolingShape s{batch,       7,
                               9,           channels,
                               window.size, window.stride,
                               window.top,  window.bottom,
                               window.left, window.right};
          SCOPED_TRACE(testing::Message() << "window " << &window - kWindowCases << " channels "
                                          << channels << " batch " << batch);
          const Data data(s);
          const ExactResult exact = Expected(kind, s, data);
          const Result got = Results(kind, s, data);
          // A mean multiplies by the share, itself rounded, or divides.
          const int64_t more = kind == PoolingKind::kAverage ? 2 : 0;
          ExpectWithinBounds(got.y, exact.y, "y", more);
          ExpectWithinBounds(got.dx, exact.dx, "dx", more);
          if (HasFailure()) return;
        }
  }
}

TEST(PoolingTest, SameBitsForAnyNumberOfThreads) {
  const PoolingShape s{21, 16, 16, 24, {3, 3}, {2, 2}, 1, 1, 1, 1};
  const Data data(s);
  for (const auto kind : {PoolingKind::kMax, PoolingKind::kAverage}) {
    SetNumThreads(1);
    const Result one = Results(kind, s, data);
    for (const int threads : {2, 3, 8}) {
      SetNumThreads(threads);
      const Result many = Results(kind, s, data);
      EXPECT_EQ(one.y, many.y) << threads;
      EXPECT_EQ(one.dx, many.dx) << threads;
    }
  }
  SetNumThreads(0);
}

}  // namespace
}  // namespace normkit
