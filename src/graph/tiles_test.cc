#include "src/graph/tiles.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "normkit/core/threads.h"
#include "normkit/graph/executor.h"
#include "src/core/testing.h"
#include "src/ops/binary.h"
#include "src/ops/celled_normalization.h"
#include "src/ops/elementwise.h"
#include "src/ops/resize.h"

namespace normkit {
namespace {

constexpr double kPlenty = 1e12;

// A network for one picture, [1,H,W,3] or [1,3,H,W], built up operation by operation.
class PictureNetwork {
 public:
  explicit PictureNetwork(int64_t height, int64_t width, bool channels_last = true)
      : random_(7), channels_last_(channels_last) {
    const int64_t nhwc[] = {1, height, width, 3}, nchw[] = {1, 3, height, width};
    shape_ = channels_last ? Layout::Make("BSSC", nhwc) : Layout::Make("BCSS", nchw);
    picture_ = at_ = graph_.AddInput({DType::kF32, shape_});
    if (!channels_last) Add(ops::Transpose({0, 2, 3, 1}));
  }

  Value Add(ops::OpPtr op, std::vector<Value> others = {}) {
    others.insert(others.begin(), at_);
    return at_ = graph_.AddNode(std::move(op), std::move(others))[0];
  }
  Value Convolution(int64_t filters, const ops::Window& window, int64_t groups = 1) {
    const int64_t channels = graph_.layout(at_).channels();
    const Value weights = Normal({filters, channels / groups, window.size[0], window.size[1]}),
                bias = Normal({filters});
    return Add(ops::Convolution(window, groups), {weights, bias});
  }
  Value Transposed(int64_t filters, const ops::Window& window, const ops::Transposed& how = {}) {
    const int64_t channels = graph_.layout(at_).channels();
    const Value weights = Normal({channels, filters, window.size[0], window.size[1]});
    return Add(ops::TransposedConvolution(window, 1, how), {weights, Normal({filters})});
  }
  Value Norm(const NormSpec& spec = kInstanceNorm, int64_t groups = 0) {
    const int64_t channels = graph_.layout(at_).channels();
    ops::NormalizationSettings settings{.spec = &spec};
    settings.options.num_groups = groups;
    return Add(ops::MakeNormalization(settings), {Normal({channels}), Normal({channels})});
  }
  Value Elementwise(std::string_view name) {
    return Add(ops::MakeElementwise(ops::FindElementwise(name), 0.1f));
  }
  Value Pad(ops::Edge edge, int64_t top, int64_t bottom, int64_t left, int64_t right) {
    return Add(ops::Pad(edge), {Whole({0, top, left, 0, 0, bottom, right, 0})});
  }
  Value Resize(float scale) {
    ops::ResizeSettings settings;
    settings.coordinates = ops::ResizeSettings::kAsymmetric;
    settings.rounding = ops::ResizeSettings::kFloor;
    settings.axes = {1, 2};
    Tensor scales(Layout::Unlabelled(std::vector<int64_t>{2}));
    scales.values<float>()[0] = scales.values<float>()[1] = scale;
    return Add(ops::Resize(settings), {graph_.AddConstant(std::move(scales))});
  }
  Value Normal(std::vector<int64_t> shape) {
    Tensor values(Layout::Unlabelled(shape));
    double fan_in = 1;
    for (size_t i = 1; i < shape.size(); ++i) fan_in *= static_cast<double>(shape[i]);
    for (float& value : values.values<float>())
      value = static_cast<float>(random_.Normal() / std::sqrt(fan_in));
    return graph_.AddConstant(std::move(values));
  }
  Value Whole(std::vector<int64_t> elements) {
    Tensor tensor(Layout::Unlabelled(std::vector<int64_t>{std::ssize(elements)}), DType::kI64);
    std::ranges::copy(elements, tensor.values<int64_t>().begin());
    return graph_.AddConstant(std::move(tensor));
  }

  void End() {
    if (!channels_last_) Add(ops::Transpose({0, 3, 1, 2}));
    input_.resize(static_cast<size_t>(shape_.size()));
    for (float& x : input_) x = static_cast<float>(100 + 50 * random_.Normal());
  }
  Value at() const { return at_; }
  void set_at(Value value) { at_ = value; }
  const Graph& graph() const { return graph_; }
  TiledGraph Tiled() const { return {graph_, Parameters(), picture_, shape_, at_}; }

  // By an executor, as all graphs are.
  std::vector<float> Plain() const {
    Executor executor(graph_);
    executor.SetShapes(std::span(&shape_, 1));
    std::ranges::copy(input_, executor.input(0).values<float>().begin());
    const auto y = executor.Forward(Parameters(), {});
    return {y.begin(), y.end()};
  }
  std::vector<float> Run(TiledGraph& tiled, const Tiling& tiling, double bytes) const {
    const Layout& output = graph_.layout(at_);
    std::vector<float> y(static_cast<size_t>(output.size()), NAN);
    const auto copy = [](const Box& box, const Layout& whole, auto&& element) {
      const std::vector<int64_t> s = whole.shape();
      int64_t i = 0;
      for (int64_t a = box.begin[1]; a < box.end(1); ++a)
        for (int64_t b = box.begin[2]; b < box.end(2); ++b)
          for (int64_t c = box.begin[3]; c < box.end(3); ++c)
            element(static_cast<size_t>((a * s[2] + b) * s[3] + c), i++);
    };
    tiled.Run(
        [&](const Box& box, float* to) {
          copy(box, shape_, [&](size_t at, int64_t i) { to[i] = input_[at]; });
        },
        [&](const Box& box, const float* from) {
          copy(box, output, [&](size_t at, int64_t i) { y[at] = from[i]; });
        },
        tiling, {bytes});
    return y;
  }

 private:
  Graph graph_;
  Random random_;
  bool channels_last_;
  Layout shape_;
  Value picture_ = 0, at_ = 0;
  std::vector<float> input_;
};

void ExpectSameBits(const std::vector<float>& a, const std::vector<float>& b,
                    const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  size_t different = 0, first = 0;
  for (size_t i = a.size(); i-- > 0;)
    if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0) ++different, first = i;
  EXPECT_EQ(different, 0u) << what << ": the first at " << first << ", " << a[first] << " and "
                           << b[first];
}

// By tiles of several sizes, with all kept between passes, some and nothing.
void ExpectTiles(PictureNetwork& network, bool same_as_plain = false) {
  network.End();
  TiledGraph tiled = network.Tiled();
  ASSERT_EQ(tiled.why_not(), "");
  const std::vector<float> whole = network.Run(tiled, {}, kPlenty), plain = network.Plain();
  EXPECT_GT(*std::ranges::max_element(whole), *std::ranges::min_element(whole));
  for (size_t i = 0; i < whole.size(); ++i)
    ASSERT_NEAR(whole[i], plain[i], same_as_plain ? 0 : 1e-3 * (1 + std::abs(plain[i]))) << i;
  const int threads = NumThreads();
  for (const Tiling& tiling : {tiled.TilingOf(16), tiled.TilingOf(50), Tiling{16, 48}})
    for (const double bytes : {kPlenty, 300e3, 0.})
      for (const int with : {1, 2}) {
        SetNumThreads(with);
        ExpectSameBits(network.Run(tiled, tiling, bytes), whole,
                       fmt::format("tiles of {} x {}, {} bytes, {} threads", tiling.rows,
                                   tiling.columns, bytes, with));
      }
  SetNumThreads(threads);
}

ops::Window Square(int64_t size, int64_t stride = 1, int64_t padding = 0, int64_t dilation = 1) {
  return {{size, size}, {stride, stride}, {dilation, dilation}, Padding::All(padding)};
}

TEST(Tiles, ConvolutionsOfAllKinds) {
  for (const ops::Window& window :
       {Square(3, 1, 1), Square(3), Square(5, 1, 2), Square(3, 2, 1), Square(4, 2, 1),
        Square(3, 1, 2, 2), Square(1), Square(9, 1, 4), Square(3, 3, 0), Square(2, 1, 1)})
    for (const int64_t filters : {5, 16, 32}) {
      SCOPED_TRACE(fmt::format("{}x{} stride {} padding {}, {} filters", window.size[0],
                               window.size[1], window.stride[0], window.padding.top, filters));
      PictureNetwork network(67, 90);
      network.Convolution(filters, window);
      network.Convolution(16, window);
      network.Convolution(3, window);
      ExpectTiles(network);
    }
}

TEST(Tiles, WinogradTilesBeginAtEvenPlaces) {
  PictureNetwork network(75, 61);
  network.Convolution(16, Square(3));
  for (int i = 0; i < 3; ++i) network.Convolution(16, Square(3, 1, i % 2));
  network.Pad(ops::Edge::kConstant, 1, 0, 0, 1);
  network.Convolution(16, Square(3));
  ExpectTiles(network);
}

TEST(Tiles, GroupsAndUnevenWindows) {
  PictureNetwork network(61, 47);
  network.Convolution(8, {{3, 5}, {1, 2}, {2, 1}, {.top = 2, .bottom = 1, .left = 0, .right = 3}});
  network.Convolution(12, Square(3, 1, 1), 4);
  network.Convolution(6, {{3, 3}, {2, 2}, {}, Padding::Same()});
  ExpectTiles(network);
}

TEST(Tiles, PaddingOfAllKinds) {
  for (const ops::Edge edge : {ops::Edge::kConstant, ops::Edge::kReflect, ops::Edge::kRepeat}) {
    PictureNetwork network(50, 40);
    network.Pad(edge, 3, 4, 1, 17);
    network.Convolution(8, Square(3));
    network.Pad(edge, -2, 5, 6, -3);
    network.Convolution(3, Square(5));
    ExpectTiles(network);
  }
}

TEST(Tiles, TransposedConvolutions) {
  for (const ops::Window& window :
       {Square(3, 2, 1), Square(4, 2, 1), Square(2, 2), Square(3), Square(3, 1, 1, 2),
        Square(5, 3, 2), Square(1, 2), Square(3, 2, 2, 3)})
    for (const int64_t more : {0, 1}) {
      if (more >= window.stride[0]) continue;
      SCOPED_TRACE(fmt::format("{}x{} stride {} and {} more", window.size[0], window.size[1],
                               window.stride[0], more));
      PictureNetwork network(33, 29);
      network.Convolution(16, Square(3, 1, 1));
      network.Transposed(8, window, {.more = {more, more}});
      network.Transposed(3, window, {.more = {more, more}});
      ExpectTiles(network);
    }
}

TEST(Tiles, ResizingAndOtherViews) {
  PictureNetwork network(53, 71, /*channels_last=*/false);
  network.Convolution(8, Square(3, 2, 1));
  network.Resize(2);
  network.Add(ops::SliceAxes(), {network.Whole({3, -2}), network.Whole({-1, 0}),
                                 network.Whole({1, 2}), network.Whole({1, -1})});
  const Value x = network.Convolution(8, Square(3, 1, 1));
  network.Elementwise("sigmoid");
  network.Add(ops::Concatenation(), {x});
  network.Convolution(3, Square(3, 1, 1));
  network.Resize(1.5);
  ExpectTiles(network);
}

TEST(Tiles, NormalizationsOfTheWholePicture) {
  for (const auto& [spec, groups] :
       {std::pair(&kInstanceNorm, 0), {&kGroupNorm, 4}, {&kLayerNormSpatialChannel, 0}}) {
    PictureNetwork network(83, 70);
    network.Convolution(16, Square(3, 1, 1));
    network.Norm(*spec, groups);
    network.Elementwise("relu");
    network.Convolution(16, Square(3, 2, 1));
    network.Norm(*spec, groups);
    network.Elementwise("leakyrelu");
    network.Resize(2);
    network.Convolution(3, Square(3, 1, 1));
    ExpectTiles(network);
  }
}

void AddStyleNetwork(PictureNetwork& network, int64_t channels, bool transposed) {
  const auto pad = [&](int64_t n) { network.Pad(ops::Edge::kReflect, n, n, n, n); };
  const auto layer = [&](int64_t filters, int64_t size, int64_t stride) {
    pad(size / 2);
    network.Convolution(filters, Square(size, stride));
    network.Norm();
    return network.Elementwise("relu");
  };
  layer(channels, 9, 1);
  layer(2 * channels, 3, 2);
  layer(4 * channels, 3, 2);
  for (int i = 0; i < 2; ++i) {
    const Value x = network.at();
    layer(4 * channels, 3, 1);
    pad(1);
    network.Convolution(4 * channels, Square(3));
    network.Norm();
    network.Add(ops::Addition(), {x});
  }
  for (const int64_t filters : {2 * channels, channels}) {
    if (transposed) {
      network.Transposed(filters, Square(3, 2, 1), {.more = {1, 1}});
      network.Norm();
      network.Elementwise("relu");
    } else {
      network.Resize(2);
      layer(filters, 3, 1);
    }
  }
  pad(4);
  network.Convolution(3, Square(9));
  network.Elementwise("tanh");
}

TEST(Tiles, StyleNetworks) {
  for (const int64_t channels : {5, 16})
    for (const bool transposed : {false, true}) {
      SCOPED_TRACE(fmt::format("{} channels, transposed {}", channels, transposed));
      PictureNetwork network(132, 204);
      AddStyleNetwork(network, channels, transposed);
      ExpectTiles(network);
    }
}

TEST(Tiles, OddSizesWithinAStyleNetwork) {
  PictureNetwork network(101, 75);
  AddStyleNetwork(network, 8, false);
  ExpectTiles(network);
}

// Scale and offset follow from a second input: what does not depend on the picture is computed
// once.
TEST(Tiles, ScaleAndOffsetOfAnotherInput) {
  Graph graph;
  const int64_t shape[] = {1, 70, 50, 3}, of_style[] = {1, 4};
  const Layout layout = Layout::Make("BSSC", shape);
  const Value x = graph.AddInput({DType::kF32, layout}),
              style = graph.AddInput({DType::kF32, Layout::Make("BC", of_style)});
  const auto filled = [](std::vector<int64_t> sizes, double step) {
    Tensor tensor(Layout::Unlabelled(sizes));
    float value = 0.1f;
    for (float& element : tensor.values<float>())
      element = value = std::fmod(value + static_cast<float>(step), 1.f) - 0.3f;
    return tensor;
  };
  const auto constant = [&](std::vector<int64_t> sizes, double step) {
    return graph.AddConstant(filled(sizes, step));
  };
  Tensor axes(Layout::Unlabelled(std::vector<int64_t>{4}), DType::kI64);
  for (const int64_t i : {0, 1, 2, 3})
    axes.values<int64_t>()[static_cast<size_t>(i)] = i < 3 ? 1 : 16;
  const Value y =
      graph.AddNode(ops::Convolution(Square(3, 1, 1), 1), {x, constant({16, 3, 3, 3}, 0.37)})[0];
  const auto of_picture = [&](double step) {
    const Value product = graph.AddNode(ops::MatrixProduct(), {style, constant({16, 4}, step)})[0];
    return graph.AddNode(ops::Reshape(), {product, graph.AddConstant(axes.Clone())})[0];
  };
  ops::NormalizationSettings settings{.spec = &kInstanceNorm};
  const Value normal = graph.AddNode(ops::MakeNormalization(settings),
                                     {y, constant({16}, 0.9), constant({16}, 0.8)})[0];
  const Value scaled =
      graph.AddNode(ops::MakeBinary(ops::FindBinary("multiply")), {normal, of_picture(0.41)})[0];
  const Value moved =
      graph.AddNode(ops::MakeBinary(ops::FindBinary("add")), {scaled, of_picture(0.23)})[0];
  const Value gamma = graph.AddNode(ops::MatrixProduct(), {style, constant({16, 4}, 0.77)})[0];
  const Value again =
      graph.AddNode(ops::AdaptiveNormalization(kInstanceNorm, {}), {moved, gamma, gamma})[0];
  const Value output = graph.AddNode(ops::Convolution(Square(3, 1, 1), 1),
                                     {again, constant({3, 16, 3, 3}, 0.61)})[0];
  TiledGraph tiled(graph, Parameters(), x, layout, output,
                   {{style, std::make_shared<const Tensor>(filled({1, 4}, 0.7))}});
  ASSERT_EQ(tiled.why_not(), "");
  const auto run = [&](const Tiling& tiling) {
    std::vector<float> made(70 * 50 * 3);
    tiled.Run(
        [](const Box& box, float* to) {
          for (int64_t r = box.begin[1]; r < box.end(1); ++r)
            for (int64_t c = box.begin[2]; c < box.end(2); ++c)
              for (int64_t k = 0; k < 3; ++k)
                *to++ = static_cast<float>((r * 31 + c * 17 + k * r * c) % 101);
        },
        [&](const Box& box, const float* from) {
          for (int64_t r = box.begin[1]; r < box.end(1); ++r, from += box.size[2] * 3)
            std::copy_n(from, box.size[2] * 3, made.data() + (r * 50 + box.begin[2]) * 3);
        },
        tiling, {kPlenty});
    return made;
  };
  ExpectSameBits(run({16, 32}), run({}), "tiles");
}

TEST(Tiles, WhatCannotBeCutSaysSo) {
  PictureNetwork network(40, 40);
  network.Convolution(8, Square(3, 1, 1));
  network.Add(ops::Pooling(ops::Pool::kMax, Square(2, 2)));
  network.End();
  TiledGraph tiled = network.Tiled();
  EXPECT_EQ(tiled.why_not(), "max pooling");
  EXPECT_EQ(tiled.TilingFor(0), Tiling());
  EXPECT_ERROR(network.Run(tiled, {16, 16}, kPlenty), "max pooling: cannot be computed by tiles");
}

TEST(Tiles, MoreMemoryTakesLessWork) {
  PictureNetwork network(260, 180);
  AddStyleNetwork(network, 8, false);
  network.End();
  TiledGraph tiled = network.Tiled();
  double before = 1e9;
  for (const double bytes : {0., 1e6, 2e6, 4e6, 1e8}) {
    network.Run(tiled, tiled.TilingOf(64), bytes);
    EXPECT_LE(tiled.work(), before) << bytes;
    before = tiled.work();
  }
  EXPECT_LT(before, 1.2);
}

TEST(Tiles, TilingFollowsTheMemory) {
  PictureNetwork network(1200, 900);
  AddStyleNetwork(network, 16, false);
  network.End();
  const TiledGraph tiled = network.Tiled();
  const double whole = tiled.WholeBytes();
  EXPECT_EQ(tiled.TilingFor(whole), Tiling());
  const Tiling most = tiled.TilingFor(whole / 1.01), little = tiled.TilingFor(whole / 10);
  EXPECT_GT(most.columns, 600);
  EXPECT_EQ(most.rows, 64);
  EXPECT_LT(little.rows * little.columns, most.rows * most.columns);
  EXPECT_EQ(most.rows % 64, 0);
  EXPECT_EQ(tiled.TilingOf(200), (Tiling{192, 192}));
  EXPECT_EQ(tiled.TilingOf(1), (Tiling{64, 64}));
}

}  // namespace
}  // namespace normkit
