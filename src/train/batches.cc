#include "src/train/batches.h"

#include <algorithm>
#include <numeric>

#include "normkit/core/random.h"
#include "normkit/train/train.h"
#include "src/core/fail.h"
#include "src/core/finite.h"

namespace normkit {

std::vector<int64_t> EpochOrder(int64_t count, Shuffle shuffle, uint64_t seed, int64_t epoch) {
  // Apart from the streams that initialize parameters, which are small numbers.
  constexpr uint64_t kShuffleStreams = uint64_t{1} << 40;
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  if (shuffle == Shuffle::kNever) return order;
  const auto turn = static_cast<uint64_t>(shuffle == Shuffle::kOnce ? 1 : epoch);
  Random(seed, kShuffleStreams + turn).Shuffle(order);
  return order;
}

std::vector<int64_t> BatchSizes(int64_t count, int64_t batch_size, Single single) {
  std::vector<int64_t> sizes;
  for (int64_t begin = 0; begin < count; begin += batch_size)
    sizes.push_back(std::min(batch_size, count - begin));
  if (sizes.size() > 1 && sizes.back() == 1 && batch_size > 1) {
    sizes.pop_back();
    if (single == Single::kJoin) ++sizes.back();
  }
  return sizes;
}

int64_t IterationsPerEpoch(int64_t observations, int64_t mini_batch_size) {
  return static_cast<int64_t>(BatchSizes(observations, mini_batch_size, Single::kDrop).size());
}

std::vector<std::span<const int64_t>> Cut(std::span<const int64_t> order,
                                          std::span<const int64_t> sizes) {
  std::vector<std::span<const int64_t>> batches;
  size_t begin = 0;
  for (const int64_t size : sizes) {
    batches.push_back(order.subspan(begin, static_cast<size_t>(size)));
    begin += static_cast<size_t>(size);
  }
  return batches;
}

namespace {

void ReadTarget(const DataSource& data, int64_t index, std::span<float> target) {
  data.ReadTarget(index, target);
  const size_t bad = FirstNonFinite(target);
  if (bad < target.size())
    Fail("reading {}: target [{}] is {}, expected finite numbers", data.ObservationName(index), bad,
         target[bad]);
}

int64_t LabelOf(const DataSource& data, int64_t index) {
  const int64_t label = data.label(index), classes = std::ssize(data.classes());
  if (label < 0 || label >= classes)
    Fail("reading {}: its label is {}, expected 0 to {}", data.ObservationName(index), label,
         classes - 1);
  return label;
}

}  // namespace

void ReadExpected(const DataSource& data, std::span<const int64_t> indices, Expected& expected) {
  const auto width = static_cast<size_t>(data.target_size());
  expected.labels.clear();
  expected.targets.resize(indices.size() * width);
  for (size_t i = 0; i < indices.size(); ++i) {
    if (width == 0)
      expected.labels.push_back(LabelOf(data, indices[i]));
    else
      ReadTarget(data, indices[i], std::span(expected.targets).subspan(i * width, width));
  }
}

}  // namespace normkit
