// Pooling against nested loops.
#include "src/onednn/pooling.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "normkit/core/random.h"
#include "normkit/core/tensor.h"
#include "normkit/core/threads.h"
#include "src/core/exact_sum_testing.h"
#include "src/onednn/convolution_products.h"
#include "src/onednn/window_cases.h"

namespace normkit {
namespace {

struct Result {
  std::vector<float> y, dx;
};

struct Data {
  std::vector<float> x, dy;
  explicit Data(const PoolingShape& s)
      : x(static_cast<size_t>(s.batch * Product(s.size) * s.channels)),
        dy(static_cast<size_t>(s.batch * Product(s.output_size()) * s.channels)) {
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
  const Space counts = s.output_size(), ones(s.size.size(), 1);
  for (int64_t out = 0; out < static_cast<int64_t>(data.dy.size()); ++out) {
    const int64_t c = out % s.channels, b = out / s.channels / Product(counts);
    Space place(s.size.size());
    for (int64_t rest = out / s.channels % Product(counts), i = std::ssize(place); i-- > 0;) {
      place[static_cast<size_t>(i)] = rest % counts[static_cast<size_t>(i)];
      rest /= counts[static_cast<size_t>(i)];
    }
    std::vector<size_t> pixels;
    size_t largest = 0;
    Space tap(s.size.size(), 0);
    do {
      const int64_t pixel = ElementUnder(s.size, s.before, s.stride, ones, place, tap);
      if (pixel < 0) continue;
      const auto at = static_cast<size_t>((b * Product(s.size) + pixel) * s.channels + c);
      if (pixels.empty() || data.x[at] > data.x[largest]) largest = at;
      pixels.push_back(at);
    } while (NextPlace(s.pool_size, tap));
    const float dy = data.dy[static_cast<size_t>(out)];
    ExactSum& y = r.y[static_cast<size_t>(out)];
    if (kind == PoolingKind::kMax) {
      y.Add(data.x[largest]);
      r.dx[largest].Add(dy);
      continue;
    }
    const double share = 1 / static_cast<double>(Product(s.pool_size));
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

void Check(PoolingKind kind, const PoolingShape& s) {
  const Data data(s);
  const ExactResult exact = Expected(kind, s, data);
  const Result got = Results(kind, s, data);
  // A mean multiplies by the share, itself rounded, or divides.
  const int64_t more = kind == PoolingKind::kAverage ? 2 : 0;
  ExpectWithinBounds(got.y, exact.y, "y", more);
  ExpectWithinBounds(got.dx, exact.dx, "dx", more);
}

TEST(PoolingTest, AgreesWithNestedLoops) {
  std::vector<WindowCase> windows(std::begin(kWindowCases), std::end(kWindowCases));
  windows.insert(windows.end(), std::begin(kOtherWindowCases), std::end(kOtherWindowCases));
  for (size_t i = 0; i < windows.size(); ++i) {
    const WindowCase& window = windows[i];
    if (window.dilation != Space(window.size.size(), 1)) continue;
    Space size = window.size.size() == 2 ? Space{7, 9} : Space{7, 5, 6};
    size.resize(window.size.size());
    for (const auto kind : {PoolingKind::kMax, PoolingKind::kAverage})
      for (const int64_t channels : {1, 5, 16, 33})
        for (const int64_t batch : {1, 3, 35}) {
          SCOPED_TRACE(testing::Message()
                       << "window " << i << " channels " << channels << " batch " << batch);
          Check(kind,
                {batch, size, channels, window.size, window.stride, window.before, window.after});
          if (HasFailure()) return;
        }
  }
}

TEST(PoolingTest, SameBitsForAnyNumberOfThreads) {
  const PoolingShape s{21, {16, 16}, 24, {3, 3}, {2, 2}, {1, 1}, {1, 1}};
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
