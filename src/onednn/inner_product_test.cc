#include "src/onednn/inner_product.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <thread>
#include <vector>

#include "normkit/core/random.h"
#include "normkit/core/reducer.h"
#include "normkit/core/threads.h"
#include "src/core/exact_sum_testing.h"

namespace normkit {
namespace {

std::vector<float> Normal(int64_t size, uint64_t stream) {
  Random random(1, stream);
  std::vector<float> values(static_cast<size_t>(size));
  for (float& value : values) value = static_cast<float>(random.Normal());
  return values;
}

struct Result {
  std::vector<float> y, dx, dweights, dbias;
};

Result Results(const InnerProductShape& s) {
  const auto x = Normal(s.batch * s.inputs, 1), weights = Normal(s.outputs * s.inputs, 2),
             dy = Normal(s.batch * s.outputs, 3), bias = Normal(s.outputs, 4);
  Result r{dy, x, weights, bias};
  const InnerProduct product(s);
  product.Forward(x.data(), weights.data(), bias.data(), r.y.data());
  product.BackwardData(dy.data(), weights.data(), false, r.dx.data());
  product.BackwardWeights(x.data(), dy.data(), nullptr, r.dweights.data(), r.dbias.data());
  return r;
}

constexpr InnerProductShape kShapes[] = {{1, 1, 1},      {1, 100, 10},   {7, 3, 5},
                                         {60, 784, 100}, {128, 100, 10}, {33, 17, 300},
                                         {600, 30, 11}};

TEST(InnerProductTest, AgreesWithNestedLoops) {
  for (const InnerProductShape& s : kShapes) {
    const auto x = Normal(s.batch * s.inputs, 1), weights = Normal(s.outputs * s.inputs, 2),
               dy = Normal(s.batch * s.outputs, 3), bias = Normal(s.outputs, 4);
    std::vector<ExactSum> y(dy.size()), dx(x.size()), dweights(weights.size()), dbias(bias.size());
    for (int64_t b = 0; b < s.batch; ++b)
      for (int64_t o = 0; o < s.outputs; ++o) {
        const auto at_y = static_cast<size_t>(b * s.outputs + o);
        y[at_y].Add(bias[static_cast<size_t>(o)]);
        dbias[static_cast<size_t>(o)].Add(dy[at_y]);
        for (int64_t i = 0; i < s.inputs; ++i) {
          const auto at_x = static_cast<size_t>(b * s.inputs + i);
          const auto at_weights = static_cast<size_t>(o * s.inputs + i);
          y[at_y].Add(x[at_x], weights[at_weights]);
          dx[at_x].Add(dy[at_y], weights[at_weights]);
          dweights[at_weights].Add(dy[at_y], x[at_x]);
        }
      }
    const Result r = Results(s);
    ExpectWithinBounds(r.y, y, "y");
    ExpectWithinBounds(r.dx, dx, "dx");
    ExpectWithinBounds(r.dweights, dweights, "dweights");
    ExpectWithinBounds(r.dbias, dbias, "dbias");
  }
}

TEST(InnerProductTest, SameBitsForAnyNumberOfThreads) {
  for (const InnerProductShape& s : kShapes) {
    SetNumThreads(1);
    const Result one = Results(s);
    for (const int threads : {2, 3, 8}) {
      SetNumThreads(threads);
      const Result many = Results(s);
      EXPECT_EQ(one.y, many.y);
      EXPECT_EQ(one.dx, many.dx);
      EXPECT_EQ(one.dweights, many.dweights);
      EXPECT_EQ(one.dbias, many.dbias);
    }
  }
  SetNumThreads(0);
}

TEST(InnerProductTest, PartsHaveTheBitsOfTheWhole) {
  for (const InnerProductShape& s : kShapes) {
    const Result whole = Results(s);
    const auto x = Normal(s.batch * s.inputs, 1), weights = Normal(s.outputs * s.inputs, 2),
               dy = Normal(s.batch * s.outputs, 3), bias = Normal(s.outputs, 4);
    for (const int ranks : {2, 3, 8})
      for (int rank = 0; rank < ranks; ++rank) {
        const BatchPart part = BatchPart::OfRank(s.batch, rank, ranks);
        if (part.size() == 0) continue;
        const InnerProduct product({part.size(), s.inputs, s.outputs}, part);
        const auto expect = [&](const std::vector<float>& all, int64_t width,
                                const std::vector<float>& got) {
          const auto begin = all.begin() + part.begin() * width;
          EXPECT_EQ(got, std::vector<float>(begin, begin + part.size() * width))
              << s.batch << "x" << s.inputs << "x" << s.outputs << " rank " << rank;
        };
        std::vector<float> y(static_cast<size_t>(part.size() * s.outputs)),
            dx(static_cast<size_t>(part.size() * s.inputs));
        product.Forward(x.data() + part.begin() * s.inputs, weights.data(), bias.data(), y.data());
        expect(whole.y, s.outputs, y);
        product.BackwardData(dy.data() + part.begin() * s.outputs, weights.data(), false,
                             dx.data());
        expect(whole.dx, s.inputs, dx);
      }
  }
}

// Both ways to sum: leaves of few observations and of many.
TEST(InnerProductTest, GradientsOfRanksHaveTheBitsOfTheWhole) {
  for (const InnerProductShape& s :
       {InnerProductShape{20, 20, 7}, {33, 17, 300}, {64, 130, 10}, {700, 30, 11}}) {
    const auto x = Normal(s.batch * s.inputs, 1), dy = Normal(s.batch * s.outputs, 3);
    const Result whole = Results(s);
    for (const int ranks : {1, 2, 3, 8})
      RunRanks(ranks, [&](Reducer& reducer) {
        const BatchPart part = BatchPart::OfRank(s.batch, reducer.rank(), ranks);
        Result r{{},
                 {},
                 std::vector<float>(whole.dweights.size()),
                 std::vector<float>(whole.dbias.size())};
        const InnerProduct product({part.size(), s.inputs, s.outputs}, part);
        product.BackwardWeights(x.data() + part.begin() * s.inputs,
                                dy.data() + part.begin() * s.outputs, &reducer, r.dweights.data(),
                                r.dbias.data());
        EXPECT_EQ(r.dweights, whole.dweights) << s.batch << " on " << ranks;
        EXPECT_EQ(r.dbias, whole.dbias) << s.batch << " on " << ranks;
      });
  }
}

struct OwnStack {
  void *begin = nullptr, *end = nullptr;
  OwnStack() {
    pthread_attr_t attributes;
    size_t size = 0;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &begin, &size);
    pthread_attr_destroy(&attributes);
    end = static_cast<std::byte*>(begin) + size;
  }
};

OwnStack stack;
std::atomic<int> sent{0}, handled{0}, astray{0};

// oneDNN's products run on a stack of the heap's, without room for the frame of a handler.
TEST(InnerProductTest, SignalsWaitForIt) {
  stack = OwnStack();
  const auto before = std::signal(SIGUSR1, [](int) {
    const void* frame = __builtin_frame_address(0);
    if (frame < stack.begin || frame >= stack.end) ++astray;
    ++handled;
  });
  std::atomic<bool> ends{false};
  std::thread sender([&, receiver = pthread_self()] {
    for (; !ends; std::this_thread::yield())
      if (sent == handled) ++sent, pthread_kill(receiver, SIGUSR1);
  });
  const std::vector<float> x = Normal(4 * 784, 1), weights = Normal(100 * 784, 2);
  std::vector<float> y(4 * 100);
  const InnerProduct product({4, 784, 100});
  while (handled < 3000) product.Forward(x.data(), weights.data(), nullptr, y.data());
  ends = true;
  sender.join();
  while (handled < sent) std::this_thread::yield();  // the last still has its handler
  std::signal(SIGUSR1, before);
  EXPECT_EQ(astray, 0);
}

}  // namespace
}  // namespace normkit
