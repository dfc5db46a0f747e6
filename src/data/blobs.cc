// Pictures and volumes of balls and boxes with a class for each position: something to learn
// segmentation on that needs no files.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "normkit/core/random.h"
#include "normkit/data/source.h"
#include "src/core/fail.h"
#include "src/core/parallel.h"
#include "src/data/array_source.h"

namespace normkit {
namespace {

constexpr int64_t kMostBlobs = 100'000;

struct BlobTask {
  const char* name;
  int64_t dims, side;
};
constexpr BlobTask kBlobTasks[] = {{"blobs", 2, 32}, {"blobs3d", 3, 16}};

using BlobPlace = std::array<double, 3>;  // depth, height, width; of pictures depth 0

// A ball (class 1) or a box (class 2).
struct Blob {
  int64_t label;
  BlobPlace center, half;
  bool Holds(const BlobPlace& at) const {
    double most = 0, sum = 0;
    for (size_t i = 0; i < at.size(); ++i) {
      const double distance = std::abs(at[i] - center[i]) / half[i];
      most = std::max(most, distance);
      sum += distance * distance;
    }
    return label == 1 ? sum <= 1 : most <= 1;
  }
};

std::vector<Blob> DrawBlobs(const BlobTask& task, Random& random) {
  std::vector<Blob> blobs;
  const auto side = static_cast<double>(task.side);
  for (int64_t count = 2 + random.Below(3); count > 0; --count) {
    Blob blob{1 + random.Below(2), {0, 0, 0}, {1, 1, 1}};
    const double radius = side * random.Uniform(0.12, 0.25);
    for (auto axis = static_cast<size_t>(3 - task.dims); axis < 3; ++axis) {
      blob.center[axis] = side * random.Uniform(0.15, 0.85);
      blob.half[axis] = blob.label == 1 ? radius : side * random.Uniform(0.1, 0.22);
    }
    blobs.push_back(blob);
  }
  return blobs;
}

// Later blobs stand in front. Noise is as large as what tells the classes apart, so that a position
// alone does not say its class.
void DrawObservation(const BlobTask& task, uint64_t seed, int64_t index, std::span<float> x,
                     std::span<float> labels) {
  constexpr double kLevels[] = {0, 0.5, 1}, kNoise = 0.35;
  Random random(seed, static_cast<uint64_t>(index));
  const std::vector<Blob> blobs = DrawBlobs(task, random);
  for (size_t i = 0; i < x.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const BlobPlace place{static_cast<double>(at / (task.side * task.side)),
                          static_cast<double>(at / task.side % task.side),
                          static_cast<double>(at % task.side)};
    int64_t label = 0;
    for (const Blob& blob : blobs)
      if (blob.Holds(place)) label = blob.label;
    labels[i] = static_cast<float>(label);
    x[i] = static_cast<float>(kLevels[label] + kNoise * random.Normal());
  }
}

}  // namespace

const std::vector<std::string>& BlobNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const BlobTask& task : kBlobTasks) all.emplace_back(task.name);
    return all;
  }();
  return names;
}

DataPtr GenerateBlobs(std::string_view name, int64_t count, uint64_t seed) {
  const auto* task = std::ranges::find(kBlobTasks, name, &BlobTask::name);
  if (task == std::end(kBlobTasks))
    Fail("task '{}' is unknown, expected {}", name, fmt::join(BlobNames(), " or "));
  if (count < 1 || count > kMostBlobs)
    Fail("{}: {} are asked for, expected 1 to {}", name, count, kMostBlobs);
  std::vector<int64_t> shape(static_cast<size_t>(task->dims) + 2, task->side);
  shape.front() = shape.back() = 1;
  Arrays<float> arrays;
  arrays.layout = Layout::Make(task->dims == 2 ? "BSSC" : "BSSSC", shape);
  arrays.target_size = arrays.layout.size();
  arrays.position_classes = {"background", "ball", "box"};
  arrays.description = fmt::format("{} ({} generated, seed {})", name, count, seed);
  const auto each = static_cast<size_t>(arrays.target_size),
             all = static_cast<size_t>(count) * each;
  arrays.x.resize(all);
  arrays.targets.resize(all);
  ParallelFor(count, count >= 4, [&](int64_t i) {
    const size_t at = static_cast<size_t>(i) * each;
    DrawObservation(*task, seed, i, std::span(arrays.x).subspan(at, each),
                    std::span(arrays.targets).subspan(at, each));
  });
  return std::make_shared<ArraySource<float>>(std::move(arrays));
}

}  // namespace normkit
