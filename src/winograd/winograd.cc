#include "src/winograd/winograd.h"

#include <algorithm>
#include <cstring>

#include "src/core/ceil_divide.h"
#include "src/core/fail.h"
#include "src/core/late_sums.h"
#include "src/winograd/kernels.h"

namespace normkit {
namespace {

using winograd::ChosenKernels;
using winograd::Job;
using winograd::kBlock;
using winograd::kPanel;
using winograd::kPoints;
using winograd::kTaps;
using winograd::WeightOrder;

constexpr int64_t kParallelProducts = 1 << 18;  // multiplications worth waking a thread for
constexpr int64_t kWeightRows = 16;             // that one task transforms
constexpr int64_t kTileRows = 8;                // that are multiplied at a time
// Transformed weights are kept where they are few and their transform is a large part of a pass.
constexpr int64_t kMostKeptWeights = 1 << 14, kMostTilesOfKept = 1 << 10;

// Where it is less than a fifth faster, or slower for a single image (docs/decisions.md).
constexpr double kLeastFill = 0.8;
constexpr int64_t kFewWeights = 1 << 16, kManyTiles = 36;  // of an image

struct InputTag;
struct ProductTag;
struct GradientTag;
struct BiasTag;
struct OrderedTag;

// Of outputs among those that whole tiles have.
double Fill(const Space& size) {
  const int64_t height = size[0], width = size[1];
  return static_cast<double>(height * width) /
         static_cast<double>((height + 1) / 2 * 2 * ((width + 1) / 2 * 2));
}

int64_t NumTiles(const Job& job, int64_t batch) {
  return batch * job.tile_rows() * job.tile_columns();
}

Job ForwardJob(const ConvolutionShape& s) {
  const Space out = s.output_size();
  return {s.size[0], s.size[1], s.channels, out[0], out[1], s.filters, s.before[0], s.before[1]};
}

// Gradients go back through the weights, transposed and turned.
Job BackwardJob(const ConvolutionShape& s) {
  const Space out = s.output_size();
  return {out[0],    out[1],     s.filters,       s.size[0],
          s.size[1], s.channels, 2 - s.before[0], 2 - s.before[1]};
}

int64_t Products(const Job& job, int64_t batch) {
  return NumTiles(job, batch) * kPoints * job.channels * job.filters;
}

size_t WeightFloats(const ConvolutionShape& s) {
  return static_cast<size_t>(kPoints * winograd::PointStride(s.channels * s.filters));
}

template <class Tag>
float* BlockScratch(int64_t channels) {
  return Scratch<Tag, float>(static_cast<size_t>(kPoints * winograd::TileStride(channels)));
}

bool WorthThreads(const Job& job, int64_t batch) {
  return Products(job, batch) >= kParallelProducts;
}

void TransformWeights(const Job& job, int64_t batch, const float* weights, bool turned, float* u) {
  const WeightOrder order{job.channels, job.filters, turned};
  ParallelFor(CeilDivide(job.channels, kWeightRows), WorthThreads(job, batch), [&](int64_t i) {
    ChosenKernels().transform_weights(order, weights, i * kWeightRows,
                                      std::min(job.channels, (i + 1) * kWeightRows), u);
  });
}

// Blocks of at most kBlock tiles, two at the least.
void Run(const Job& job, int64_t batch, const float* x, const float* u, const float* bias, bool add,
         float* y) {
  const int64_t tiles = NumTiles(job, batch),
                half = CeilDivide(CeilDivide(tiles, 2), kTileRows) * kTileRows,
                block = std::min(kBlock, half);
  ParallelFor(CeilDivide(tiles, block), WorthThreads(job, batch), [&](int64_t i) {
    float* v = BlockScratch<InputTag>(job.channels);
    float* m = BlockScratch<ProductTag>(job.filters);
    ChosenKernels().convolve(job, x, u, bias, add, i * block, std::min(tiles, (i + 1) * block), v,
                             m, y);
  });
}

}  // namespace

std::string WhyNotWinograd(const ConvolutionShape& s) {
  const Space ones{1, 1};
  const auto shown = [](const Space& size) { return fmt::format("{}", fmt::join(size, "x")); };
  if (s.dims() != 2) return fmt::format("{} dimensions of space, expected 2", s.dims());
  if (s.groups != 1) return fmt::format("{} groups, expected 1", s.groups);
  if (s.filter_size != Space{3, 3})
    return fmt::format("filters are {}, expected 3x3", shown(s.filter_size));
  if (s.stride != ones) return fmt::format("stride is {}, expected 1x1", shown(s.stride));
  if (s.dilation != ones) return fmt::format("dilation is {}, expected 1x1", shown(s.dilation));
  if (s.channels % kPanel != 0 || s.filters % kPanel != 0)
    return fmt::format("{} channels and {} filters, expected multiples of {}", s.channels,
                       s.filters, kPanel);
  const double fill = std::min(Fill(s.size), Fill(s.output_size()));
  if (fill <= kLeastFill)
    return fmt::format("images fill {:.2f} of their tiles, expected more than {}", fill,
                       kLeastFill);
  if (s.channels * s.filters > kFewWeights && NumTiles(ForwardJob(s), 1) < kManyTiles)
    return fmt::format("{} tiles an image for {} weights a tap, expected {} tiles",
                       NumTiles(ForwardJob(s), 1), s.channels * s.filters, kManyTiles);
  return "";
}

size_t WinogradConvolution::forward_scratch_bytes() const {
  return WeightFloats(shape_) * sizeof(float);
}

size_t WinogradConvolution::backward_scratch_bytes() const {
  const int64_t leaves = LeafCut(shape_.batch, part_).count();
  const auto parts = static_cast<size_t>(leaves * kTaps * shape_.channels * shape_.filters);
  return std::max(WeightFloats(shape_), parts) * sizeof(float);
}

WinogradConvolution::WinogradConvolution(const ConvolutionShape& shape, const BatchPart& part,
                                         bool keeps_weights)
    : shape_(shape),
      part_(part),
      keeps_(keeps_weights && shape.channels * shape.filters <= kMostKeptWeights &&
             NumTiles(ForwardJob(shape), shape.batch) <= kMostTilesOfKept) {}

// The kept ones, transformed again where `weights` are others.
const float* WinogradConvolution::Transformed(const float* weights) {
  const auto count = static_cast<size_t>(kTaps * shape_.channels * shape_.filters);
  if (kept_.size() != count || std::memcmp(kept_.data(), weights, count * sizeof(float)) != 0) {
    kept_.assign(weights, weights + count);
    transformed_ = Tensor(Layout({{kC, static_cast<int64_t>(WeightFloats(shape_))}}));
    TransformWeights(ForwardJob(shape_), shape_.batch, weights, false,
                     transformed_.values<float>().data());
  }
  return transformed_.values<float>().data();
}

void WinogradConvolution::Forward(const float* x, const float* weights, const float* bias, float* y,
                                  std::byte* scratch) {
  const Job job = ForwardJob(shape_);
  if (keeps_) return Run(job, shape_.batch, x, Transformed(weights), bias, false, y);
  auto* u = reinterpret_cast<float*>(scratch);
  TransformWeights(job, shape_.batch, weights, false, u);
  Run(job, shape_.batch, x, u, bias, false, y);
}

void WinogradConvolution::BackwardData(const float* dy, const float* weights, bool add, float* dx,
                                       std::byte* scratch) const {
  const Job job = BackwardJob(shape_);
  auto* u = reinterpret_cast<float*>(scratch);
  TransformWeights(job, shape_.batch, weights, true, u);
  Run(job, shape_.batch, dy, u, nullptr, add, dx);
}

namespace {

// Sums over the pixels of each leaf in f64, and over leaves.
void SumBias(const ConvolutionShape& shape, const LeafCut& cut, bool threads, const float* dy,
             Reducer* reducer, float* dbias) {
  const int64_t pixels = shape.y_size() / shape.filters;
  double* sums = Scratch<BiasTag, double>(static_cast<size_t>(cut.count() * shape.filters));
  ParallelFor(cut.count(), threads, [&](int64_t i) {
    for (int64_t panel = 0; panel < shape.filters; panel += kPanel) {
      double sum[kPanel] = {};
      for (int64_t p = cut.begin(i) * pixels; p < cut.begin(i + 1) * pixels; ++p)
        for (int64_t lane = 0; lane < kPanel; ++lane)
          sum[lane] += dy[p * shape.filters + panel + lane];
      std::copy_n(sum, kPanel, sums + i * shape.filters + panel);
    }
  });
  LeafArrays<double> arrays{};
  for (int64_t i = 0; i < cut.count(); ++i)
    arrays[static_cast<size_t>(cut.leaf(i))] = sums + i * shape.filters;
  SumLeavesTo(arrays, cut.part(), reducer, shape.filters, dbias);
}

// The sums of this part meet those of other ranks in the order of the weights.
template <class Order>
void JoinOrdered(const LeafArrays<float>& sums, const Order& order, const BatchPart& part,
                 Reducer& reducer, int64_t size, float* dweights) {
  float* more = Scratch<OrderedTag, float>(static_cast<size_t>(size * BatchPart::kLeaves));
  LeafArrays<float> nodes{};
  for (size_t leaf = 0; leaf < sums.size(); ++leaf) {
    if (!sums[leaf]) continue;
    nodes[leaf] = more + static_cast<int64_t>(leaf) * size;
    order(sums[leaf], nodes[leaf]);
  }
  SumNodesTo(nodes, part, &reducer, size, dweights);
}

}  // namespace

void WinogradConvolution::BackwardWeights(const float* x, const float* dy, Reducer* reducer,
                                          float* dweights, float* dbias, std::byte* scratch) const {
  const auto& kernels = ChosenKernels();
  const Job job = ForwardJob(shape_);
  const int64_t image_tiles = NumTiles(job, 1), size = job.channels * job.filters;
  const LeafCut cut(shape_.batch, part_);
  const bool threads = Products(job, shape_.batch) >= kParallelProducts;
  if (dbias) SumBias(shape_, cut, threads, dy, reducer, dbias);
  if (!dweights) return;
  auto* parts = reinterpret_cast<float*>(scratch);
  LeafArrays<float> arrays{};
  for (int64_t i = 0; i < cut.count(); ++i)
    arrays[static_cast<size_t>(cut.leaf(i))] = parts + i * kTaps * size;
  ParallelFor(cut.count(), threads, [&](int64_t i) {
    float* du = Scratch<GradientTag, float>(WeightFloats(shape_));
    std::fill_n(du, WeightFloats(shape_), 0.f);
    kernels.add_products(job, x, dy, cut.begin(i) * image_tiles, cut.begin(i + 1) * image_tiles,
                         BlockScratch<InputTag>(job.channels),
                         BlockScratch<ProductTag>(job.filters), du);
    kernels.finish_weights(job, du, parts + i * kTaps * size);
  });
  SumPart(arrays, cut.part(), kTaps * size);
  const auto order = [&](const float* sum, float* weights) {
    ParallelFor(job.channels, threads, [&](int64_t c) {
      for (int64_t k = 0; k < kTaps; ++k)
        for (int64_t f = 0; f < job.filters; ++f)
          weights[(f * job.channels + c) * kTaps + k] = sum[k * size + c * job.filters + f];
    });
  };
  if (reducer && reducer->ranks() > 1)
    JoinOrdered(arrays, order, cut.part(), *reducer, kTaps * size, dweights);
  else
    order(arrays[0], dweights);
}

}  // namespace normkit
