#include "src/onednn/inner_product.h"

#include <algorithm>

#include "src/core/late_sums.h"
#include "src/onednn/engine.h"

namespace normkit {
namespace {

constexpr int64_t kTileSide = 128;   // of weights whose products are added up in a cache
constexpr int64_t kLine = 16;        // floats
constexpr int64_t kLongestOwn = 32;  // leaf; of longer ones the library's products are faster
constexpr int64_t kParallelProducts = 1 << 17;  // multiplications worth waking a thread for

constexpr int64_t kMaxBlocks = 16;
constexpr int64_t kMinBlock = 16;  // rows; narrower products waste the registers

struct FromTag;
struct ToTag;
struct TreeTag;
struct NodesTag;
struct BiasTag;

bool WorthThreads(const InnerProductShape& s) {
  return s.batch * s.inputs * s.outputs >= kParallelProducts;
}

// The rows of a mini-batch in at most kMaxBlocks blocks of a multiple of kMinBlock, and those that
// a part has rows of. What dnnl_sgemm gives for a row depends on how many there are and where among
// them it stands, so every rank multiplies whole blocks.
struct BlockCut {
  int64_t total, begin, end, length, first, count;  // rows; blocks
  explicit BlockCut(const LeafCut& cut)
      : total(cut.part().whole * cut.each()),
        begin(cut.part().begin() * cut.each()),
        end(begin + cut.rows()),
        length(((total + kMaxBlocks - 1) / kMaxBlocks + kMinBlock - 1) / kMinBlock * kMinBlock),
        first(begin < end ? begin / length : 0),
        count(begin < end ? (end - 1) / length - first + 1 : 0) {}
};

// product(from, to, rows) for each block of this part; of one that other ranks have rows of, in
// copies of its own rows among zeros.
template <class Product>
void ForBlocks(const LeafCut& rows, bool worth_threads, const float* from, int64_t from_width,
               float* to, int64_t to_width, const Product& product) {
  const BlockCut cut(rows);
  ParallelFor(cut.count, worth_threads, [&](int64_t i) {
    const OneThread one_thread;
    const int64_t begin = (cut.first + i) * cut.length;
    const int64_t length = std::min(cut.length, cut.total - begin);
    const int64_t own = std::max(begin, cut.begin);
    const auto count = static_cast<size_t>(std::min(begin + length, cut.end) - own);
    const float* own_from = from + (own - cut.begin) * from_width;
    float* own_to = to + (own - cut.begin) * to_width;
    if (count == static_cast<size_t>(length)) return product(own_from, own_to, length);
    const auto all = [&](int64_t width) { return static_cast<size_t>(length * width); };
    float* all_from = Scratch<FromTag, float>(all(from_width));
    float* all_to = Scratch<ToTag, float>(all(to_width));
    std::fill_n(all_from, all(from_width), 0.f);
    std::fill_n(all_to, all(to_width), 0.f);
    const size_t from_size = count * static_cast<size_t>(from_width),
                 to_size = count * static_cast<size_t>(to_width);
    std::copy_n(own_from, from_size, all_from + (own - begin) * from_width);
    std::copy_n(own_to, to_size, all_to + (own - begin) * to_width);
    product(all_from, all_to, length);
    std::copy_n(all_to + (own - begin) * to_width, to_size, own_to);
  });
}

using products::Tile;

// The gradient of the weights in tiles of at most kTileSide by kTileSide.
struct TileCut {
  int64_t rows, columns, across, count;
  explicit TileCut(const InnerProductShape& s)
      : rows(Length(s.outputs)),
        columns(Length(s.inputs)),
        across((s.inputs + columns - 1) / columns),
        count((s.outputs + rows - 1) / rows * across) {}
  Tile Get(const InnerProductShape& s, int64_t index) const {
    const int64_t o = index / across * rows, i = index % across * columns;
    return {o, i, std::min(rows, s.outputs - o), std::min(columns, s.inputs - i)};
  }

 private:
  static int64_t Length(int64_t size) {
    const int64_t pieces = (size + kTileSide - 1) / kTileSide;
    return ((size + pieces - 1) / pieces + kLine - 1) / kLine * kLine;
  }
};

// The tree of one tile: products of leaves, merged while they are in the cache.
class TileTree {
 public:
  TileTree(const InnerProductShape& shape, const LeafCut& cut, const Tile& tile, const float* x,
           const float* dy, OneDnnCall& call)
      : shape_(shape), cut_(cut), tile_(tile), x_(x), dy_(dy), call_(call) {
    for (int64_t leaves = BatchPart::kLeaves; leaves > 1; leaves /= 2) ++levels_;
    buffers_ = Scratch<TreeTag, float>(static_cast<size_t>(levels_ * tile.rows * tile.columns));
  }

  // The sum over `leaves` leaves from `first` on, which have rows, into `to` with rows `stride`
  // apart.
  void Sum(int first, int leaves, float* to, int64_t stride, int64_t level = 0) const {
    if (leaves == 1) return Multiply(first, to, stride);
    const int half = leaves / 2;
    const bool left = Any(first, half), right = Any(first + half, half);
    if (left) Sum(first, half, to, stride, level);
    if (!left) return Sum(first + half, half, to, stride, level);
    if (!right) return;
    float* other = buffers_ + level * tile_.rows * tile_.columns;
    Sum(first + half, half, other, tile_.columns, level + 1);
    for (int64_t row = 0; row < tile_.rows; ++row)
      AddUp()(to + row * stride, other + row * tile_.columns, tile_.columns);
  }

 private:
  bool Any(int first, int leaves) const {
    return cut_.begin_of(first) < cut_.begin_of(first + leaves);
  }
  void Multiply(int leaf, float* to, int64_t stride) const {
    const int64_t begin = cut_.begin_of(leaf), rows = cut_.begin_of(leaf + 1) - begin;
    call_.Note(dnnl_sgemm('T', 'N', tile_.rows, tile_.columns, rows, 1,
                          dy_ + begin * shape_.outputs + tile_.o, shape_.outputs,
                          x_ + begin * shape_.inputs + tile_.i, shape_.inputs, 0, to, stride));
  }

  const InnerProductShape& shape_;
  const LeafCut& cut_;
  const Tile tile_;
  const float* x_;
  const float* dy_;
  OneDnnCall& call_;
  int64_t levels_ = 0;
  float* buffers_;
};

}  // namespace

void InnerProduct::Forward(const float* x, const float* weights, const float* bias,
                           float* y) const {
  const int64_t in = shape_.inputs, out = shape_.outputs;
  OneDnnCall call;
  ForBlocks(cut_.Get(), WorthThreads(shape_), x, in, y, out,
            [&](const float* from, float* to, int64_t rows) {
              for (int64_t row = 0; bias && row < rows; ++row)
                std::copy(bias, bias + out, to + row * out);
              call.Note(dnnl_sgemm('N', 'T', rows, out, in, 1, from, in, weights, in,
                                   bias ? 1.f : 0.f, to, out));
            });
  call.Check("matrix product");
}

void InnerProduct::BackwardData(const float* dy, const float* weights, bool add, float* dx) const {
  const int64_t in = shape_.inputs, out = shape_.outputs;
  OneDnnCall call;
  ForBlocks(cut_.Get(), WorthThreads(shape_), dy, out, dx, in,
            [&](const float* from, float* to, int64_t rows) {
              call.Note(dnnl_sgemm('N', 'N', rows, in, out, 1, from, out, weights, in,
                                   add ? 1.f : 0.f, to, in));
            });
  call.Check("matrix product");
}

// A tile of all nodes with products of our own, which have the tree in the registers and the first
// cache. Leaves of the same lengths on every rank go the same way.
void InnerProduct::SumOwn(const LeafCut& cut, const float* x, const float* dy,
                          const products::Tile& tile, const LeafArrays<float>& nodes) const {
  ForNodes(cut.part(), [&](int first, int leaves) {
    float* to = nodes[static_cast<size_t>(first)];
    products::SumOuterProducts(products::LeafOrder(cut, first, leaves),
                               {x, dy, shape_.inputs, shape_.outputs}, tile,
                               to + tile.o * shape_.inputs + tile.i, shape_.inputs);
  });
}

// dW = dy^T x of the nodes of this part, each into its array.
void InnerProduct::SumWeights(const LeafCut& cut, const float* x, const float* dy,
                              const LeafArrays<float>& nodes) const {
  const TileCut tiles(shape_);
  OneDnnCall call;
  ParallelFor(tiles.count, WorthThreads(shape_), [&](int64_t i) {
    const OneThread one_thread;
    const Tile tile = tiles.Get(shape_, i);
    if (cut.longest() <= kLongestOwn) return SumOwn(cut, x, dy, tile, nodes);
    const TileTree tree(shape_, cut, tile, x, dy, call);
    ForNodes(cut.part(), [&](int first, int leaves) {
      float* to = nodes[static_cast<size_t>(first)];
      tree.Sum(first, leaves, to + tile.o * shape_.inputs + tile.i, shape_.inputs);
    });
  });
  call.Check("matrix product");
}

void InnerProduct::StoreWeights(const LeafCut& cut, const float* x, const float* dy,
                                Reducer* reducer, float* dweights) const {
  const bool alone = !reducer || reducer->ranks() == 1;
  const int64_t size = shape_.inputs * shape_.outputs;
  LeafArrays<float> nodes{};
  float* more =
      alone ? nullptr : Scratch<NodesTag, float>(static_cast<size_t>(size * BatchPart::kLeaves));
  ForNodes(cut.part(), [&](int first, int) {
    nodes[static_cast<size_t>(first)] = alone ? dweights : more + first * size;
  });
  SumWeights(cut, x, dy, nodes);
  SumNodesTo(nodes, cut.part(), reducer, size, dweights);
}

void InnerProduct::BackwardWeights(const float* x, const float* dy, Reducer* reducer,
                                   float* dweights, float* dbias) const {
  const LeafCut cut = cut_.Get();
  if (dweights) StoreWeights(cut, x, dy, reducer, dweights);
  if (!dbias) return;
  const int64_t out = shape_.outputs;
  float* sums = Scratch<BiasTag, float>(static_cast<size_t>(out * BatchPart::kLeaves));
  LeafArrays<float> leaves{};
  for (int64_t i = 0; i < cut.count(); ++i) {
    float* sum = leaves[static_cast<size_t>(cut.leaf(i))] = sums + i * out;
    std::fill_n(sum, out, 0.f);
    for (int64_t b = cut.begin(i); b < cut.begin(i + 1); ++b) AddUp()(sum, dy + b * out, out);
  }
  SumLeavesTo(leaves, cut.part(), reducer, out, dbias);
}

}  // namespace normkit
